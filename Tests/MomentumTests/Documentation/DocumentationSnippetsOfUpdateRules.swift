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
    XCTAssertEqual(try step(&optimizer), [1 - 1.1e-4, 1 - 1.1e-4])
  }

  func testSignum() throws {
    // snippet
    let rule = try Signum(learningRate: 1e-4, momentum: 0.9)
    var optimizer = try Optimizer<Float>(layout, rule: rule)
    // end
    XCTAssertEqual(try step(&optimizer), [1 - 1e-4, 1 - 1e-4])
  }

  func testAdamW() throws {
    // snippet
    let rule = try AdamW(learningRate: 1e-3, weightDecay: 0.01)
    var optimizer = try Optimizer<Float>(layout, rule: rule, clipping: .byGlobalNorm(1))
    // end
    for parameter in try step(&optimizer) { XCTAssertEqual(parameter, 1 - 1.01e-3, accuracy: 1e-6) }
  }
}
