import Foundation
import Momentum
import MomentumTestSupport
import XCTest

/// What Optax, Keras and MLX compute, see Tests/Fixtures/moments/README.md.
final class MomentPeerTests: XCTestCase {
  private struct Fixtures: Decodable {
    struct Case: Decodable {
      let rule: RuleConfiguration
      let convention: Convention
      let shape: [Int]
      let parameters, gradients, result: [Double]
    }
    let cases: [Case]
  }

  func testRunsOfPeers() throws {
    let file =
      ProcessInfo.processInfo.environment["MOMENT_PEERS"].map { URL(fileURLWithPath: $0) }
      ?? Checkout.fixture("moments/peers.json")
    let cases = try JSONDecoder().decode(Fixtures.self, from: Data(contentsOf: file)).cases
    XCTAssertEqual(Set(cases.map(\.convention)), [.optax, .keras, .mlx])
    for (number, test) in cases.enumerated() {
      let configuration = OptimizerConfiguration(convention: test.convention, rule: test.rule)
      var optimizer: Optimizer<Double> = try configuration.makeOptimizer(ParameterLayout([("t", test.shape)]))
      var parameters = test.parameters
      for first in stride(from: 0, to: test.gradients.count, by: parameters.count) {
        let gradient = Array(test.gradients[first..<first + parameters.count])
        _ = try parameters.withUnsafeMutableBufferPointer { parameters in
          try gradient.withUnsafeBufferPointer { try optimizer.step(parameters: parameters, gradients: $0) }
        }
      }
      let rate = try XCTUnwrap(optimizer.rule.conversionRate)
      for (index, expected) in test.result.enumerated() {
        // Both sides round in double precision, in another order; MLX computes the factors of a step in `Float`s, of
        // which 1 - 0.999ᵗ loses three digits. Muon multiplies matrices in another way, and Keras takes the root of
        // their sides in `Float`.
        let (start, way) = (test.parameters[index].magnitude, rate * Double(test.gradients.count / parameters.count))
        let isMLX = test.convention == .mlx
        let exact = test.rule.kind != .muon ? 2e-14 : test.convention == .keras ? 1e-6 : 1e-11
        XCTAssertEqual(
          parameters[index], expected, accuracy: isMLX ? 1e-7 * start + 1e-4 * way : exact * (start + way),
          "case \(number), element \(index), \(optimizer.rule), convention \(test.convention)")
      }
    }
  }
}
