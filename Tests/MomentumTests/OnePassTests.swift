import MomentumTestSupport
import XCTest

@testable import Momentum

/// The mode that updates while it sums: the same step as two passes, but for the roundings of a correction.
final class OnePassTests: XCTestCase {
  func testNothingClippedGivesTheBitsOfTwoPassesFloat() throws { try nothingClipped(Float.self) }
  func testNothingClippedGivesTheBitsOfTwoPassesDouble() throws { try nothingClipped(Double.self) }
  func testCorrectionsStayWithinTheirBoundFloat() throws { try corrections(Float.self) }
  func testCorrectionsStayWithinTheirBoundDouble() throws { try corrections(Double.self) }
  func testThreadsDoNotMatterFloat() throws { try threadsDoNotMatter(Float.self) }
  func testThreadsDoNotMatterDouble() throws { try threadsDoNotMatter(Double.self) }

  /// Many tiles, so that there are many segments, and tensors that end inside tiles.
  private let counts = [5 * 2048 + 5, 1, 0, 33, 8 * 2048, 3000]

  private func rules() throws -> [SGD] {
    try [
      SGD(learningRate: 0.1),
      SGD(learningRate: 0.1, weightDecay: 0.01, maximize: true),
      SGD(learningRate: 0.1, momentum: 0.9),
      SGD(learningRate: 0.1, momentum: 0.9, dampening: 0.5, weightDecay: 0.02, convention: .pytorch),
      SGD(learningRate: 0.1, momentum: 0.9, weightDecay: 0.02, decoupledWeightDecay: true, nesterov: true),
      SGD(learningRate: 0.1, momentum: 0.9, weightDecay: 0.02, nesterov: true),
      SGD(learningRate: 0.1, momentum: 0.9, nesterov: true, convention: .keras),
      SGD(learningRate: 0.1, momentum: 0.9, convention: .mlx),
    ]
  }

  private func nothingClipped<S: BLASScalar>(_: S.Type) throws {
    var random = SeededGenerator(seed: 61)
    for rule in try rules() {
      let start: [[S]] = counts.map { random.numbers($0) }
      for limit in [1e6, .infinity] {
        var two = try EngineRun(start, rule: rule, clipping: .byGlobalNorm(limit), policy: .propagate)
        var one = try EngineRun(start, rule: rule, clipping: .byGlobalNorm(limit), policy: .propagate, mode: .onePass)
        for _ in 0..<3 {
          let gradients: [[S]] = counts.map { random.numbers($0) }
          XCTAssertEqual(try one.step(gradients), try two.step(gradients))
          XCTAssertFalse(one.optimizer.lastStepClipped)
        }
        assertSameBits(two.parameters.flatMap { $0 }, one.parameters.flatMap { $0 }, seed: 61, "\(rule)")
        XCTAssertEqual(one.optimizer.state(), two.optimizer.state())
      }
    }
  }

  /// Limits just below the norm, where nearly everything has been updated too far, down to a tenth of a segment's norm,
  /// where nothing has.
  private func corrections<S: BLASScalar>(_: S.Type) throws {
    var random = SeededGenerator(seed: 62)
    for rule in try rules() {
      let start: [[S]] = counts.map { random.numbers($0) }
      let gradients: [[S]] = counts.map { random.numbers($0) }
      let norm = try MomentumTests.norm(gradients).norm
      for share in [0.9999, 0.5, 0.2, 0] {
        let limit = norm * share
        var two = try EngineRun(start, rule: rule, clipping: .byGlobalNorm(limit), policy: .propagate)
        var one = try EngineRun(start, rule: rule, clipping: .byGlobalNorm(limit), policy: .propagate, mode: .onePass)
        XCTAssertEqual(try one.step(gradients), try two.step(gradients))
        XCTAssertEqual(one.optimizer.lastStepClipped, rule.convention != .keras || limit > 0)
        // Three roundings more of |p| + lr·|g|, twice for Nesterov's two terms, beside those of the two-pass step itself.
        let unit = Double(S.ulpOfOne) / 2
        let (expected, found) = (two.parameters.flatMap { $0 }, one.parameters.flatMap { $0 })
        let (old, gradient) = (start.flatMap { $0 }, gradients.flatMap { $0 })
        let excess = expected.indices.first { index in
          let size = max(abs(Double(expected[index])), abs(Double(old[index]))) + 0.2 * abs(Double(gradient[index]))
          return abs(Double(found[index]) - Double(expected[index])) > 8 * unit * size
        }
        if let index = excess {
          return XCTFail("\(rule), limit \(share) N, element \(index): \(found[index]), not \(expected[index])")
        }
      }
    }
  }

  private func threadsDoNotMatter<S: BLASScalar>(_: S.Type) throws {
    var random = SeededGenerator(seed: 63)
    let start: [[S]] = counts.map { random.numbers($0) }
    let gradients: [[[S]]] = (0..<3).map { _ in counts.map { random.numbers($0) } }
    let norm = try MomentumTests.norm(gradients[0]).norm
    let rule = try SGD(learningRate: 0.1, momentum: 0.9, nesterov: true)
    for storage in EngineRun<S>.Storage.allCases {
      let results = try ThreadTeam.$worthwhileCount.withValue(1) {
        try (1...16).map { threads in
          var run = try EngineRun(
            start, rule: rule, clipping: .byGlobalNorm(0.3 * norm), policy: .propagate, mode: .onePass,
            threads: threads, storage: storage)
          for gradient in gradients { try run.step(gradient) }
          return run.parameters.flatMap { $0 }
        }
      }
      for result in results { assertSameBits(results[0], result, seed: 63, "\(storage)") }
    }
  }

  func testAStepAfterAClippedOneTakesTwoPassesAlsoWhenResumed() throws {
    var random = SeededGenerator(seed: 64)
    let start: [[Float]] = counts.map { random.numbers($0) }
    let gradients: [[[Float]]] = (0..<4).map { _ in counts.map { random.numbers($0) } }
    let norm = try MomentumTests.norm(gradients[0]).norm
    let rule = try SGD(learningRate: 0.1, momentum: 0.9)
    func make(_ parameters: [[Float]]) throws -> EngineRun<Float> {
      try EngineRun(parameters, rule: rule, clipping: .byGlobalNorm(0.5 * norm), policy: .propagate, mode: .onePass)
    }
    var straight = try make(start)
    for gradient in gradients { try straight.step(gradient) }

    var first = try make(start)
    for gradient in gradients.prefix(2) { try first.step(gradient) }
    XCTAssertTrue(first.optimizer.lastStepClipped)
    var second = try make(first.parameters)
    try second.optimizer.restore(first.optimizer.state())
    for gradient in gradients.suffix(2) { try second.step(gradient) }
    assertSameBits(straight.parameters.flatMap { $0 }, second.parameters.flatMap { $0 }, seed: 64, "resumed")
  }

  func testNonFiniteGradients() throws {
    for value in [Float.nan, .infinity] {
      var gradient = [Float](repeating: 1, count: 30_000)
      gradient[20_001] = value
      for policy in [NonFinitePolicy.propagate, .zero] {
        func make(_ mode: StepMode) throws -> [Float] {
          var run = try EngineRun(
            [[Float](repeating: 3, count: 30_000)], rule: SGD(learningRate: 0.5, momentum: 0.9),
            clipping: .byGlobalNorm(1e3), policy: policy, mode: mode)
          XCTAssertEqual(try run.step([gradient]).nonFiniteCount, 1)
          return run.parameters[0]
        }
        let (one, two) = (try make(.onePass), try make(.twoPass))
        for index in one.indices where !(one[index].isNaN && two[index].isNaN) {
          XCTAssertEqual(one[index], two[index], "\(value), \(policy), element \(index)")
        }
        XCTAssertEqual(one.contains(where: \.isNaN), policy == .propagate)
      }
    }
  }

  func testWhatCannotBeDoneInOnePassIsRefused() throws {
    let layout = try ParameterLayout(count: 3)
    let rule = try SGD(learningRate: 0.1)
    func refuses(_ expected: String, _ clipping: GradientClipping, _ policy: NonFinitePolicy) {
      XCTAssertThrowsError(
        try Optimizer<Float>(layout, rule: rule, clipping: clipping, nonFinitePolicy: policy, mode: .onePass).stepCount
      ) { error in
        XCTAssertEqual("\(error)", "mode is onePass; expected \(expected)")
      }
    }
    let global = try GradientClipping.byGlobalNorm(1)
    refuses("twoPass with the policy throw, which promises untouched parameters", global, .throw)
    refuses("twoPass with the policy skipStep, which promises untouched parameters", global, .skipStep)
    refuses("twoPass to clip by value or by tensor norms", try .byValue(1), .propagate)
    refuses("twoPass to clip by value or by tensor norms", try .byNorm(1), .zero)
    refuses("twoPass for other norms than 2", try .byGlobalNorm(1, type: .l1), .propagate)
  }

  func testARuleThatCannotBeCorrectedIsRefusedBeforeAnythingIsWritten() throws {
    /// Descends against the sign of nothing: not linear in the gradient as far as the optimizer knows.
    struct Uncorrectable: UpdateRule {
      var convention: Convention { .pytorch }
      var usesVelocity: Bool { false }
      func validate() {}
      func compile(_ tensor: TensorState, into program: inout StepProgram) -> Double {
        program.append(.axpy(factor: tensor.gradientFactor, from: .gradient, into: .parameters))
        return 1
      }
    }
    var optimizer = try Optimizer<Float>(
      ParameterLayout(count: 3), rule: Uncorrectable(), clipping: .byGlobalNorm(1), mode: .onePass)
    var parameters = try ParameterVector<Float>([1, 2, 3])
    let gradients = try ParameterVector<Float>([1, 1, 1])
    XCTAssertThrowsError(try optimizer.step(&parameters, gradients: gradients)) { error in
      XCTAssertEqual("\(error)", "mode is onePass; expected twoPass for this update rule")
    }
    XCTAssertEqual(parameters.withUnsafeBufferPointer { Array($0) }, [1, 2, 3])
  }
}
