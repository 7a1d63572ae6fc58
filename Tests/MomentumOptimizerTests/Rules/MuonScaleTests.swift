import MomentumTestSupport
import XCTest

@testable import Momentum

/// Gradients so small that a convention's epsilon shows, and so large that their squares overflow.
final class MuonScaleTests: XCTestCase {
  private let shape = [4, 6]

  /// The parameters after two steps from zeros, and what the formula gives.
  private func run(_ rule: Muon, _ gradients: [[Float]]) throws -> (found: [Float], expected: [Double]) {
    var optimizer = try Optimizer<Float>(ParameterLayout([("w", shape)]), rule: rule)
    var reference = MuonReference(rule, shape, [Double](repeating: 0, count: 24))
    var parameters = [Float](repeating: 0, count: 24)
    for gradient in gradients {
      var span = parameters.mutableSpan
      try optimizer.step(&span, gradients: gradient.span)
      reference.step(gradient.map { Double($0) })
    }
    return (parameters, reference.parameters)
  }

  /// Against the formula of each convention in `Double`, relative to the largest element of the step.
  func testEpsilonsAtEveryScale() throws {
    var random = SeededGenerator(seed: 1611)
    for scale in [Float(1e-10), 1e-20, 1, 1e19] {
      let gradients: [[Float]] = (0..<2).map { _ in random.numbers(24).map { $0 * scale } }
      for convention in Convention.allCases {
        for nesterov in [false, true] {
          let rule = try Muon(
            learningRate: 1, nesterov: nesterov, weightDecay: 0, scale: Muon.Scale.none, convention: convention)
          let (found, expected) = try run(rule, gradients)
          let largest = expected.map(\.magnitude).max()!
          for (x, y) in zip(found, expected) {
            XCTAssertEqual(
              Double(x), y, accuracy: 2e-4 * largest, "\(convention), nesterov \(nesterov), scale \(scale)")
          }
        }
      }
    }
  }

  /// The sizes that <doc:UpdateRules> tells: only without an epsilon is a step one of any gradient.
  func testSmallGradientsFadeUnderAnEpsilon() throws {
    var random = SeededGenerator(seed: 1612)
    let unit: [Float] = random.numbers(24)
    func size(_ convention: Convention, _ scale: Float) throws -> Double {
      let rule = try Muon(learningRate: 1, weightDecay: 0, scale: Muon.Scale.none, convention: convention)
      return try run(rule, [unit.map { $0 * scale }]).found.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
    }
    for (convention, least, most) in [
      (Convention.optax, 5e-10, 5e-9), (.keras, 5e-11, 5e-10), (.pytorch, 2e-12, 3e-11), (.mlx, 2e-12, 3e-11),
    ] {
      let share = try size(convention, 1e-20) / size(convention, 1)
      XCTAssertTrue((least...most).contains(share), "\(convention): \(share)")
      XCTAssertEqual(try size(convention, 1e19) / size(convention, 1), 1, accuracy: 1e-5, "\(convention)")
    }
    for scale in [Float(1e-20), 1e19] { XCTAssertEqual(try size(.native, scale) / size(.native, 1), 1, accuracy: 1e-5) }
  }
}
