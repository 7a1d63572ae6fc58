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

  /// Each tensor is measured on a scale of its own: beside another, its powers may be far out of range.
  func testTensorsOfVeryDifferentSizesFloat() throws {
    try tensorsOfVeryDifferentSizes(Float.self, sizes: [1, 3e38, 1e-40])
  }

  func testTensorsOfVeryDifferentSizesDouble() throws {
    try tensorsOfVeryDifferentSizes(Double.self, sizes: [1, 2e295, 0x1p-1030, 1e30])
  }

  private func tensorsOfVeryDifferentSizes<S: BLASScalar>(_: S.Type, sizes: [Double]) throws {
    for p in [0.3, 1.5, 3, 9, 40, 600, 1e5] {
      let gradients = sizes.map { size in (0..<2100).map { $0 == 7 ? S(size) : $0 == 2050 ? S(size / 2) : 0 } }
      let norms = sizes.map { S($0) }.map { Double($0) * Foundation.pow(1 + Foundation.pow(0.5, p), 1 / p) }
      let clipping = try GradientClipping(tensor: .norm(0.5), whole: .norm(0.3), normType: .p(p))
      var run = try EngineRun<S>(
        sizes.map { _ in Array(repeating: 0, count: 2100) }, rule: SGD(learningRate: 1), clipping: clipping)
      let report = try run.step(gradients)
      let clipped = norms.map { min($0, 0.5) }
      let scale = clipped.max()!
      let compared = scale * Foundation.pow(clipped.reduce(0) { $0 + Foundation.pow($1 / scale, p) }, 1 / p)
      let unit = Double(S.ulpOfOne)
      XCTAssertEqual(report.comparedNorm!, compared, accuracy: 1e-14 * compared, "p \(p)")
      for (index, norm) in norms.enumerated() {
        let expected = Double(gradients[index][7]) * min(1, 0.5 / norm) * (0.3 / compared)
        let accuracy = max((4 * unit + 1e-14) * expected, Double(S.leastNonzeroMagnitude))
        XCTAssertEqual(-Double(run.parameters[index][7]), expected, accuracy: accuracy, "p \(p), tensor \(index)")
      }
    }
  }

  /// Under the policy that clears infinities the norm of what is left decides, however small it is.
  func testClearedInfinitiesBesideALargeTensor() throws {
    let clipping = try GradientClipping(tensor: .norm(5), whole: .norm(1), normType: .p(3))
    var run = try EngineRun<Double>([[0, 0], [0]], rule: SGD(learningRate: 1), clipping: clipping, policy: .zero)
    let report = try run.step([[2, .infinity], [2e295]])
    let norm = Foundation.pow(8 + 125, 1.0 / 3)
    XCTAssertEqual(report.comparedNorm!, norm, accuracy: 1e-14 * norm)
    XCTAssertEqual(run.parameters[0][0], -2 / norm, accuracy: 1e-15)
    XCTAssertEqual(run.parameters[1][0], -5 / norm, accuracy: 1e-15)
  }

  /// The tiles of a tensor have scales of their own, and its norm does not depend on where it is cut.
  func testRootsOfElementsThatVanishBesideOthers() throws {
    // For a small p even what is 10^-600 of the largest element counts.
    let x = [1e300, 0] + Array(repeating: 1e-300, count: 4000)
    for p in [0.01, 0.001] {
      let found = try x.withUnsafeBufferPointer { try Gradients.norm(of: $0, type: .p(p)) }
      let sum = Foundation.pow(1e300, p) + 4000 * Foundation.pow(1e-300, p)
      let expected = Foundation.log(sum) / p
      let logarithm =
        Foundation.log(found.scaledNorm.significand) + Double(found.scaledNorm.exponent) * Foundation.log(2)
      XCTAssertEqual(logarithm, expected, accuracy: 1e-12 * expected)
    }
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
