import Momentum
import XCTest

/// The code of the rules that are not linear in the gradient; see ``DocumentationSnippets``.
final class DocumentationSnippetsOfUpdateRules: XCTestCase {
  private let layout = try! ParameterLayout([("w", [2])])

  /// The parameters after one step with the gradient (3, 4).
  private func step(_ optimizer: inout Optimizer<Float>) throws -> [Float] {
    let gradients: [Float] = [3, 4]
    var parameters: [Float] = [1, 1]
    var span = parameters.mutableSpan
    try optimizer.step(&span, gradients: gradients.span)
    return parameters
  }

  func testLion() throws {
    // snippet
    let rule = try Lion(learningRate: 1e-4, weightDecay: 0.1)
    var optimizer = try Optimizer<Float>(layout, rule: rule, clipping: .byGlobalNorm(1))
    // end
    for parameter in try step(&optimizer) { XCTAssertEqual(parameter, 1 - 1.1e-4, accuracy: 1e-7) }
  }

  func testSignum() throws {
    // snippet
    let rule = try Signum(learningRate: 1e-4, momentum: 0.9)
    var optimizer = try Optimizer<Float>(layout, rule: rule)
    // end
    XCTAssertEqual(try step(&optimizer), [1 - 1e-4, 1 - 1e-4])
  }

  func testNormalizedMomentum() throws {
    // snippet
    let rule = try NormalizedMomentum(learningRate: 0.01, momentum: 0.9)
    var optimizer = try Optimizer<Float>(layout, rule: rule)
    // end
    // The gradient (3, 4) is (0.6, 0.8) times its norm.
    for (x, y) in zip(try step(&optimizer), [1 - 0.006, 1 - 0.008]) { XCTAssertEqual(x, Float(y), accuracy: 1e-6) }
  }

  func testAdamW() throws {
    // snippet
    let rule = try AdamW(learningRate: 1e-3, weightDecay: 0.01)
    var optimizer = try Optimizer<Float>(layout, rule: rule, clipping: .byGlobalNorm(1))
    // end
    for parameter in try step(&optimizer) { XCTAssertEqual(parameter, 1 - 1.01e-3, accuracy: 1e-6) }
  }

  func testMuonBesideAdamW() throws {
    let layout = try ParameterLayout([
      ("layers.0.weight", [2, 2]), ("layers.0.bias", [2]), ("embedding.table", [3, 2]),
    ])
    var parameters = try ParameterVector<Float>(layout)
    var gradients = try ParameterVector<Float>(layout)
    gradients[0] = 3
    gradients[3] = 4
    gradients[4] = 12
    do {
      // snippet
      let others = ParameterGroup("others", ["*.bias", "embedding.*"], rule: try AdamW(learningRate: 1e-3))
      var optimizer = try Optimizer<Float>(layout, rule: Muon(learningRate: 0.02), groups: [others])
      // end
      try optimizer.step(&parameters, gradients: gradients)
      XCTAssertEqual(parameters[0], -0.02, accuracy: 0.007)
      XCTAssertEqual(parameters[4], -1e-3, accuracy: 1e-6)
    }
    // snippet
    let matrices = ParameterGroup(
      "matrices", ["layers.*.weight"], rule: try Muon(learningRate: 0.02), exemptFromWhole: true)
    var clipped = try Optimizer<Float>(
      layout, rule: AdamW(learningRate: 1e-3), groups: [matrices], clipping: .byGlobalNorm(1))
    // end
    let report = try clipped.step(&parameters, gradients: gradients)
    XCTAssertEqual(report.totalNorm, 13)
    XCTAssertEqual(report.comparedNorm, 12)
  }
}
