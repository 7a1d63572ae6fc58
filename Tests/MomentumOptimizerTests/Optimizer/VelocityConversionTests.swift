import Momentum
import MomentumTestSupport
import XCTest

/// Velocities with the learning rate inside and outside.
final class VelocityConversionTests: XCTestCase {
  func testARunGoesOnUnderAnotherConvention() throws {
    for (from, to) in [(Convention.pytorch, Convention.keras), (.keras, .optax), (.keras, .pytorch), (.mlx, .keras)] {
      var random = SeededGenerator(seed: 81)
      let start: [[Double]] = [random.numbers(130)]
      func rule(_ convention: Convention, _ rate: Double) throws -> SGD {
        try SGD(learningRate: rate, momentum: 0.9, convention: convention)
      }
      var run = try EngineRun(start, rule: rule(from, 0.1))
      var unchanged = try EngineRun(start, rule: rule(from, 0.1))
      for _ in 0..<5 {
        let gradient: [[Double]] = [random.numbers(130)]
        try run.step(gradient)
        try unchanged.step(gradient)
      }
      // At a constant rate both conventions go the same way.
      let gradient: [[Double]] = [random.numbers(130)]
      try run.optimizer.convertVelocity(toKeepLearningRate: to.keepsLearningRateInVelocity, learningRate: 0.1)
      run.optimizer.rule = try rule(to, 0.1)
      for _ in 0..<3 {
        try run.step(gradient)
        try unchanged.step(gradient)
      }
      let largest = unchanged.parameters[0].map(\.magnitude).max()!
      for (a, b) in zip(run.parameters[0], unchanged.parameters[0]) {
        XCTAssertLessThan((a - b).magnitude, 16 * largest * Double.ulpOfOne, "\(from) to \(to)")
      }
    }
  }

  func testTheNumbers() throws {
    var run = try EngineRun<Float>([[0]], rule: SGD(learningRate: 1, momentum: 0.5))
    try run.step([[8]])
    try run.step([[8]])
    XCTAssertEqual(run.velocity, [[12]])
    try run.optimizer.convertVelocity(toKeepLearningRate: true, learningRate: 0.25)
    XCTAssertEqual(run.velocity, [[-3]])
    try run.optimizer.convertVelocity(toKeepLearningRate: true, learningRate: 0.5)
    XCTAssertEqual(run.velocity, [[-3]], "is so already")
    try run.optimizer.convertVelocity(toKeepLearningRate: false, learningRate: 0.25)
    XCTAssertEqual(run.velocity, [[12]])
  }

  /// The scale of a velocity and the ratio of two forms may cancel: the stored vector is then the velocity already.
  func testScalesThatCancelTheRatio() throws {
    let sum = try SGD(learningRate: 1, momentum: 0.5)
    let mean = try SGD(learningRate: 1, momentum: 0.5, dampening: 0.5)
    var scales: Set<Double> = []
    for steps in 1...24 {
      var run = try EngineRun<Double>([[0]], rule: sum)
      for _ in 0..<steps { try run.step([[1]]) }
      scales.insert(run.optimizer.state().velocities[0].scale)
      let before = run.velocity[0][0]
      try run.optimizer.convertVelocity(from: sum, to: mean)
      XCTAssertEqual(run.velocity[0][0], before / 2, "\(steps) steps")
      XCTAssertEqual(run.optimizer.state().velocities[0].scale, 1)
    }
    XCTAssertTrue(scales.contains(2))
  }

  func testAVelocityThatIsRefusedIsNotWritten() throws {
    var run = try EngineRun<Double>([[1, 2]], rule: SGD(learningRate: 0.5, momentum: 0.5))
    try run.step([[4, 8]])
    let before = run.velocity
    run.optimizer.groups = [ParameterGroup("odd", ["nothing"])]
    let values: [Double] = [7, 7]
    XCTAssertThrowsError(
      try values.withUnsafeBufferPointer { values throws in
        try run.optimizer.setVelocity(ofTensor: 0, values)
      })
    XCTAssertEqual(run.velocity, before)
  }

  func testAStepRefusesTheWrongKind() throws {
    var run = try EngineRun<Double>([[1], [1]], rule: SGD(learningRate: 0.5, momentum: 0.5))
    try run.step([nil, [1]])
    let (state, parameters) = (run.optimizer.state(), run.parameters)
    run.optimizer.rule = try SGD(learningRate: 0.5, momentum: 0.5, convention: .keras)
    expect(
      "rule of tensor 'tensor 1' is one that keeps the learning rate in the velocity; expected the kind that made the "
        + "velocity, or convertVelocity(toKeepLearningRate:learningRate:) before the step"
    ) { try run.step([[1], [1]]) }
    XCTAssertEqual(run.optimizer.state(), state)
    XCTAssertEqual(run.parameters, parameters)
    // Where there is no velocity yet, or none is used, there is nothing to convert.
    XCTAssertNoThrow(try run.step([[1], nil]))
    run.optimizer.rule = try SGD(learningRate: 0.5)
    XCTAssertNoThrow(try run.step([[1], [1]]))
    for rate in [0, -1, .nan, .infinity] as [Double] {
      expect("learningRate is \(rate); expected a finite number > 0") {
        try run.optimizer.convertVelocity(toKeepLearningRate: true, learningRate: rate)
      }
    }
  }

  func testAGivenVelocityIsOfTheKindOfItsRule() throws {
    for (convention, moved) in [(Convention.native, -2.0), (.keras, 4)] {
      var run = try EngineRun<Double>(
        [[0]], rule: SGD(learningRate: 0.5, momentum: 0.5, convention: convention), policy: .propagate)
      try [8.0].withUnsafeBufferPointer { try run.optimizer.setVelocity(ofTensor: 0, $0) }
      try run.step([[0]])
      XCTAssertEqual(run.parameters, [[moved]])
    }
  }

  /// Found by the fuzzer of steps: settings are checked in a step in which the tensor has no gradient; when it has one, the
  /// step is refused before its gradient is looked at, and so as after a restart.
  func testAVelocityOfAnotherKindIsRefusedInTheStepThatNeedsIt() throws {
    for policy in [NonFinitePolicy.skipStep, .propagate] {
      var run = try EngineRun<Double>(
        [[1], [1]], rule: SGD(learningRate: 0.5, momentum: 0.5), clipping: .byGlobalNorm(100), policy: policy)
      try run.step([[1], [1]])
      run.optimizer.rule = try SGD(learningRate: 0.5, momentum: 0.5, convention: .keras)
      try run.optimizer.convertVelocity(toKeepLearningRate: true, learningRate: 0.5)
      try run.step([[1], [1]])
      run.optimizer.rule = try SGD(learningRate: 0.5, momentum: 0.5)
      XCTAssertNoThrow(try run.step([nil, nil]))
      for gradient in [Double.infinity, 1] {
        XCTAssertThrowsError(try run.step([nil, [gradient]])) {
          XCTAssertTrue("\($0)".hasPrefix("rule of tensor"), "\($0)")
        }
      }
      XCTAssertNoThrow(try run.step([nil, nil]))
    }
  }
}
