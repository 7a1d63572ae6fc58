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
