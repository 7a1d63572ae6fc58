import Foundation
import Momentum
import MomentumTestSupport
import XCTest

/// Schedules against values by hand, plain loops, and their own JSON.
final class ScheduleTests: XCTestCase {
  private func values(_ schedule: Schedule, _ steps: Range<Int> = 0..<50) -> [Double] {
    steps.map(schedule.value(at:))
  }

  // MARK: Values

  func testTables() throws {
    XCTAssertEqual(values(try .constant(0.5), 0..<3), [0.5, 0.5, 0.5])
    XCTAssertEqual(values(try .step(initial: 8, factor: 0.5, every: 2), 0..<7), [8, 8, 4, 4, 2, 2, 1])
    XCTAssertEqual(values(try .exponential(initial: 8, rate: 0.25, every: 2), 0..<5), [8, 4, 2, 1, 0.5])
    XCTAssertEqual(
      values(try .exponential(initial: 8, rate: 0.25, every: 2, staircase: true), 0..<5), [8, 8, 2, 2, 0.5])
    XCTAssertEqual(values(try .linear(from: 1, to: 5, steps: 4), 0..<7), [1, 2, 3, 4, 5, 5, 5])
    XCTAssertEqual(
      values(try .piecewise(boundaries: [1, 4], values: [3, 2, 1]), 0..<7), [3, 2, 2, 2, 1, 1, 1])
    XCTAssertEqual(values(try .piecewise(boundaries: [], values: [3]), 0..<2), [3, 3])
    XCTAssertEqual(values(try .inverseTime(initial: 6, rate: 1), 0..<3), [6, 3, 2])
    XCTAssertEqual(values(try .inverseTime(initial: 6, rate: 2, every: 4), 0..<5), [6, 4, 3, 2.4, 2])
    XCTAssertEqual(values(try .inverseTime(initial: 6, rate: 2, every: 2, staircase: true), 0..<5), [6, 6, 2, 2, 1.2])
    XCTAssertEqual(values(try .polynomial(from: 5, to: 1, steps: 4, power: 2), 0..<6), [5, 3.25, 2, 1.25, 1, 1])
    XCTAssertEqual(
      values(try .joined([.constant(7), .linear(from: 1, to: 3, steps: 2), .constant(9)], boundaries: [2, 5]), 0..<7),
      [7, 7, 1, 2, 3, 9, 9])
    XCTAssertEqual(values(.custom { Double($0 * $0) }, 0..<4), [0, 1, 4, 9])
    // cos 0, 60, 90, 120 and 180 degrees
    let cosine = try Schedule.cosine(initial: 5, final: 1, steps: 6)
    assertClose([5, 4, 3, 2, 1, 1], [0, 2, 3, 4, 6, 99].map(cosine.value(at:)), ulps: 2)
  }

  func testAgainstPlainLoops() throws {
    var (exponential, step) = (0.1, 0.1)
    let falling = try Schedule.exponential(initial: 0.1, rate: 0.9)
    let stairs = try Schedule.step(initial: 0.1, factor: 0.7, every: 6)
    for t in 0..<50 {
      if t > 0, t.isMultiple(of: 6) { step *= 0.7 }
      assertClose(exponential, falling.value(at: t), ulps: 64)
      assertClose(step, stairs.value(at: t), ulps: 16)
      exponential *= 0.9
    }
  }

  func testEndsAreMetExactly() throws {
    var generator = SeededGenerator(seed: 1)
    for _ in 0..<200 {
      let (a, b) = (generator.uniform().magnitude, generator.uniform().magnitude / 3)
      let steps = Int.random(in: 1...1000, using: &generator)
      for schedule in [
        try Schedule.linear(from: a, to: b, steps: steps), try .polynomial(from: a, to: b, steps: steps, power: 1.7),
        try .cosine(initial: a, final: b, steps: steps),
      ] {
        XCTAssertEqual(schedule.value(at: 0), a)
        for t in [steps, steps + 1, 10 * steps, .max] { XCTAssertEqual(schedule.value(at: t), b) }
        XCTAssertEqual(schedule.value(at: -5), a, "counts as 0")
        for t in 0...steps { XCTAssertTrue((min(a, b)...max(a, b)).contains(schedule.value(at: t))) }
      }
    }
  }

  func testRestarts() throws {
    let plain = try Schedule.cosine(initial: 1, steps: 4)
    let same = try Schedule.cosine(initial: 1, steps: 4, restartFactor: 1)
    XCTAssertEqual(values(same, 0..<12), (0..<12).map { plain.value(at: $0 % 4) })
    // Periods of 4, 12 and 36 steps.
    let growing = try Schedule.cosine(initial: 1, steps: 4, restartFactor: 3)
    let second = try Schedule.cosine(initial: 1, steps: 12)
    let third = try Schedule.cosine(initial: 1, steps: 36)
    XCTAssertEqual(
      values(growing, 0..<52),
      values(plain, 0..<4) + values(second, 0..<12) + values(third, 0..<36))
    let huge = try Schedule.cosine(initial: 1, steps: 3, restartFactor: .max)
    XCTAssertEqual(huge.value(at: 3), 1)
    XCTAssertTrue((0...1).contains(huge.value(at: .max)), "a period beyond Int")
  }

  func testWhatFollowsAWarmUpStartsAtZero() throws {
    let next = try Schedule.exponential(initial: 8, rate: 0.5)
    let schedule = try Schedule.warmup(from: 0, steps: 4, then: next)
    XCTAssertEqual(values(schedule, 0..<8), [0, 2, 4, 6, 8, 4, 2, 1])
    let nested = try Schedule.warmup(from: 4, steps: 2, then: schedule)
    XCTAssertEqual(values(nested, 0..<5), [4, 2, 0, 2, 4], "a warm-up may be what follows")
  }

  // MARK: Validation

  func testNumbersOutOfRange() {
    for value in [-1, Double.nan, .infinity] {
      refuses("value of a constant schedule is \(value); expected a finite number >= 0") { try .constant(value) }
      refuses("factor of a step schedule is \(value); expected a finite number >= 0") {
        try .step(initial: 1, factor: value, every: 1)
      }
      refuses("rate of an exponential schedule is \(value); expected a positive finite number") {
        try .exponential(initial: 1, rate: value)
      }
      refuses("final of a cosine schedule is \(value); expected a finite number >= 0") {
        try .cosine(initial: 1, final: value, steps: 1)
      }
      refuses("rate of an inverse time schedule is \(value); expected a finite number >= 0") {
        try .inverseTime(initial: 1, rate: value)
      }
      refuses("from of a polynomial schedule is \(value); expected a finite number >= 0") {
        try .polynomial(from: value, to: 1, steps: 1, power: 2)
      }
      refuses("power of a polynomial schedule is \(value); expected a finite number > 0") {
        try .polynomial(from: 1, to: 1, steps: 1, power: value)
      }
      refuses("to of a linear schedule is \(value); expected a finite number >= 0") {
        try .linear(from: 1, to: value, steps: 1)
      }
      refuses("from of a warm-up is \(value); expected a finite number >= 0") {
        try .warmup(from: value, steps: 1, then: .constant(1))
      }
      refuses("value of a piecewise schedule is \(value); expected a finite number >= 0") {
        try .piecewise(boundaries: [1], values: [1, value])
      }
    }
    // A power of 0 would be the initial value once and then 0; Optax makes a constant of it.
    refuses("rate of an exponential schedule is 0.0; expected a positive finite number") {
      try .exponential(initial: 1, rate: 0)
    }
    for count in [0, -1] {
      refuses("every of a step schedule is \(count); expected at least 1") {
        try .step(initial: 1, factor: 1, every: count)
      }
      refuses("steps of a cosine schedule is \(count); expected at least 1") { try .cosine(initial: 1, steps: count) }
      refuses("restartFactor of a cosine schedule is \(count); expected at least 1") {
        try .cosine(initial: 1, steps: 1, restartFactor: count)
      }
      refuses("steps of a linear schedule is \(count); expected at least 1") {
        try .linear(from: 1, to: 1, steps: count)
      }
      refuses("steps of a warm-up is \(count); expected at least 1") { try .warmup(steps: count, then: .constant(1)) }
    }
    refuses("values of a piecewise schedule has count 1; expected 2") { try .piecewise(boundaries: [1], values: [1]) }
    refuses("schedules of joined schedules has count 0; expected 1") { try .joined([], boundaries: []) }
    for boundaries in [[0], [2, 2], [3, 1]] {
      refuses(
        "boundaries of a piecewise schedule is \(boundaries); expected increasing whole numbers, at least 1"
      ) { try .piecewise(boundaries: boundaries, values: Array(repeating: 1, count: boundaries.count + 1)) }
      refuses("boundaries of joined schedules is \(boundaries); expected increasing whole numbers, at least 1") {
        try .joined(Array(repeating: .constant(1), count: boundaries.count + 1), boundaries: boundaries)
      }
    }
  }

  private func refuses(_ text: String, line: UInt = #line, _ make: () throws -> Schedule) {
    XCTAssertThrowsError(try make(), line: line) { XCTAssertEqual("\($0)", text, line: line) }
  }

  // MARK: JSON

  func testJSON() throws {
    let table: [(json: String, steps: Range<Int>, expected: [Double])] = [
      ("0.25", 0..<2, [0.25, 0.25]),
      (#"{"constant": 2}"#, 0..<2, [2, 2]),
      (#"{"step": {"initial": 8, "factor": 0.5, "every": 2}}"#, 0..<4, [8, 8, 4, 4]),
      (#"{"exponential": {"initial": 8, "rate": 0.5}}"#, 0..<4, [8, 4, 2, 1]),
      (#"{"exponential": {"initial": 8, "rate": 0.5, "every": 2, "staircase": true}}"#, 0..<4, [8, 8, 4, 4]),
      (#"{"exponential": {"initial": 8, "rate": 0.5, "final": 3}}"#, 0..<4, [8, 4, 3, 3]),
      (#"{"cosine": {"initial": 2, "steps": 1}}"#, 0..<2, [2, 0]),
      (#"{"cosine": {"initial": 4, "steps": 2, "power": 2}}"#, 0..<3, [4, 1, 0]),
      (#"{"cosine": {"initial": 4, "steps": 1, "restartFactor": 1, "restartScale": 0.5}}"#, 0..<3, [4, 2, 1]),
      (#"{"cosine": {"initial": 2, "final": 1, "steps": 1, "restartFactor": 1}}"#, 0..<2, [2, 2]),
      (#"{"linear": {"from": 0, "to": 4, "steps": 4}}"#, 0..<4, [0, 1, 2, 3]),
      (#"{"inverseTime": {"initial": 6, "rate": 1}}"#, 0..<3, [6, 3, 2]),
      (#"{"inverseTime": {"initial": 6, "rate": 2, "every": 2, "staircase": true}}"#, 0..<4, [6, 6, 2, 2]),
      (#"{"polynomial": {"from": 4, "to": 0, "steps": 2, "power": 2}}"#, 0..<3, [4, 1, 0]),
      (#"{"polynomial": {"from": 4, "to": 0, "steps": 2, "power": 1, "cycles": true}}"#, 0..<5, [4, 2, 0, 1, 0]),
      (
        #"{"oneCycle": {"peak": 3, "initial": 1, "final": 0, "steps": 6, "riseShare": 0.5, "curve": "linear"}}"#, 0..<7,
        [1, 2, 3, 2, 1, 0, 0]
      ),
      (
        #"{"oneCycle": {"peak": 3, "initial": 1, "final": 0, "steps": 4, "riseShare": 0.5, "threePhases": true}}"#,
        0..<5, [1, 3, 1, 0, 0]
      ),
      (#"{"oneCycle": {"peak": 500000, "steps": 2, "riseShare": 1}}"#, 0..<3, [20000, 500000, 2]),
      (#"{"interpolated": {"boundaries": [2, 3], "values": [1, 3, 0]}}"#, 0..<5, [1, 2, 3, 0, 0]),
      (#"{"interpolated": {"boundaries": [2], "values": [0, 4], "curve": "cosine"}}"#, 2..<4, [4, 4]),
      (
        #"{"joined": {"boundaries": [1], "schedules": [5, {"linear": {"from": 0, "to": 4, "steps": 4}}]}}"#, 0..<3,
        [5, 0, 1]
      ),
      (#"{"warmup": {"steps": 2, "then": {"linear": {"from": 4, "to": 0, "steps": 2}}}}"#, 0..<5, [0, 2, 4, 2, 0]),
      (#"{"warmup": {"from": 2, "steps": 2, "then": 4}}"#, 0..<4, [2, 3, 4, 4]),
      (#"{"piecewise": {"boundaries": [2], "values": [1, 0.5]}}"#, 0..<4, [1, 1, 0.5, 0.5]),
    ]
    for row in table {
      let schedule = try JSONDecoder().decode(Schedule.self, from: Data(row.json.utf8))
      XCTAssertEqual(values(schedule, row.steps), row.expected, row.json)
      let encoded = try JSONEncoder().encode(schedule)
      let again = try JSONDecoder().decode(Schedule.self, from: encoded)
      assertSameBits(values(schedule), values(again), row.json)
    }
  }

  func testJSONThatIsRefused() {
    let table: [(json: String, path: String, text: String)] = [
      (#"{"cosin": {}}"#, "", "unknown key 'cosin'; expected some of"),
      (#"{"cosine": {"initial": 1, "steps": 2, "end": 0, "alpha": 1}}"#, "cosine", "unknown keys 'alpha', 'end'"),
      ("{}", "", "a schedule of 0 kinds"),
      (#"{"constant": 1, "step": {}}"#, "", "a schedule of 2 kinds"),
      ("-1", "", "value of a constant schedule is -1.0"),
      (#"{"linear": {"from": -1, "to": 0, "steps": 1}}"#, "linear", "from of a linear schedule is -1.0"),
      (
        #"{"warmup": {"steps": 2, "then": {"step": {"initial": 1, "factor": 1, "every": 0}}}}"#, "warmup.then.step",
        "every"
      ),
      (#"{"piecewise": {"boundaries": [], "values": []}}"#, "piecewise", "has count 0; expected 1"),
      (#"{"interpolated": {"boundaries": [3], "values": [1]}}"#, "interpolated", "has count 1; expected 2"),
      (#"{"exponential": {"initial": 1, "rate": 0}}"#, "exponential", "rate of an exponential schedule is 0.0"),
      (
        #"{"cosine": {"initial": 1, "steps": 2, "restartScale": 0.5}}"#, "cosine",
        "restartScale of a cosine schedule is 0.5; expected 1 without a restartFactor"
      ),
      (
        #"{"oneCycle": {"peak": 1, "steps": 9, "riseShare": 0.75, "threePhases": true}}"#, "oneCycle",
        "riseShare of a one-cycle schedule is 0.75; expected a number in 0...0.5"
      ),
    ]
    for row in table {
      XCTAssertThrowsError(try JSONDecoder().decode(Schedule.self, from: Data(row.json.utf8)), row.json) {
        guard case DecodingError.dataCorrupted(let context) = $0 else { return XCTFail("\($0)") }
        XCTAssertTrue(context.debugDescription.contains(row.text), context.debugDescription)
        XCTAssertEqual(context.codingPath.map(\.stringValue).joined(separator: "."), row.path)
      }
    }
    for json in [#"{"cosine": {"steps": 2}}"#, #"{"step": {"initial": 1, "factor": 1, "every": 1.5}}"#, "\"fast\""] {
      XCTAssertThrowsError(try JSONDecoder().decode(Schedule.self, from: Data(json.utf8)), json)
    }
  }

  func testACustomScheduleIsNotEncoded() throws {
    let custom = Schedule.custom { _ in 1 }
    for schedule in [custom, try .warmup(steps: 1, then: custom)] {
      XCTAssertThrowsError(try JSONEncoder().encode(schedule)) {
        XCTAssertTrue("\($0)".contains("a custom schedule is code; it cannot be encoded"), "\($0)")
      }
    }
  }

  // MARK: A rule driven by schedules

  func testScheduled() throws {
    let base = try SGD(learningRate: 7, momentum: 0.5, weightDecay: 0.25)
    let rule = try Scheduled(
      base, learningRate: .step(initial: 1, factor: 0.5, every: 2), momentum: .linear(from: 0, to: 1, steps: 4))
    for (step, expected) in [(1.0, 0.0), (1, 0.25), (0.5, 0.5), (0.5, 0.75), (0.25, 1)].enumerated() {
      var sgd = base
      (sgd.learningRate, sgd.momentum) = expected
      XCTAssertEqual(try rule.resolved(at: step) as? SGD, sgd)
    }
    XCTAssertTrue(rule.usesVelocity)
    XCTAssertEqual(try Scheduled(base).resolved(at: 3) as? SGD, base, "no schedules, no change")
  }

  func testStepsOfAScheduledRuleAreThoseOfARuleSetByHand() throws {
    for convention in Convention.allCases {
      for mode in StepMode.allCases {
        let base = try SGD(learningRate: 1, momentum: 0.5, weightDecay: 0.01, convention: convention)
        let (rates, momenta) = (
          try Schedule.cosine(initial: 0.5, final: 0.1, steps: 7), try Schedule.linear(from: 0, to: 0.9, steps: 5)
        )
        var scheduled = try EngineRun<Double>(
          [[1, -2], [3]], rule: Scheduled(base, learningRate: rates, momentum: momenta), clipping: .byGlobalNorm(2),
          policy: .propagate, mode: mode)
        var byHand = try EngineRun<Double>(
          [[1, -2], [3]], rule: base, clipping: .byGlobalNorm(2), policy: .propagate, mode: mode)
        for step in 0..<12 {
          var rule = base
          (rule.learningRate, rule.momentum) = (rates.value(at: step), momenta.value(at: step))
          byHand.optimizer.rule = rule
          let gradients = [[Double(step % 4), -1], [0.5]]
          try scheduled.step(gradients)
          try byHand.step(gradients)
          for (a, b) in zip(byHand.parameters, scheduled.parameters) { assertSameBits(a, b, "\(convention) \(mode)") }
        }
        XCTAssertEqual(scheduled.optimizer.state(), byHand.optimizer.state())
      }
    }
  }

  func testAStepThatAScheduleSpoilsChangesNothing() throws {
    var run = try EngineRun<Double>(
      [[1]], rule: Scheduled(SGD(learningRate: 1, momentum: 0.5), learningRate: .custom { $0 == 2 ? .nan : 1 }))
    try run.step([[1]])
    try run.step([[1]])
    let (parameters, state) = (run.parameters, run.optimizer.state())
    // Each time it is tried.
    for _ in 1...3 {
      expect("scheduled learningRate after 2 steps is nan; expected a finite number >= 0") { try run.step([[1]]) }
      XCTAssertEqual(run.parameters, parameters)
      XCTAssertEqual(run.optimizer.state(), state)
    }
    run.optimizer.rule = try SGD(learningRate: 1, momentum: 0.5)
    try run.step([[1]])
    XCTAssertEqual(run.optimizer.stepCount, 3)
  }

  func testARuleThatAnotherHasStoodInForIsCheckedInItsTurn() throws {
    /// A valid rule for two steps, then itself, which is not.
    struct WarmUp: UpdateRule {
      let convention = Convention.native
      let usesVelocity = false
      func validate() throws(MomentumError) {
        throw .invalidSetting(name: "rule", value: "never valid", expected: "another")
      }
      func resolved(at step: Int) throws(MomentumError) -> (any UpdateRule)? {
        step < 2 ? try SGD(learningRate: 0.5) : nil
      }
      func compile(_ tensor: TensorState, into program: inout StepProgram) -> Double {
        program.append(.scal(factor: ScaledDouble(1000), .parameters))
        return tensor.velocityScale
      }
    }
    var run = try EngineRun<Float>([[1]], rule: WarmUp())
    for _ in 1...2 { try run.step([[1]]) }
    for _ in 1...3 { expect("rule is never valid; expected another") { try run.step([[1]]) } }
    XCTAssertEqual(run.parameters, [[0]])
  }

  func testAScheduleThatLeavesTheRange() throws {
    let rule = try Scheduled(
      SGD(learningRate: 1, momentum: 0.5, nesterov: true), learningRate: .custom { $0 == 3 ? -0.5 : 1 })
    XCTAssertNoThrow(try rule.resolved(at: 2))
    XCTAssertThrowsError(try rule.resolved(at: 3)) {
      XCTAssertEqual("\($0)", "scheduled learningRate after 3 steps is -0.5; expected a finite number >= 0")
    }
    let growing = try Scheduled(
      SGD(learningRate: 1), learningRate: .exponential(initial: 1, rate: 1e200))
    XCTAssertThrowsError(try growing.resolved(at: 2)) {
      XCTAssertEqual("\($0)", "scheduled learningRate after 2 steps is inf; expected a finite number >= 0")
    }
    // Each rule has limits of its own.
    let nesterov = try Scheduled(
      SGD(learningRate: 1, momentum: 0.5, nesterov: true), momentum: .linear(from: 0.5, to: 0, steps: 2))
    XCTAssertThrowsError(try nesterov.resolved(at: 2)) {
      XCTAssertEqual(
        "\($0)",
        "nesterov after 2 steps (scheduled: momentum 0.0) is true with momentum 0.0 and dampening 0.0; "
          + "expected momentum > 0 and dampening 0")
    }
    XCTAssertThrowsError(
      try Scheduled(SGD(learningRate: 1, convention: .keras), momentum: .constant(1.5)), "refused at once")
  }

  func testScheduledJSON() throws {
    let rule = try Scheduled(SGD(learningRate: 1, momentum: 0.5), learningRate: .cosine(initial: 0.1, steps: 9))
    let again = try JSONDecoder().decode(Scheduled<SGD>.self, from: JSONEncoder().encode(rule))
    for step in 0..<10 { XCTAssertEqual(try again.resolved(at: step) as? SGD, try rule.resolved(at: step) as? SGD) }
    XCTAssertNil(again.momentum)
  }
}
