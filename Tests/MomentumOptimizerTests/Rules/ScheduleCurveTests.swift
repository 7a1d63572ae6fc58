import Foundation
import Momentum
import MomentumTestSupport
import XCTest

/// The curves that single peers have, against values by hand and against the peers' own formulas, written out here.
final class ScheduleCurveTests: XCTestCase {
  private func values(_ schedule: Schedule, _ steps: Range<Int>) -> [Double] { steps.map(schedule.value(at:)) }

  func testTheFinalValueOfAnExponential() throws {
    XCTAssertEqual(values(try .exponential(initial: 8, rate: 0.5, final: 1.5), 0..<5), [8, 4, 2, 1.5, 1.5])
    XCTAssertEqual(values(try .exponential(initial: 1, rate: 2, final: 5), 0..<5), [1, 2, 4, 5, 5])
    XCTAssertEqual(
      values(try .exponential(initial: 8, rate: 0.25, every: 2, staircase: true, final: 1), 0..<6), [8, 8, 2, 2, 1, 1])
    XCTAssertEqual(try Schedule.exponential(initial: 1, rate: 1e300, final: 5).value(at: 9), 5, "nothing overflows")
  }

  func testThePowerOfACosine() throws {
    // The cosines of 0, 60, 90, 120 and 180 degrees make 1, 3/4, 1/2, 1/4 and 0.
    let schedule = try Schedule.cosine(initial: 5, final: 1, steps: 6, power: 2)
    assertClose([5, 3.25, 2, 1.25, 1, 1], [0, 2, 3, 4, 6, 99].map(schedule.value(at:)), ulps: 4)
    let root = try Schedule.cosine(initial: 5, final: 1, steps: 6, power: 0.5)
    assertClose([5, 3, 1, 1], [0, 4, 6, 99].map(root.value(at:)), ulps: 4)
  }

  func testTheScaleOfRestarts() throws {
    let same = try Schedule.cosine(initial: 5, final: 1, steps: 2, restartFactor: 1, restartScale: 0.5)
    assertClose([5, 3, 3, 2, 2, 1.5, 1.5], values(same, 0..<7), ulps: 2)
    // Periods of 2, 4 and 8 steps.
    let growing = try Schedule.cosine(initial: 5, final: 1, steps: 2, restartFactor: 2, restartScale: 0.5)
    assertClose([5, 3, 3, 2, 2, 1.5], [0, 1, 2, 4, 6, 10].map(growing.value(at:)), ulps: 2)
    let gone = try Schedule.cosine(initial: 5, final: 1, steps: 2, restartFactor: 1, restartScale: 0)
    XCTAssertEqual(values(gone, 2..<6), [1, 1, 1, 1])
    XCTAssertThrowsError(try Schedule.cosine(initial: 0, final: 1, steps: 2, restartFactor: 1, restartScale: 2)) {
      XCTAssertEqual("\($0)", "restartScale of a cosine schedule is 2.0; expected a number in 0...1")
    }
  }

  func testCycles() throws {
    assertClose(
      [4, 2, 0, 1, 0, 2.0 / 3, 0], values(try .polynomial(from: 4, to: 0, steps: 2, power: 1, cycles: true), 0..<7),
      ulps: 2)
    // Keras: decay_steps · ceil(step / decay_steps), but once decay_steps at step 0.
    let schedule = try Schedule.polynomial(from: 0.5, to: 0.125, steps: 7, power: 2, cycles: true)
    for t in 0..<50 {
      let steps = 7 * max(1, (Double(t) / 7).rounded(.up))
      let rest = 1 - Double(t) / steps
      XCTAssertEqual(schedule.value(at: t), (0.5 - 0.125) * rest * rest + 0.125, accuracy: 1e-15)
    }
  }

  func testOneCycle() throws {
    let lines = try Schedule.oneCycle(
      peak: 5, initial: 1, final: 0, steps: 10, riseShare: 0.5, curve: .linear)
    assertClose([1, 2, 3, 4, 5, 4, 3, 2, 1, 0, 0, 0], values(lines, 0..<12), ulps: 2)
    let three = try Schedule.oneCycle(
      peak: 4, initial: 1, final: 0.25, steps: 10, riseShare: 0.4, curve: .linear, threePhases: true)
    assertClose([1, 2, 3, 4, 3, 2, 1, 0.75, 0.5, 0.25, 0.25], values(three, 0..<11), ulps: 2)
    let standard = try Schedule.oneCycle(peak: 0.5, steps: 100)
    XCTAssertEqual([0, 29, 99, 100].map(standard.value(at:)), [0.02, 0.5, 2e-6, 2e-6])
  }

  /// PyTorch's loop over the phases of `OneCycleLR`.
  func testOneCycleAgainstPyTorchsFormula() throws {
    func anneal(_ start: Double, _ end: Double, _ share: Double, _ curve: Schedule.Curve) -> Double {
      curve == .linear ? (end - start) * share + start : end + (start - end) / 2 * (1 + cosine(.pi * share))
    }
    for curve in Schedule.Curve.allCases {
      for (share, threePhases) in [(0.3, false), (0.25, true), (0.37, false), (0.5, true), (0, false), (0.9, false)] {
        for steps in [7, 50, 101] {
          let (initial, peak, final, total) = (0.02, 0.5, 0.001, Double(steps))
          var phases = [(share * total - 1, initial, peak)]
          if threePhases {
            phases += [(2 * share * total - 2, peak, initial), (total - 1, initial, final)]
          } else {
            phases += [(total - 1, peak, final)]
          }
          let schedule = try Schedule.oneCycle(
            peak: peak, initial: initial, final: final, steps: steps, riseShare: share, curve: curve,
            threePhases: threePhases)
          for t in 0..<steps {
            var start = 0.0
            for (index, (end, from, to)) in phases.enumerated() {
              if Double(t) <= end || index == phases.count - 1 {
                XCTAssertEqual(
                  schedule.value(at: t), anneal(from, to, (Double(t) - start) / (end - start), curve), accuracy: 1e-15,
                  "\(curve), \(share), \(threePhases), step \(t) of \(steps)")
                break
              }
              start = end
            }
          }
        }
      }
    }
  }

  func testInterpolatedValues() throws {
    XCTAssertEqual(
      values(try .interpolated(boundaries: [2, 6], values: [1, 3, 1]), 0..<9), [1, 2, 3, 2.5, 2, 1.5, 1, 1, 1])
    assertClose(
      [5, 4, 2, 1, 1], values(try .interpolated(boundaries: [3], values: [5, 1], curve: .cosine), 0..<5), ulps: 2)
    XCTAssertEqual(values(try .interpolated(boundaries: [], values: [3]), 0..<2), [3, 3])
    // Optax: sums over the intervals that hold the step.
    let (bounds, levels) = ([0, 5, 6, 20], [0.5, 0.25, 1, 0.125])
    for curve in Schedule.Curve.allCases {
      let schedule = try Schedule.interpolated(boundaries: Array(bounds.dropFirst()), values: levels, curve: curve)
      for t in 0..<25 {
        var expected = t >= 20 ? 0.125 : 0
        for i in 0..<3 where bounds[i] <= t && t < bounds[i + 1] {
          let share = Double(t - bounds[i]) / Double(bounds[i + 1] - bounds[i])
          expected =
            curve == .linear
            ? (levels[i + 1] - levels[i]) * share + levels[i]
            : levels[i + 1] + (levels[i] - levels[i + 1]) / 2 * (cosine(.pi * share) + 1)
        }
        XCTAssertEqual(schedule.value(at: t), expected, accuracy: 1e-15, "\(curve), \(t)")
      }
    }
  }

  private func cosine(_ x: Double) -> Double { cos(x) }
}
