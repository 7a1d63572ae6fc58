import Foundation
import Momentum
import MomentumTestSupport
import XCTest

/// Loss scales and adaptive limits in steps, against the same steps without.
final class LossScalingTests: XCTestCase {
  func testScaledGradientsGiveTheSameStepFloat() throws { try scaledGradientsGiveTheSameStep(Float.self) }
  func testScaledGradientsGiveTheSameStepDouble() throws { try scaledGradientsGiveTheSameStep(Double.self) }

  private func scaledGradientsGiveTheSameStep<S: BLASScalar>(_: S.Type) throws {
    let clippings: [GradientClipping] = try [
      .none, .byGlobalNorm(1), GradientClipping(value: -0.25...0.5, tensor: .norm(0.75), whole: .norm(1.5)),
      .byNorm(1, type: .l1),
      GradientClipping(whole: .norm(2), normType: .p(3)),
    ]
    for clipping in clippings {
      for mode in clipping == clippings[1] ? StepMode.allCases : [.twoPass] {
        var random = SeededGenerator(seed: 91)
        let start: [[S]] = [random.numbers(130), random.numbers(3)]
        let rule = try SGD(learningRate: 0.1, momentum: 0.9, weightDecay: 0.01)
        let policy: NonFinitePolicy = .propagate
        var plain = try EngineRun(start, rule: rule, clipping: clipping, policy: policy, mode: mode)
        var scaled = try EngineRun(start, rule: rule, clipping: clipping, policy: policy, mode: mode)
        scaled.optimizer.lossScale = try .fixed(4096)
        for _ in 0..<4 {
          let gradients: [[S]] = [random.numbers(130), random.numbers(3)]
          let expected = try plain.step(gradients)
          let report = try scaled.step(gradients.map { $0.map { $0 * 4096 } })
          XCTAssertEqual(report.lossScale, 4096)
          XCTAssertEqual(report.clip, expected.clip)
        }
        // A power of two changes exponents only.
        for tensor in start.indices { assertSameBits(plain.parameters[tensor], scaled.parameters[tensor], seed: 91) }
      }
    }
  }

  func testAScaleThatIsNoPowerOfTwo() throws {
    var run = try EngineRun<Double>([[0, 0]], rule: SGD(learningRate: 1), clipping: .byGlobalNorm(2.5))
    run.optimizer.lossScale = try .fixed(3)
    let report = try run.step([[9, 12]])
    assertClose([5], [report.totalNorm!], ulps: 1)
    assertClose([-1.5, -2], run.parameters[0], ulps: 2)
  }

  func testADynamicScaleFindsItsWay() throws {
    var run = try EngineRun<Float>([[0]], rule: SGD(learningRate: 1))
    run.optimizer.lossScale = try .dynamic(initial: 8, growthInterval: 2)
    var scales: [Double] = []
    // The third gradient overflows: the step is skipped although the policy is to throw.
    for gradient in [8, 8, .infinity, 8, 8, 16] as [Float] {
      let report = try run.step([[gradient]])
      XCTAssertEqual(report.wasSkipped, !gradient.isFinite)
      // By the scale of this step, whatever the next one's is.
      XCTAssertEqual(run.optimizer.tensorReports().map(\.norm), [report.totalNorm])
      scales.append(report.lossScale)
    }
    XCTAssertEqual(scales, [8, 8, 16, 8, 8, 16])
    XCTAssertEqual(run.parameters, [[-5]])
    XCTAssertEqual(run.optimizer.stepCount, 5)
    XCTAssertEqual(run.optimizer.lossScale.current, 16)
  }

  func testAdaptiveLimits() throws {
    var run = try EngineRun<Double>([[0]], rule: SGD(learningRate: 1), clipping: .byGlobalNorm(100))
    run.optimizer.adaptiveLimit = .autoClip(try AutoClip(percentile: 50))
    var moves: [Double] = []
    for gradient in [2.0, 4, 12, 400] {
      let before = run.parameters[0][0]
      try run.step([[gradient]])
      moves.append(before - run.parameters[0][0])
    }
    // Medians of 2; 2, 4; 2, 4, 12; 2, 4, 12, 400. The limit of the whole is never the smaller one.
    assertClose([2, 3, 4, 8], moves, ulps: 2)
    run.optimizer.clipping.whole = .norm(1)
    let before = run.parameters[0][0]
    let report = try run.step([[10]])
    assertClose([1], [before - run.parameters[0][0]], ulps: 8)
    XCTAssertEqual(report.comparedNorm, 10)
  }

  func testSpikesAreSkippedWithoutATrace() throws {
    var run = try EngineRun<Double>([[1]], rule: SGD(learningRate: 1, momentum: 0.5), averaging: WeightAveraging(.mean))
    run.optimizer.adaptiveLimit = .spikeSkipping(try SpikeSkipping(limit: 10))
    try run.step([[2]])
    let (state, parameters) = (run.optimizer.state(), run.parameters)
    let report = try run.step([[11]])
    XCTAssertTrue(report.wasSkipped)
    XCTAssertEqual(report.totalNorm, 11)
    var after = run.optimizer.state()
    after.adaptiveLimit = state.adaptiveLimit
    XCTAssertEqual(after, state)
    XCTAssertEqual(run.parameters, parameters)
  }

  func testAResumedRunGoesOnBitForBit() throws {
    func fresh() throws -> EngineRun<Float> {
      var run = try EngineRun<Float>(
        [[1, 2], [3]], rule: SGD(learningRate: 0.1, momentum: 0.9), averaging: .exponential(decay: 0.9))
      run.optimizer.lossScale = try .dynamic(initial: 4, growthInterval: 3)
      run.optimizer.adaptiveLimit = .zClip(try ZClip(warmUp: 2))
      return run
    }
    var random = SeededGenerator(seed: 92)
    let gradients = (0..<12).map { _ -> [[Float]] in [random.numbers(2), random.numbers(1)] }
    var whole = try fresh()
    for gradient in gradients { try whole.step(gradient) }
    var first = try fresh()
    for gradient in gradients.prefix(5) { try first.step(gradient) }
    let stored = try JSONEncoder().encode(first.optimizer.state())
    var second = try EngineRun<Float>(
      first.parameters, rule: SGD(learningRate: 0.1, momentum: 0.9), averaging: .exponential(decay: 0.9))
    try second.optimizer.restore(JSONDecoder().decode(OptimizerState<Float>.self, from: stored))
    for gradient in gradients.dropFirst(5) { try second.step(gradient) }
    for tensor in 0..<2 { assertSameBits(whole.parameters[tensor], second.parameters[tensor], seed: 92) }
    XCTAssertEqual(second.optimizer.state(), whole.optimizer.state())
  }

  func testOnePassRefusesWhatItCannotPromise() throws {
    func refuses(_ text: String, line: UInt = #line, _ change: (inout Optimizer<Double>) -> Void) throws {
      var run = try EngineRun<Double>([[1]], rule: SGD(learningRate: 1), policy: .propagate, mode: .onePass)
      change(&run.optimizer)
      expect("mode is onePass; expected twoPass \(text)", line: line) { try run.step([[1]]) }
      XCTAssertEqual(run.parameters, [[1]])
    }
    try refuses("with a dynamic loss scale, which skips steps") { $0.lossScale = .pytorch }
    let spikes = AdaptiveLimit.spikeSkipping(try SpikeSkipping(limit: 10))
    try refuses("with adaptive clipping, whose limit depends on the norm") { $0.adaptiveLimit = spikes }
  }
}
