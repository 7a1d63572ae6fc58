import Foundation
import MomentumTestSupport
import XCTest

@testable import Momentum

/// What an optimizer remembers, and that nothing else matters.
final class StateTests: XCTestCase {
  func testAResumedRunGoesOnBitForBitFloat() throws { try aResumedRunGoesOnBitForBit(Float.self) }
  func testAResumedRunGoesOnBitForBitDouble() throws { try aResumedRunGoesOnBitForBit(Double.self) }

  private func aResumedRunGoesOnBitForBit<S: BLASScalar>(_: S.Type) throws {
    var random = SeededGenerator(seed: 11)
    let counts = [70, 0, 3, 2100]
    let start: [[S]] = counts.map { random.numbers($0) }
    let gradients: [[[S]?]] = (0..<8).map { _ in counts.map { random.numbers($0) } }
    for convention in Convention.allCases {
      let rule = try SGD(
        learningRate: 0.1, momentum: 0.7, weightDecay: 0.01, nesterov: convention == .mlx, convention: convention)
      var whole = try EngineRun(start, rule: rule)
      for gradient in gradients { try whole.step(gradient) }

      var first = try EngineRun(start, rule: rule)
      for gradient in gradients[..<3] { try first.step(gradient) }
      let data = try JSONEncoder().encode(first.optimizer.state())
      let state = try JSONDecoder().decode(OptimizerState<S>.self, from: data)
      XCTAssertEqual(state, first.optimizer.state())
      var second = try EngineRun(first.parameters, rule: rule)
      try second.optimizer.restore(state)
      for gradient in gradients[3...] { try second.step(gradient) }

      XCTAssertEqual(second.optimizer.stepCount, 8)
      XCTAssertEqual(second.optimizer.state(), whole.optimizer.state(), "\(convention)")
      for (x, y) in zip(whole.parameters, second.parameters) { assertSameBits(x, y, seed: 11, "\(convention)") }
    }
  }

  func testANegativeSecondMomentIsRefused() throws {
    var run = try EngineRun<Float>([[1, 2], [3]], rule: AdamW(learningRate: 0.1))
    try run.step([[1, 1], [1]])
    let before = run.optimizer.state()
    var state = before
    state.secondMoment[2] = -1
    XCTAssertThrowsError(try run.optimizer.restore(state)) {
      XCTAssertTrue("\($0)".contains("second moment"), "\($0)")
    }
    XCTAssertEqual(run.optimizer.state(), before)
    state.secondMoment[2] = -0.0
    XCTAssertNoThrow(try run.optimizer.restore(state))
  }

  /// Whoever cuts tensors over owners asks before a step, which would check a change of settings.
  func testAChangeOfSettingsCountsAtOnce() throws {
    var run = try EngineRun<Float>([[1, 2]], rule: SGD(learningRate: 0.1))
    try run.step([[1, 1]])
    XCTAssertFalse(run.optimizer.needsWholeTensors)
    run.optimizer.clipping = try .byNorm(1)
    XCTAssertTrue(run.optimizer.needsWholeTensors)
    run.optimizer.clipping = try .byGlobalNorm(1)
    XCTAssertFalse(run.optimizer.needsWholeTensors)
  }

  func testFoldingTouchesTheVelocityOnly() throws {
    // By then the gradients of the last step are gone, and their pages with them: parameters stay, but unread.
    for storage in EngineRun<Float>.Storage.allCases {
      var run = try EngineRun<Float>(
        [[1, 2, 3], [Float](repeating: 4, count: 67)], rule: SGD(learningRate: 1, momentum: 0.5), storage: storage)
      let gradient: [[Float]] = [[8, -8, 4], [Float](repeating: 2, count: 67)]
      for _ in 0..<3 { try run.step(gradient) }
      let before = run.velocity
      XCTAssertEqual(before[0], [14, -14, 7])
      let scales = run.optimizer.state().velocities.map(\.scale)
      XCTAssertEqual(run.optimizer.withUnsafeVelocity(ofTensor: 0) { Array($0) }, [14, -14, 7])
      XCTAssertEqual(run.optimizer.state().velocities.map(\.scale), scales, "reading leaves no trace")
      run.optimizer.foldVelocity()
      XCTAssertEqual(run.velocity, before)
      XCTAssertEqual(run.optimizer.state().velocities.map(\.scale), [1, 1])
      XCTAssertEqual(run.optimizer.withUnsafeVelocity(ofTensor: 0) { Array($0) }, [14, -14, 7])
    }
  }

  func testWithoutMomentumTheVelocityStays() throws {
    let rule = try SGD(learningRate: 0.5, momentum: 0.5)
    var run = try EngineRun<Double>([[1, 2]], rule: rule)
    try run.step([[4, 8]])
    try run.step([[4, 8]])
    let state = run.optimizer.state()
    var plain = rule
    plain.momentum = 0
    run.optimizer.rule = plain
    let before = run.parameters[0]
    try run.step([[1, 1]])
    XCTAssertEqual(run.parameters[0], before.map { $0 - 0.5 })
    XCTAssertEqual(run.optimizer.state().direction, state.direction)
    XCTAssertEqual(run.optimizer.state().velocities, state.velocities)
    run.optimizer.rule = rule
    try run.step([[0, 0]])
    XCTAssertEqual(run.velocity[0], [3, 6], "momentum goes on from the velocity it left")
  }

  func testNoVelocityIsMadeBeforeOneIsNeeded() throws {
    var run = try EngineRun<Double>([[1]], rule: SGD(learningRate: 1))
    try run.step([[1]])
    XCTAssertTrue(run.optimizer.state().direction.isEmpty)
    XCTAssertFalse(run.optimizer.hasVelocity(ofTensor: 0))
    XCTAssertEqual(run.optimizer.withUnsafeVelocity(ofTensor: 0) { $0.count }, 0)
  }

  func testAGivenVelocityIsNotAFirstStep() throws {
    var run = try EngineRun<Double>(
      [[1], [1]], rule: SGD(learningRate: 1, momentum: 0.5, dampening: 0.5, convention: .pytorch))
    try [4.0].withUnsafeBufferPointer { try run.optimizer.setVelocity(ofTensor: 0, $0) }
    XCTAssertTrue(run.optimizer.hasVelocity(ofTensor: 0))
    try run.step([[2], [2]])
    XCTAssertEqual(run.velocity, [[3], [2]], "damped, undamped")
  }

  func testTheFoldedRangeLosesNothing() throws {
    // Momentum 0.5 leaves the scale's range after 40 steps, momentum 2 likewise upwards.
    for momentum in [0.5, 2.0] {
      var run = try EngineRun<Double>([[0]], rule: SGD(learningRate: 0, momentum: momentum))
      var velocity = 0.0
      for step in 0..<100 {
        let gradient = Double(step % 3) - 1
        velocity = momentum * velocity + gradient
        try run.step([[gradient]])
        assertClose(velocity, run.velocity[0][0], ulps: 64)
        XCTAssertTrue((1...0x1p12).contains(run.optimizer.state().velocities[0].scale))
      }
    }
  }

  func testASkippedTensorKeepsItsVelocity() throws {
    var run = try EngineRun<Double>([[1], [1]], rule: SGD(learningRate: 1, momentum: 0.5, weightDecay: 0.5))
    try run.step([[2], nil])
    XCTAssertEqual(run.velocity, [[2.5], [0]])
    XCTAssertEqual(run.parameters, [[-1.5], [1]])
    XCTAssertFalse(run.optimizer.hasVelocity(ofTensor: 1))
    try run.step([nil, [2]])
    XCTAssertEqual(run.velocity, [[2.5], [2.5]])
    XCTAssertEqual(run.parameters, [[-1.5], [-1.5]])
    XCTAssertEqual(run.optimizer.stepCount, 2)
  }
}
