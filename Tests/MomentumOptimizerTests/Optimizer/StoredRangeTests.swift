import MomentumTestSupport
import XCTest

@testable import Momentum

/// What is stored as a scale times a vector is finite wherever a plain loop is.
final class StoredRangeTests: XCTestCase {
  func testVelocitiesNearTheEndOfTheRangeFloat() throws { try velocities(Float.self) }
  func testVelocitiesNearTheEndOfTheRangeDouble() throws { try velocities(Double.self) }

  private func velocities<S: BLASScalar>(_: S.Type) throws {
    let largest = Double(S.greatestFiniteMagnitude)
    for momentum in [0.0, 1e-8, 0.3, 0.9, 0.99, 1] {
      for nesterov in [false, true] where momentum > 0 {
        let steps = 300
        // The largest gradient whose velocity a plain loop can hold.
        let weights = (0..<steps).reduce(0.0) { sum, _ in 1 + momentum * sum }
        let gradient = S(0.99 * largest / max(1, weights) / (nesterov ? 2 : 1))
        let rate = 1 / largest
        let rule = try SGD(learningRate: rate, momentum: momentum, nesterov: nesterov)
        var run = try EngineRun<S>([[1, -1, 0]], rule: rule)
        var (v, p) = (0.0, 1.0)
        for step in 0..<steps {
          try run.step([[gradient, -gradient, 0]])
          v = momentum * v + Double(gradient)
          p -= rate * (nesterov ? Double(gradient) + momentum * v : v)
          let x = Double(run.parameters[0][0])
          let bound = Double(S.ulpOfOne) * 4 * Double(step + 2) * (1 + abs(p))
          guard abs(x - p) <= bound, run.parameters[0][1] == -run.parameters[0][0] else {
            return XCTFail("momentum \(momentum), nesterov \(nesterov), step \(step): \(x); expected \(p)")
          }
        }
        let velocity = run.optimizer.withUnsafeVelocity(ofTensor: 0) { Double($0[0]) }
        XCTAssertEqual(velocity, v, accuracy: v * Double(S.ulpOfOne) * Double(2 * steps))
      }
    }
  }

  func testAveragesOfParametersNearTheEndOfTheRange() throws {
    for kind in [WeightAveraging.Kind.exponential(decay: 0.9), .exponential(decay: 0.5), .mean] {
      for overwriteEvery in [nil, 7] {
        let averaging = try WeightAveraging(kind, overwriteEvery: overwriteEvery)
        let value = Float.greatestFiniteMagnitude * 0.99
        var run = try EngineRun<Float>([[value, -value]], rule: SGD(learningRate: 0), averaging: averaging)
        for _ in 0..<300 { try run.step([[1, 1]]) }
        let average = run.optimizer.withUnsafeAverage(ofTensor: 0) { Array($0) }
        XCTAssertEqual(average.count, 2)
        for (index, x) in average.enumerated() {
          XCTAssertEqual(Double(x), Double(index == 0 ? value : -value), accuracy: Double(value) * 1e-4, "\(averaging)")
        }
      }
    }
  }

  func testTheScaleStaysBetween1And4096() throws {
    for momentum in [1e-30, 0.1, 0.5, 0.9, 0.999, 1, 1.01, 3] {
      var run = try EngineRun<Double>([[0]], rule: SGD(learningRate: 1e-9, momentum: momentum))
      for step in 0..<2000 {
        try run.step([[step == 0 ? 1 : 0]])
        let scale = run.optimizer.state().velocities[0].scale
        XCTAssertTrue((1...4096).contains(scale), "\(momentum): \(scale)")
        if step % 397 == 396 { run.optimizer.foldVelocity() }
      }
    }
  }

  func testAFoldedVectorIsLiftedWithoutARounding() {
    var program = StepProgram()
    XCTAssertEqual(program.decay(.direction, scale: 1, by: 0.9), 0.9 * 4096)
    XCTAssertEqual(program.operations, [.scal(factor: ScaledDouble(0x1p-12), .direction)])
    XCTAssertEqual(program.decay(.average, scale: 0.9 * 4096, by: 0.9), 0.9 * (0.9 * 4096))
    XCTAssertEqual(program.count, 1, "and then nothing for many steps")
    // At the ends of the range.
    XCTAssertEqual(program.decay(.direction, scale: 1.05, by: 0.9), 4096)
    XCTAssertEqual(program[1], .scal(factor: ScaledDouble(0.9) * (1.05 / 4096), .direction))
    XCTAssertEqual(program.decay(.direction, scale: 4000, by: 1.1), 1)
    XCTAssertEqual(program[2], .scal(factor: ScaledDouble(1.1) * 4000, .direction))
    XCTAssertEqual(program.decay(.direction, scale: 1, by: 1e-9), 4096)
    XCTAssertEqual(program[3], .scal(factor: ScaledDouble(1e-9) * (1.0 / 4096), .direction))
  }
}
