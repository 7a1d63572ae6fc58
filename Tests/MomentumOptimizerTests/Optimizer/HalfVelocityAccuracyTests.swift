import Foundation
import MomentumTestSupport
import XCTest

@testable import Momentum

/// What velocities in `BFloat16` are off by.
final class HalfVelocityAccuracyTests: XCTestCase {
  private func velocity(
    momentum: Double, steps: Int, count: Int = 3, gradient: (Int) -> Float
  ) throws -> (elements: [Double], state: OptimizerState<Float>) {
    let layout = try ParameterLayout(count: count)
    var optimizer = try Optimizer<Float>(
      layout, rule: SGD(learningRate: 1e-3, momentum: momentum), velocityType: .bfloat16)
    var parameters = try ParameterVector<Float>(layout)
    var gradients = try ParameterVector<Float>(layout)
    for step in 0..<steps {
      gradients.fill(gradient(step))
      try optimizer.step(&parameters, gradients: gradients)
    }
    return (optimizer.withUnsafeVelocity(ofTensor: 0) { $0.map(Double.init) }, optimizer.state())
  }

  /// With the velocities that other libraries keep in BFloat16 it is 64 to 75, and rounded to nearest 97.2.
  func testAConstantGradientReachesItsVelocity() throws {
    let velocity = try velocity(momentum: 0.99, steps: 1000, count: 512) { _ in 1 }.elements
    XCTAssertEqual(velocity.reduce(0, +) / 512, 100, accuracy: 0.1)
    XCTAssertGreaterThan(velocity.count { $0 >= 99 }, 480)
    for element in velocity { XCTAssertEqual(element, 100, accuracy: 2) }
  }

  /// What the article says: of all elements together, and of each.
  func testTheMeanOverTheStepsIsRight() throws {
    for (momentum, spread) in [(0.9, 0.015), (0.99, 0.02), (0.995, 0.025), (0.999, 0.03)] {
      for (steps, gradient) in [(1500, 1), (1531, -0.37), (4000, 3.3)] as [(Int, Float)] {
        let velocity = try velocity(momentum: momentum, steps: steps, count: 512) { _ in gradient }.elements
        let exact = Double(gradient) * (1 - pow(momentum, Double(steps))) / (1 - momentum)
        let what = "\(momentum), \(gradient), \(steps) steps"
        XCTAssertEqual(velocity.reduce(0, +) / 512 / exact, 1, accuracy: 1.5e-3, what)
        for element in velocity where (element / exact - 1).magnitude > spread { XCTFail("\(what): \(element)") }
      }
    }
  }

  /// Where it would stay at 1 for ever as a plain number of BFloat16.
  func testWithoutAGradientAVelocityDecaysExactly() throws {
    for steps in [500, 20_000] {
      let (velocity, state) = try velocity(momentum: 0.999, steps: steps + 1) { $0 == 0 ? 1 : 0 }
      let expected = pow(0.999, Double(steps))
      XCTAssertEqual(velocity[0] / expected, 1, accuracy: 0x1p-24 + Double(steps) * 0x1p-52)
      // All of it in the scale: u is a power of two, as the first gradient was.
      XCTAssertEqual(state.direction[0].significand, 1)
    }
  }

  func testScalesStayInTheirRange() throws {
    for momentum in [1e-9, 0.01, 0.5, 0.9999, 1, 1.5] {
      var optimizer = try Optimizer<Float>(
        ParameterLayout(count: 1), rule: SGD(learningRate: 1e-3, momentum: momentum), velocityType: .bfloat16)
      var parameters = try ParameterVector<Float>([0])
      var gradient = try ParameterVector<Float>([1])
      var expected = 1.0
      for step in 0..<60 {
        try optimizer.step(&parameters, gradients: gradient)
        if step == 0 { gradient[0] = 0 } else { expected *= momentum }
        let scale = optimizer.state().velocities[0].scale
        XCTAssertTrue((1...4096).contains(scale), "\(momentum): \(scale)")
        guard expected > 0x1p-120 else { break }
        let velocity = optimizer.withUnsafeVelocity(ofTensor: 0) { Double($0[0]) }
        XCTAssertEqual(velocity / expected, 1, accuracy: 1e-6, "\(momentum), step \(step)")
      }
    }
  }

  func testOverflowIsCounted() throws {
    let layout = try ParameterLayout(count: 2)
    var optimizer = try Optimizer<Float>(
      layout, rule: SGD(learningRate: 0, momentum: 1.5), velocityType: .bfloat16)
    try [Float(0x1.8p127), 1].withUnsafeBufferPointer { try optimizer.setVelocity(ofTensor: 0, $0) }
    var parameters = try ParameterVector<Float>(layout)
    let gradients = try ParameterVector<Float>([1.5 * 0x1.fep125, 0])
    // The momentum is in the scale, so u is 0x1.8p127 + 0x1.fep125: a Float, but above the largest BFloat16.
    XCTAssertEqual(try optimizer.step(&parameters, gradients: gradients).overflowedElements, 1)
  }
}
