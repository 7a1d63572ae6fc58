import MomentumTestSupport
import Foundation
import XCTest

@testable import Momentum

/// Norms of other orders than 1, 2 and infinity, whose powers are summed after division by the largest element.
final class GeneralNormTests: XCTestCase {
  func testTheLargestElementIsClippedByValueFirst() throws {
    // One element is beyond all others, whose powers vanish beside its own; it is clipped before the norm is compared.
    for clipping in [
      try GradientClipping(value: -1.5...1.5, whole: .norm(2), normType: .p(3)),
      try GradientClipping(value: -1.5...1.5, whole: .target(2), normType: .p(3)),
    ] {
      var run = try EngineRun<Double>([[0, 0, 0], [0]], rule: SGD(learningRate: 1), clipping: clipping)
      let report = try run.step([[1e110, -1, 1.5], [1]])
      let norm = Foundation.pow(2 * 3.375 + 2, 1.0 / 3)
      XCTAssertEqual(report.comparedNorm!, norm, accuracy: 1e-14)
      XCTAssertEqual(report.clipCoefficient, 2 / norm, accuracy: 1e-14)
      XCTAssertEqual(report.totalNorm!, 1e110, accuracy: 1e96)
      XCTAssertEqual(run.parameters[0][1], 2 / norm, accuracy: 1e-14)
    }
  }

  func testTheLargestTensorIsClippedFirst() throws {
    let clipping = try GradientClipping(tensor: .norm(80), whole: .target(193), normType: .p(3))
    var run = try EngineRun<Double>([[0], [0]], rule: SGD(learningRate: 1), clipping: clipping)
    let report = try run.step([[1e300], [1e299]])
    let norm = 80 * Foundation.pow(2, 1.0 / 3)
    XCTAssertEqual(report.comparedNorm!, norm, accuracy: 1e-11)
    XCTAssertEqual(run.parameters[0][0], -80 * 193 / norm, accuracy: 1e-11)
    XCTAssertEqual(run.parameters[1][0], -80 * 193 / norm, accuracy: 1e-11)
  }

  /// The scale of a general p ends with its step: other norms have none.
  func testTheScaleIsThatOfOneStep() throws {
    var optimizer = try Optimizer<Double>(
      ParameterLayout(count: 2), rule: SGD(learningRate: 1), clipping: .byGlobalNorm(1, type: .p(3)),
      nonFinitePolicy: .zero)
    var parameters = [0.0, 0]
    var span = parameters.mutableSpan
    let gradients = [3e8, 4e8]
    try optimizer.step(&span, gradients: gradients.span)
    // One pass sums while it updates.
    (optimizer.mode, optimizer.clipping) = (.onePass, try .byGlobalNorm(1e12))
    XCTAssertEqual(try optimizer.step(&span, gradients: gradients.span).totalNorm, 5e8)
  }

  func testTheNumberOfNonZeroElementsHasNoScale() throws {
    let clipping = try GradientClipping(whole: .norm(.infinity), normType: .p(0))
    _ = clipping
    let layout = try ParameterLayout([("a", [3]), ("b", [2])])
    for reduction in GradientAccumulator<Float>.Reduction.allCases {
      var optimizer = try Optimizer<Float>(
        layout, rule: SGD(learningRate: 1), clipping: clipping, lossScale: .fixed(1024))
      var accumulator = try GradientAccumulator<Float>(layout, reduction: reduction)
      var parameters = try ParameterVector<Float>(layout)
      let gradient: [Float] = [1, 0, 2, 3, 0]
      for _ in 0..<2 { try gradient.withUnsafeBufferPointer { try accumulator.add($0) } }
      let report = try optimizer.step(&parameters, gradients: &accumulator)
      XCTAssertEqual(report.totalNorm, 3)
      XCTAssertEqual(optimizer.tensorReports().map(\.norm), [2, 1])
    }
  }
}
