import Momentum
import MomentumTestSupport
import XCTest

/// No schedule ever gives a NaN: a value is a finite number, or infinite because it outgrew `Double`, and then the step
/// refuses it.
final class ScheduleRangeTests: XCTestCase {
  func testZeroStaysZero() throws {
    let table: [Schedule] = [
      try .step(initial: 0, factor: 2, every: 1), try .step(initial: 0, factor: .greatestFiniteMagnitude, every: 1),
      try .exponential(initial: 0, rate: 2), try .exponential(initial: 0, rate: 1e300, staircase: true),
      try .exponential(initial: 0, rate: 2, every: 3, final: 0),
      try .cosine(initial: 0, steps: 1, restartFactor: 1, restartScale: 3),
    ]
    for schedule in table {
      for t in [0, 1, 1023, 1024, 1 << 53, .max] { XCTAssertEqual(schedule.value(at: t), 0, "\(schedule), \(t)") }
    }
  }

  func testNothingOverflowsOrVanishesOnTheWay() throws {
    // The power alone is out of the range of `Double`, the product is not.
    XCTAssertEqual(try Schedule.exponential(initial: 0x1p-1000, rate: 2).value(at: 1500), 0x1p500)
    XCTAssertEqual(try Schedule.exponential(initial: 0x1p1000, rate: 0.5).value(at: 1500), 0x1p-500)
    XCTAssertEqual(try Schedule.step(initial: 0x1p-1074, factor: 4, every: 2).value(at: 2096), 0x1p1022)
    XCTAssertEqual(
      try Schedule.cosine(initial: 0x1p-1000, steps: 1, restartFactor: 1, restartScale: 2).value(at: 1500), 0x1p500)
    let largest = Double.greatestFiniteMagnitude
    for t in 0..<100 {
      XCTAssertEqual(try Schedule.linear(from: largest, to: largest, steps: 97).value(at: t), largest)
      XCTAssertEqual(try Schedule.linear(from: 0.1, to: 0.1, steps: 97).value(at: t), 0.1)
    }
  }

  func testAValueThatOutgrowsDoubleIsRefusedByItsStep() throws {
    let table: [(Schedule, Int)] = [
      (try .exponential(initial: 1, rate: 2), 1024), (try .step(initial: 1e300, factor: 10, every: 4), 36),
      (try .cosine(initial: 1, steps: 1, restartFactor: 1, restartScale: 2), 1024),
      (try .joined([.constant(1), .exponential(initial: 1, rate: 2)], boundaries: [6]), 1030),
    ]
    for (schedule, step) in table {
      let rule = try Scheduled(SGD(learningRate: 1), learningRate: schedule)
      XCTAssertNoThrow(try rule.resolved(at: step - 1))
      for t in [step, step + 1, 1 << 53] {
        XCTAssertThrowsError(try rule.resolved(at: t)) {
          XCTAssertEqual("\($0)", "scheduled learningRate after \(t) steps is inf; expected a finite number >= 0")
        }
      }
    }
  }

  func testRandomSchedules() throws {
    var random = SeededGenerator(seed: 91)
    var refused = 0
    for _ in 0..<4000 {
      let schedule = try Self.schedule(&random, depth: 2)
      let rule = try Scheduled(SGD(learningRate: 1), learningRate: schedule)
      for t in [.min, -1, 0, 1, 2, 1023, 1 << 31, 1 << 53, (1 << 53) + 1, .max - 1, .max] + [Self.count(&random)] {
        let value = schedule.value(at: t)
        XCTAssertTrue(value >= 0, "\(value) at \(t): \(schedule)")
        do {
          let resolved = try rule.resolved(at: t) as? SGD
          XCTAssertEqual(resolved?.learningRate, value)
          XCTAssertTrue(value.isFinite)
        } catch MomentumError.invalidSetting(let refusal) {
          refused += 1
          XCTAssertEqual(value, .infinity)
          XCTAssertEqual(refusal.name, "scheduled learningRate")
          XCTAssertEqual(refusal.place, .step(t))
        }
      }
    }
    XCTAssertGreaterThan(refused, 100, "some must overflow")
  }

  // MARK: - Random schedules

  private static func number(_ random: inout SeededGenerator) -> Double {
    switch random.next() % 4 {
    case 0: [0, .leastNonzeroMagnitude, 1, .greatestFiniteMagnitude].randomElement(using: &random)!
    case 1: random.magnitudes(1, exponents: -1022...1023)[0]
    default: random.magnitudes(1, exponents: -10...2)[0]
    }
  }

  private static func positive(_ random: inout SeededGenerator) -> Double {
    max(number(&random), .leastNonzeroMagnitude)
  }

  private static func count(_ random: inout SeededGenerator) -> Int {
    switch random.next() % 4 {
    case 0: [1, 2, 1 << 53, (1 << 53) + 1, .max - 1, .max].randomElement(using: &random)!
    case 1: Int.random(in: 1 ... .max, using: &random)
    default: Int.random(in: 1...100, using: &random)
    }
  }

  private static func boundaries(_ random: inout SeededGenerator) -> [Int] {
    Array(Set((0..<Int(random.next() % 4)).map { _ in count(&random) })).sorted()
  }

  private static func schedule(_ random: inout SeededGenerator, depth: Int) throws -> Schedule {
    let (a, b, steps) = (number(&random), number(&random), count(&random))
    let curve = Schedule.Curve.allCases.randomElement(using: &random)!
    switch random.next() % (depth > 0 ? 12 : 10) {
    case 0: return try .constant(a)
    case 1: return try .step(initial: a, factor: b, every: steps)
    case 2:
      return try .exponential(
        initial: a, rate: positive(&random), every: steps, staircase: Bool.random(using: &random),
        final: Bool.random(using: &random) ? b : nil)
    case 3: return try .cosine(initial: a, final: b, steps: steps, power: positive(&random))
    case 4:
      let scale = number(&random)
      return try .cosine(
        initial: a, final: b, steps: steps, power: positive(&random), restartFactor: count(&random),
        restartScale: a >= b ? scale : min(scale, 1))
    case 5: return try .inverseTime(initial: a, rate: b, every: steps, staircase: Bool.random(using: &random))
    case 6:
      return try .polynomial(
        from: a, to: b, steps: steps, power: positive(&random), cycles: Bool.random(using: &random))
    case 7:
      let threePhases = Bool.random(using: &random)
      return try .oneCycle(
        peak: a, initial: Bool.random(using: &random) ? b : nil, final: Bool.random(using: &random) ? b : nil,
        steps: steps, riseShare: Double.random(in: 0...(threePhases ? 0.5 : 1), using: &random), curve: curve,
        threePhases: threePhases)
    case 8:
      let boundaries = boundaries(&random)
      return try .piecewise(boundaries: boundaries, values: (0...boundaries.count).map { _ in number(&random) })
    case 9:
      let boundaries = boundaries(&random)
      return try .interpolated(
        boundaries: boundaries, values: (0...boundaries.count).map { _ in number(&random) }, curve: curve)
    case 10: return try .warmup(from: a, steps: steps, then: schedule(&random, depth: depth - 1))
    default:
      let boundaries = boundaries(&random)
      return try .joined(
        (0...boundaries.count).map { _ in try schedule(&random, depth: depth - 1) }, boundaries: boundaries)
    }
  }
}
