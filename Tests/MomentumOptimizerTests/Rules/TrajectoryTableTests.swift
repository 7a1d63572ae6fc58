import Momentum
import MomentumTestSupport
import XCTest

/// Three steps of one parameter, worked out by hand: p = 1, gradients 1, 2, 3, learning rate 0.1, momentum 0.9.
final class TrajectoryTableTests: XCTestCase {
  private func sgd(
    _ convention: Convention = .native, dampening: Double = 0, weightDecay: Double = 0, nesterov: Bool = false
  ) throws -> SGD {
    try SGD(
      learningRate: 0.1, momentum: 0.9, dampening: dampening, weightDecay: weightDecay, nesterov: nesterov,
      convention: convention)
  }

  func testEveryConventionAgreesAtConstantLearningRate() throws {
    for convention in Convention.allCases { try check(sgd(convention), [0.9, 0.61, 0.049]) }
  }

  func testOnlyPyTorchLeavesTheFirstStepUndamped() throws {
    try check(sgd(.pytorch, dampening: 0.5), [0.9, 0.71, 0.389])
    try check(sgd(.mlx, dampening: 0.5), [0.95, 0.805, 0.5245])
    try check(sgd(.native, dampening: 0.5), [0.95, 0.805, 0.5245])
    // burn's defaults: its first step is PyTorch's.
    try check(sgd(.pytorch, dampening: 0.1), [0.9, 0.63, 0.117])
  }

  func testNesterovIsTheSameUnderEveryConvention() throws {
    for convention in Convention.allCases { try check(sgd(convention, nesterov: true), [0.81, 0.349, -0.4559]) }
  }

  func testALearningRateInsideTheVelocityKeepsItsGradients() throws {
    let rates = [0.1, 0.01, 0.01]
    for convention in Convention.allCases where convention != .keras {
      try check(sgd(convention), [0.9, 0.871, 0.8149], rates: rates)
    }
    try check(sgd(.keras), [0.9, 0.79, 0.661], rates: rates)
  }

  func testWeightDecayIsCoupledButForKeras() throws {
    for convention in Convention.allCases where convention != .keras {
      try check(sgd(convention, weightDecay: 0.1), [0.89, 0.5821, -0.000831])
    }
    try check(sgd(.keras, weightDecay: 0.1), [0.89, 0.5911, 0.024189])
    var decoupled = try sgd(.native, weightDecay: 0.1)
    decoupled.decoupledWeightDecay = true
    try check(decoupled, [0.89, 0.5911, 0.024189])
    var coupled = try sgd(.keras, weightDecay: 0.1)
    coupled.decoupledWeightDecay = false
    try check(coupled, [0.89, 0.5821, -0.000831])
  }

  func testLearningRateDecayOfSwiftForTensorFlow() throws {
    // lr / (1 + 0.1·step), inside the velocity.
    try check(
      sgd(.keras), [0.9090909, 0.6606061, 0.2062005], rates: [1.1, 1.2, 1.3].map { 0.1 / $0 }, accuracy: 5e-8)
  }

  /// Runs the engine and the reference through the table.
  private func check(
    _ rule: SGD, _ expected: [Double], rates: [Double] = [0.1, 0.1, 0.1], accuracy: Double? = nil,
    line: UInt = #line
  ) throws {
    var run = try EngineRun<Double>([[1]], rule: rule)
    var reference = ReferenceOptimizer<Double>([[1.0]], rule: rule)
    for (step, value) in expected.enumerated() {
      var changed = rule
      changed.learningRate = rates[step]
      run.optimizer.rule = changed
      reference.rule = changed
      let gradient = [[Double(step + 1)]]
      let report = try run.step(gradient)
      _ = reference.step(gradient)
      XCTAssertEqual(report.step, step + 1, line: line)
      // A table entry near zero has cancelled: its digits are those of the terms.
      let allowed = accuracy ?? AccuracyBounds.handTable * max(value.magnitude, 1).ulp
      for (who, found) in [("engine", run.parameters[0][0]), ("reference", reference.parameters[0][0])] {
        XCTAssertEqual(found, value, accuracy: allowed, "\(who), step \(step + 1), \(rule)", line: line)
      }
    }
  }
}
