import Momentum
import MomentumTestSupport
import XCTest

/// Clips whose results are worked out by hand.
final class ClipTableTests: XCTestCase {
  func testThreeFourToNormOne() throws {
    for convention in [Convention.native, .keras, .optax] {
      try check([[3, 4]], .byGlobalNorm(1), convention, [[0.6, 0.8]], coefficient: 0.2)
    }
    for convention in [Convention.pytorch, .mlx] {
      try check(
        [[3, 4]], .byGlobalNorm(1), convention, [[0.599999880000024, 0.799999840000032]], coefficient: 1 / 5.000001)
    }
  }

  func testANormEqualToTheLimit() throws {
    for convention in [Convention.native, .optax] {
      try check([[3, 4]], .byGlobalNorm(5), convention, [[3, 4]], coefficient: 1)
    }
    for convention in [Convention.pytorch, .mlx] {
      try check(
        [[3, 4]], .byGlobalNorm(5), convention, [[2.99999940000012, 3.99999920000016]], coefficient: 5 / 5.000001)
    }
  }

  func testATinyNormBelowATinyLimit() throws {
    try check([[3e-9, 4e-9]], .byGlobalNorm(1e-8), .native, [[3e-9, 4e-9]], coefficient: 1)
    let report = try clipped([[3e-9, 4e-9]], by: .byGlobalNorm(1e-8), convention: .pytorch).report
    XCTAssertEqual(report.clipCoefficient, 0.00995, accuracy: 5e-6)
    // mlx leaves alone what is below the limit, and adds its epsilon to the rest.
    try check([[3e-9, 4e-9]], .byGlobalNorm(1e-8), .mlx, [[3e-9, 4e-9]], coefficient: 1)
  }

  func testTwoTensorsTogetherAndOnTheirOwn() throws {
    try check([[3, 4], [12]], .byGlobalNorm(6.5), .native, [[1.5, 2], [6]], coefficient: 0.5)
    try check([[3, 4], [12]], .byNorm(6), .native, [[3, 4], [6]], coefficient: 1)
  }

  func testAllThreeClipsTogether() throws {
    let clipping = try GradientClipping(value: -4...4, tensor: .norm(4), whole: .norm(2.5))
    let report = try check([[3, 40], [3]], clipping, .native, [[1.2, 1.6], [1.5]], coefficient: 0.5)
    assertClose(1618.0.squareRoot(), report.totalNorm!, ulps: AccuracyBounds.handTable)
    XCTAssertEqual(report.comparedNorm, 5)
    XCTAssertEqual(report.valueClippedCount, 1)
  }

  /// A tile whose norm is below the bounds needs no look at its elements; one of a single element is the closest case.
  func testElementsAtTheBoundsAreCounted() throws {
    for scale in [Float(1), 1e-18, 0x1p-140, 1e18] {
      for place in [0, 2047, 2048, 4999] {
        for sign in [Float(1), -1] {
          var elements = [Float](repeating: 0, count: 5000)
          elements[place] = sign * 3 * scale
          for (bounds, count) in [
            (3 * scale, 0), ((3 * scale).nextUp, 0), ((3 * scale).nextDown, 1), (3.1 * scale, 0), (2.9 * scale, 1),
          ] {
            for algorithm in NormAlgorithm.allCases {
              var clipped = elements
              let clipping = try GradientClipping(
                value: -Double(bounds)...Double(bounds), whole: .norm(.infinity), algorithm: algorithm)
              let report = try clipped.withUnsafeMutableBufferPointer { try Gradients.clip([$0], by: clipping) }
              XCTAssertEqual(report.valueClippedCount, count, "\(scale), \(place), \(bounds), \(algorithm)")
              XCTAssertEqual(clipped[place], count == 0 ? elements[place] : sign * bounds)
            }
          }
        }
      }
    }
    // Bounds that leave out 0 change elements that are smaller than they are.
    var zeros = [Float](repeating: 0, count: 70)
    let report = try zeros.withUnsafeMutableBufferPointer {
      try Gradients.clip([$0], by: GradientClipping(value: 1...5, whole: .norm(.infinity)))
    }
    XCTAssertEqual(report.valueClippedCount, 70)
    XCTAssertEqual(zeros, [Float](repeating: 1, count: 70))
  }

  func testClipByValueLetsNaNPass() throws {
    let gradient: [[Double]] = [[1, -3, .nan, .infinity, -.infinity]]
    let (elements, report) = try clipped(gradient, by: .byValue(2), policy: .propagate)
    XCTAssertTrue(elements[0][2].isNaN)
    XCTAssertEqual([0, 1, 3, 4].map { elements[0][$0] }, [1, -2, 2, -2])
    XCTAssertEqual(report.valueClippedCount, 3)
    XCTAssertEqual(report.nanCount, 1)
    XCTAssertEqual(report.infinityCount, 2)
    XCTAssertEqual(report.nonFiniteCount, 3)
  }

  func testTheNormsOfThreeAndMinusFour() throws {
    let rows: [(NormType, Double)] = [
      (.l1, 7), (.infinity, 4), (.p(3), 4.497941445275415), (.p(0), 2), (.l2, 5), (.p(1), 7), (.p(2), 5),
      (.p(.infinity), 4),
    ]
    for (type, expected) in rows {
      assertClose(expected, try norm([[3.0, -4]], type: type).norm, ulps: AccuracyBounds.handTable, "\(type) Double")
      assertClose(expected, try norm([[Float(3), -4]], type: type).norm, ulps: AccuracyBounds.handTable, "\(type)")
    }
  }

  func testSquaresBeyondTheRange() throws {
    let root = 0.5.squareRoot()
    assertClose([root, root], try clipped([[Float(1e30), 1e30]], by: .byGlobalNorm(1)).elements[0], ulps: 1)
    assertClose([root, root], try clipped([[1e200, 1e200]], by: .byGlobalNorm(1)).elements[0], ulps: 2)
  }

  func testACoefficientBelowTheRange() throws {
    let (elements, report) = try clipped([[Float](repeating: 3e38, count: 4)], by: .byGlobalNorm(6))
    assertClose([3.0, 3, 3, 3], elements[0], ulps: 1)
    XCTAssertEqual(report.totalNorm!, 6e38, accuracy: 1e32)
    XCTAssertFalse(report.normOverflowed, "6e38 is no overflow in Double")
    XCTAssertTrue(report.wasClipped)
  }

  @discardableResult
  private func check(
    _ gradients: [[Double]], _ clipping: GradientClipping, _ convention: Convention, _ expected: [[Double]],
    coefficient: Double, line: UInt = #line
  ) throws -> ClipReport {
    let (elements, report) = try clipped(gradients, by: clipping, convention: convention)
    for (index, tensor) in expected.enumerated() {
      assertClose(tensor, elements[index], ulps: AccuracyBounds.handTable, "\(convention)", line: line)
    }
    assertClose(coefficient, report.clipCoefficient, ulps: AccuracyBounds.handTable, "\(convention)", line: line)
    XCTAssertEqual(report.wasClipped, elements != gradients, line: line)
    return report
  }
}
