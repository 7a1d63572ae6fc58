import MomentumTestSupport
import XCTest

@testable import Momentum

/// What an optimizer does between steps.
final class PreparationTests: XCTestCase {
  func testAPreparedOptimizerTakesTheSameSteps() throws {
    var random = SeededGenerator(seed: 5)
    let start: [Float] = random.numbers(3000)
    let rule = try SGD(learningRate: 0.1, momentum: 0.9)
    var plain = try EngineRun<Float>([start], rule: rule, averaging: .exponential(decay: 0.9))
    var prepared = try EngineRun<Float>([start], rule: rule, averaging: .exponential(decay: 0.9))
    try prepared.optimizer.prepare()
    XCTAssertNotNil(prepared.optimizer.direction.base)
    XCTAssertNotNil(prepared.optimizer.average.base)
    XCTAssertEqual(prepared.optimizer.stepCount, 0)
    XCTAssertFalse(prepared.optimizer.hasVelocity(ofTensor: 0))
    for _ in 0..<3 {
      let gradient: [Float] = random.numbers(3000)
      try plain.step([gradient])
      try prepared.step([gradient])
      try prepared.optimizer.prepare()
      assertSameBits(plain.parameters[0], prepared.parameters[0], seed: 5)
    }
    XCTAssertEqual(plain.optimizer.state(), prepared.optimizer.state())
  }

  func testThreadsMayChangeBetweenSteps() throws {
    var random = SeededGenerator(seed: 6)
    let start: [Float] = random.numbers(150_000)
    let rule = try SGD(learningRate: 0.1, momentum: 0.9)
    var one = try EngineRun<Float>([start], rule: rule, clipping: .byGlobalNorm(1), threads: 1)
    var many = try EngineRun<Float>([start], rule: rule, clipping: .byGlobalNorm(1), threads: 1)
    var sum = try GradientAccumulator<Float>(one.optimizer.layout, threads: 1)
    var same = try GradientAccumulator<Float>(one.optimizer.layout, threads: 1)
    for threads in [4, 1, 3] {
      many.optimizer.threads = threads
      XCTAssertEqual(many.optimizer.team.count, threads)
      same.threads = threads
      let gradient: [Float] = random.numbers(start.count)
      XCTAssertEqual(try one.step([gradient]), try many.step([gradient]))
      assertSameBits(one.parameters[0], many.parameters[0], seed: 6)
      try sum.add(ParameterVector(gradient))
      try same.add(ParameterVector(gradient))
    }
    sum.withUnsafeSum(ofTensor: 0) { x in
      same.withUnsafeSum(ofTensor: 0) { assertSameBits(Array(x!), Array($0!), seed: 6) }
    }
    let state = many.optimizer.state()
    many.optimizer.threads = 0
    expect("threads is 0; expected at least 1") { try many.step([start]) }
    XCTAssertEqual(many.optimizer.state(), state)
    same.threads = -1
    expect("threads is -1; expected at least 1") { try same.add(ParameterVector(start)) }
    expect("threads is -1; expected at least 1") { try same.merge(sum) }
    XCTAssertEqual(same.count, 3)
    many.optimizer.threads = 2
    XCTAssertNoThrow(try many.step([start]))
  }

  func testPreparationRefusesWhatTheFirstStepWould() throws {
    var run = try EngineRun<Float>([[1]], rule: SGD(learningRate: 1))
    run.optimizer.rule = HalfRule(rate: .nan)
    expect("rate is nan; expected a finite number >= 0") { try run.optimizer.prepare() }
  }

  private struct HalfRule: UpdateRule {
    var rate: Double
    var convention: Convention { .native }
    var usesVelocity: Bool { false }
    func validate() throws(MomentumError) {
      guard rate >= 0 else { throw .invalidSetting(name: "rate", value: rate, expected: .finiteAtLeast(0)) }
    }
    func compile(_ tensor: TensorState, into program: inout StepProgram) -> Double { tensor.velocityScale }
  }

  func testAResetVelocityMakesTheNextStepAFirstOne() throws {
    var random = SeededGenerator(seed: 6)
    let rule = try SGD(learningRate: 0.1, momentum: 0.9, dampening: 0.5, convention: .pytorch)
    var run = try EngineRun<Double>([random.numbers(2100), [1]], rule: rule)
    for _ in 0..<5 { try run.step([random.numbers(2100), [2]]) }
    run.optimizer.resetVelocity()
    XCTAssertFalse(run.optimizer.hasVelocity(ofTensor: 0))
    XCTAssertEqual(run.optimizer.stepCount, 5)
    var fresh = try EngineRun<Double>(run.parameters, rule: rule)
    for _ in 0..<3 {
      let gradient: [Double] = random.numbers(2100)
      try run.step([gradient, [3]])
      try fresh.step([gradient, [3]])
      assertSameBits(fresh.parameters[0], run.parameters[0], seed: 6)
      assertSameBits(fresh.parameters[1], run.parameters[1], seed: 6)
    }
  }

  func testSpansAreAccumulatedLikeBuffers() throws {
    let layout = try ParameterLayout(count: 5)
    let gradient: [Float] = [1, 2, 3, 4, 5]
    var spans = try GradientAccumulator<Float>(layout)
    var buffers = try GradientAccumulator<Float>(layout)
    for weight in [1.0, 3] {
      try spans.add(gradient.span, weight: weight)
      try gradient.withUnsafeBufferPointer { try buffers.add($0, weight: weight) }
    }
    let (first, second) = (
      spans.withUnsafeSum(ofTensor: 0) { Array($0!) }, buffers.withUnsafeSum(ofTensor: 0) { Array($0!) }
    )
    assertSameBits(first, second, seed: 0)
    expect("gradients has count 4; expected 5") { try spans.add([1, 2, 3, 4].span) }
  }
}
