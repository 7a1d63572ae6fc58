import Foundation
import MomentumTestSupport
import XCTest

@testable import Momentum

/// Norms of clipped gradients that are too small for a `Double`: factors have a wider range than elements.
final class VanishingNormTests: XCTestCase {
  // Gradients are multiplied by 2⁶⁰ before they are clipped to a limit of 33 digits near 2⁻¹⁰⁴⁰, so that those in memory get
  // norms near 2⁻¹¹⁰⁰, whose squares have digits below the lowest bit of an exact sum.
  private let lossScale = try! LossScale.fixed(0x1p-60)
  private let gradients = [0x1p-1070, 0x1p-1069]
  private let limit = 0x1.92492492p-1040

  private func step(_ clipping: GradientClipping, _ layout: ParameterLayout) throws -> (StepReport, [Double]) {
    var optimizer = try Optimizer<Double>(
      layout, rule: SGD(learningRate: 1), clipping: clipping, lossScale: lossScale)
    let gradients = gradients
    var parameters = [0.0, 0]
    var span = parameters.mutableSpan
    let report = try optimizer.step(&span, gradients: gradients.span)
    return (report, parameters)
  }

  func testClippedTensorsAreBroughtToTheTarget() throws {
    let layout = try ParameterLayout([("a", [1]), ("b", [1])])
    for (type, norm) in [
      (NormType.infinity, 1), (.l1, 2), (.l2, 2.0.squareRoot()), (.p(3), Foundation.pow(2, 1.0 / 3)),
    ] {
      let clipping = try GradientClipping(tensor: .norm(limit), whole: .target(193), normType: type)
      let (report, parameters) = try step(clipping, layout)
      // Both tensors have the norm `limit` after their own clip.
      XCTAssertEqual(report.comparedNorm!, norm * limit, accuracy: 0x1p-1074, "\(type)")
      for parameter in parameters { XCTAssertEqual(parameter, -193 / norm, accuracy: 2e-13, "\(type)") }
    }
  }
}
