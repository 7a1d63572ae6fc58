import MomentumTestSupport
import XCTest

@testable import Momentum

/// Lion, Signum and AdamW against their formulas in `Double`, written again here for single elements.
final class MomentRuleTests: XCTestCase {
  func testRandomRunsFloat() throws { try compareRandomRuns(Float.self, seed: 71) }
  func testRandomRunsDouble() throws { try compareRandomRuns(Double.self, seed: 72) }

  /// The formulas, one element after the other.
  private struct Reference {
    let rule: any UpdateRule
    var (parameters, velocity, secondMoment): ([Double], [Double], [Double])
    /// How far each element has come, start and steps together; as if no momentum had cancelled, because what is left of one
    /// that has keeps its rounding errors.
    var way: [Double]
    /// The momentum of magnitudes.
    private var size: [Double]
    /// Elements that moved along a sign which the last digits decide: the engine may have seen the other one.
    var isOpen: [Bool]
    private var step = 0

    init(_ rule: any UpdateRule, _ parameters: [Double]) {
      (self.rule, self.parameters) = (rule, parameters)
      velocity = parameters.map { _ in 0 }
      secondMoment = velocity
      isOpen = parameters.map { _ in false }
      way = parameters.map(\.magnitude)
      size = velocity
    }

    mutating func step(_ gradients: [Double], roundoff u: Double) {
      step += 1
      for (index, g) in gradients.enumerated() {
        let (p, m, v) = (parameters[index], velocity[index], secondMoment[index])
        func sign(_ terms: Double...) -> Double {
          let (sum, size) = (terms.reduce(0, +), terms.reduce(0) { $0 + $1.magnitude })
          // Every step so far has rounded the velocity.
          if sum != 0, sum.magnitude <= 8 * Double(step) * u * size { isOpen[index] = true }
          return sum > 0 ? 1 : sum < 0 ? -1 : 0
        }
        switch rule {
        case let lion as Lion:
          let c = sign(lion.beta1 * m, (1 - lion.beta1) * g)
          parameters[index] = p - lion.learningRate * (c + lion.weightDecay * p)
          velocity[index] = lion.beta2 * m + (1 - lion.beta2) * g
        case let signum as Signum:
          let next = signum.momentum * m + g
          let c = signum.nesterov ? sign(g, signum.momentum * next) : sign(signum.momentum * m, g)
          parameters[index] = p - signum.learningRate * (c + signum.weightDecay * p)
          if signum.momentum > 0 { velocity[index] = next }
        case let adam as AdamW:
          let (b1, b2, t) = (adam.beta1, adam.beta2, Double(step))
          velocity[index] = b1 * m + (1 - b1) * g
          secondMoment[index] = b2 * v + (1 - b2) * g * g
          var (mean, square) = (velocity[index], secondMoment[index])
          if adam.biasCorrection { (mean, square) = (mean / (1 - pow(b1, t)), square / (1 - pow(b2, t))) }
          var epsilon = adam.epsilon
          if adam.convention == .keras, adam.biasCorrection { epsilon /= (1 - pow(b2, t)).squareRoot() }
          parameters[index] = p - adam.learningRate * (mean / (square.squareRoot() + epsilon) + adam.weightDecay * p)
          size[index] = b1 * size[index] + (1 - b1) * g.magnitude
          let correction = adam.biasCorrection ? 1 - pow(b1, t) : 1
          let root = square.squareRoot() + epsilon
          if root > 0 { way[index] += adam.learningRate * size[index] / correction / root }
        default: preconditionFailure("\(rule)")
        }
        way[index] += (parameters[index] - p).magnitude
      }
    }
  }

  /// Every third trial is one of the same rule.
  private func rule(_ trial: Int, _ convention: Convention, _ random: inout SeededGenerator) throws -> any UpdateRule {
    func pick<T>(_ values: T...) -> T { values.randomElement(using: &random)! }
    let (rate, decay) = (pick(0.01, 0.5), pick(0, 0.1))
    switch trial % 3 {
    case 0:
      return try Lion(
        learningRate: rate, beta1: pick(0, 0.5, 0.9), beta2: pick(0, 0.5, 0.99), weightDecay: decay,
        convention: convention)
    case 1:
      return try Signum(
        learningRate: rate, momentum: pick(0, 0.5, 0.9), weightDecay: decay, nesterov: pick(true, false),
        convention: convention)
    default:
      return try AdamW(
        learningRate: rate, beta1: pick(0, 0.5, 0.9), beta2: pick(0, 0.5, 0.999), epsilon: pick(1e-8, 1e-3),
        weightDecay: decay, biasCorrection: pick(nil, true, false), convention: convention)
    }
  }

  private func compareRandomRuns<S: BLASScalar>(_: S.Type, seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let u = Double(S.ulpOfOne)
    var (open, all) = (0, 0)
    for (trial, convention) in Trials.ofConventions(12) {
      let counts = (0..<Int.random(in: 1...3, using: &random)).map { _ in Int.random(in: 0...70, using: &random) }
      let start: [[S]] = counts.map { random.numbers($0) }
      let (rule, divisor) = (try rule(trial, convention, &random), [1, 8].randomElement(using: &random)!)
      // A power of two, so that the division rounds nothing.
      var run = try EngineRun(
        start, rule: rule, threads: Int.random(in: 1...3, using: &random),
        storage: EngineRun<S>.Storage.allCases.randomElement(using: &random)!)
      run.optimizer.lossScale = try .fixed(Double(divisor))
      var references = start.map { Reference(rule, $0.map { Double($0) }) }
      let steps = Int.random(in: 1...12, using: &random)
      for _ in 0..<steps {
        let gradients: [[S]] = counts.map { count in
          random.numbers(count).map { Int.random(in: 0..<8, using: &random) == 0 ? 0 : $0 }
        }
        try run.step(gradients)
        for index in references.indices {
          references[index].step(gradients[index].map { Double($0) / Double(divisor) }, roundoff: u)
        }
      }
      let (rate, state) = (rule.conversionRate!, run.optimizer.state())
      for (tensor, reference) in references.enumerated() {
        for index in start[tensor].indices {
          all += 1
          let what = "seed \(seed), trial \(trial), \(rule), \(steps) steps, tensor \(tensor), element \(index)"
          let v = run.velocity[tensor][index]
          XCTAssertEqual(v, reference.velocity[index], accuracy: 40 * u, what)
          if reference.isOpen[index] {
            open += 1
            continue
          }
          let p = Double(run.parameters[tensor][index])
          let way = reference.way[index] + rate * Double(steps)
          XCTAssertEqual(p, reference.parameters[index], accuracy: 40 * u * way, what)
          guard rule is AdamW else { continue }
          let offset = run.optimizer.layout.tensors[tensor].offset
          XCTAssertEqual(
            Double(state.secondMoment[offset + index]), reference.secondMoment[index],
            accuracy: 8 * u * Double(steps) * reference.secondMoment[index], what)
        }
      }
    }
    XCTAssertLessThan(open * 100, all, "hardly any sign may be open")
  }

  /// The same bits for any threads, storage and place; a resumed run goes on with them.
  func testBitsDoNotDependOnThreadsOrOnBeingResumed() throws {
    for rule in try [
      AdamW(learningRate: 0.01), Lion(learningRate: 0.01, weightDecay: 0.1),
      Signum(learningRate: 0.01, momentum: 0.9, nesterov: true),
    ] as [any UpdateRule] {
      var random = SeededGenerator(seed: 73)
      let counts = [300_001, 7, 2048]
      let start: [[Float]] = counts.map { random.numbers($0) }
      let gradients: [[[Float]]] = (0..<3).map { _ in counts.map { random.numbers($0) } }
      var first = try EngineRun(start, rule: rule, clipping: .byGlobalNorm(10), threads: 1, storage: .flat)
      var second = try EngineRun(start, rule: rule, clipping: .byGlobalNorm(10), threads: 3, shift: 3)
      for (step, gradient) in gradients.enumerated() {
        try first.step(gradient)
        if step == 1 {
          let state = try JSONDecoder().decode(
            OptimizerState<Float>.self, from: JSONEncoder().encode(second.optimizer.state()))
          XCTAssertEqual(state, second.optimizer.state())
          second.optimizer.resetVelocity()
          try second.optimizer.restore(state)
        }
        try second.step(gradient)
      }
      XCTAssertEqual(first.optimizer.state(), second.optimizer.state(), "\(rule)")
      for tensor in counts.indices { assertSameBits(first.parameters[tensor], second.parameters[tensor], "\(rule)") }
      XCTAssert(second.guardsAreIntact)
    }
  }

  /// A step moves what the documentation says, and fits beside clips and averages of every kind.
  func testTrafficAndLength() throws {
    for (rule, reads, writes) in try [
      (AdamW(learningRate: 0.1), 4, 3), (Lion(learningRate: 0.1, weightDecay: 1), 3, 2),
      (Signum(learningRate: 0.1), 3, 2),
      (Signum(learningRate: 0.1, momentum: 0), 2, 1),
    ] as [(any UpdateRule, Int, Int)] {
      var run = try EngineRun<Float>([[1, 2]], rule: rule)
      try run.step([[1, 1]])
      XCTAssertEqual(run.optimizer.lastPrograms[0].traffic, MemoryTraffic(reads: reads, writes: writes), "\(rule)")

      var full = try EngineRun<Float>(
        [[1, 2]], rule: AdaptiveGradientClipping(rule, factor: 0.1),
        clipping: GradientClipping(value: -1...1, tensor: .unitNorm(1, .firstAxis), whole: .norm(1)), policy: .zero,
        averaging: .exponential(decay: 0.9, overwriteEvery: 2))
      for _ in 0..<300 { try full.step([[.nan, 3]]) }
      XCTAssertEqual(full.optimizer.stepCount, 300)
      XCTAssert(full.parameters[0].allSatisfy(\.isFinite), "\(rule)")
    }
  }

  /// A tensor without a gradient keeps its moments, and its bias correction counts its own steps.
  func testATensorWithoutAGradientStays() throws {
    let rule = try AdamW(learningRate: 0.5, epsilon: 0, weightDecay: 0)
    var run = try EngineRun<Double>([[1], [1]], rule: rule)
    try run.step([[2], nil])
    XCTAssertEqual(run.parameters, [[0.5], [1]])
    XCTAssertEqual(run.optimizer.stepsOfSecondMoment(ofTensor: 0), 1)
    XCTAssertFalse(run.optimizer.hasSecondMoment(ofTensor: 1))
    try run.step([nil, [-4]])
    // With the correction of a first step this is lr · sign(g).
    XCTAssertEqual(run.parameters[0], [0.5])
    XCTAssertEqual(run.parameters[1][0], 1.5, accuracy: 1e-15)
  }

  /// Groups of other rules share the vectors of an optimizer.
  func testGroupsOfOtherRules() throws {
    let groups = [ParameterGroup("b", ["tensor 1"], rule: try AdamW(learningRate: 0.5, epsilon: 0, weightDecay: 0))]
    var run = try EngineRun<Double>([[1, 1], [1], [1]], rule: SGD(learningRate: 0.25, momentum: 0.5), groups: groups)
    try run.step([[1, 2], [3], [4]])
    XCTAssertEqual(run.parameters, [[0.75, 0.5], [0.5], [0]])
    XCTAssertEqual(run.optimizer.state().secondMoment.count, 4)
    XCTAssertEqual((0..<3).map { run.optimizer.stepsOfSecondMoment(ofTensor: $0) }, [0, 1, 0])
  }

  func testZerosAndNaN() throws {
    for (rule, expected) in try [
      (Lion(learningRate: 0.5), [1, 1, Float.nan]), (Signum(learningRate: 0.5), [1, 1, .nan]),
      (AdamW(learningRate: 0.5, weightDecay: 0), [1, 1, .nan]),
    ] as [(any UpdateRule, [Float])] {
      var run = try EngineRun<Float>([[1, 1, 1]], rule: rule, policy: .propagate)
      try run.step([[0, -0.0, .nan]])
      for (found, expected) in zip(run.parameters[0], expected) {
        XCTAssert(found == expected || found.isNaN && expected.isNaN, "\(rule): \(found), expected \(expected)")
      }
    }
  }

  /// Gradients that the squares of a `Float` would not hold: they are scaled before they are squared.
  func testScaledGradientsKeepTheirSquares() throws {
    var run = try EngineRun<Float>([[1]], rule: AdamW(learningRate: 0.5, epsilon: 0, weightDecay: 0))
    run.optimizer.lossScale = try .fixed(0x1p80)
    try run.step([[0x1p80]])
    XCTAssertEqual(run.parameters[0][0], 0.5, accuracy: 1e-6)
    XCTAssertEqual(run.optimizer.state().secondMoment[0], 0.001, accuracy: 1e-9)
  }

  func testSettingsThatAreRefused() throws {
    expect("beta1 is 2.0; expected a number in 0...1") { try Lion(learningRate: 1, beta1: 2) }
    expect("beta2 is nan; expected a number in 0...1") { try Lion(learningRate: 1, beta2: .nan) }
    expect("momentum is -1.0; expected a finite number >= 0") { try Signum(learningRate: 1, momentum: -1) }
    expect("beta2 is 1.0; expected a number >= 0 and < 1") { try AdamW(learningRate: 1, beta2: 1) }
    expect("epsilon is inf; expected a finite number >= 0") { try AdamW(learningRate: 1, epsilon: .infinity) }
    for rule in try [Lion(learningRate: 1), Signum(learningRate: 1), AdamW(learningRate: 1)] as [any UpdateRule] {
      var run = try EngineRun<Float>(
        [[1]], rule: rule, clipping: .byGlobalNorm(1), policy: .propagate, mode: .onePass)
      expect("mode is onePass; expected twoPass for this update rule") { try run.step([[1]]) }
      XCTAssertEqual(run.parameters, [[1]])
    }
  }

  /// Schedules reach the learning rate, and β₁ by the name of the momentum.
  func testSchedules() throws {
    let rule = try Scheduled(
      AdamW(learningRate: 1, epsilon: 0, weightDecay: 0), learningRate: .linear(from: 0.5, to: 0.25, steps: 1),
      momentum: .constant(0.5))
    var run = try EngineRun<Double>([[1]], rule: rule)
    try run.step([[3]])
    XCTAssertEqual(run.parameters[0][0], 0.5, accuracy: 1e-14)
    let report = try run.step([[3]])
    XCTAssertEqual(run.parameters[0][0], 0.25, accuracy: 1e-14)
    XCTAssertEqual(report.learningRate, 0.25)
    XCTAssertEqual(report.momentum, 0.5)
  }

  /// A second moment of another library is taken on with its steps.
  func testASecondMomentFromElsewhere() throws {
    let rule = try AdamW(learningRate: 0.5, beta1: 0, beta2: 0.75, epsilon: 0, weightDecay: 0)
    var run = try EngineRun<Double>([[1]], rule: rule)
    try [4.0].withUnsafeBufferPointer { try run.optimizer.setSecondMoment(ofTensor: 0, $0, steps: 1) }
    try run.step([[2]])
    // v = 0.75·4 + 0.25·4 = 4, corrected by 1 - 0.75².
    XCTAssertEqual(run.parameters[0][0], 1 - 0.5 * 2 / (4 / 0.4375).squareRoot(), accuracy: 1e-15)
    run.optimizer.withUnsafeSecondMoment(ofTensor: 0) { XCTAssertEqual(Array($0), [4]) }
    expect("second moment of tensor 'tensor 0' is -1.0; expected a finite number >= 0") {
      try [-1.0].withUnsafeBufferPointer { try run.optimizer.setSecondMoment(ofTensor: 0, $0, steps: 1) }
    }
    expect("steps of a second moment is 0; expected at least 1") {
      try [1.0].withUnsafeBufferPointer { try run.optimizer.setSecondMoment(ofTensor: 0, $0, steps: 0) }
    }
  }
}
