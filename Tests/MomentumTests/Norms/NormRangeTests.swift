import Foundation
import Momentum
import MomentumTestSupport
import XCTest

/// Norms and clips over the whole range of exponents, where the squares of the elements have left it.
final class NormRangeTests: XCTestCase {
  func testSpecialValuesFloat() throws { try specialValues(Float.self) }
  func testSpecialValuesDouble() throws { try specialValues(Double.self) }
  func testOneValueAtEveryPlaceFloat() throws { try oneValueAtEveryPlace(Float.self, Double.self) }
  func testOneValueAtEveryPlaceDouble() throws { try oneValueAtEveryPlace(Double.self, Widest.self) }
  func testEveryExponentFloat() throws { try everyExponent(Float.self, Double.self) }
  func testEveryExponentDouble() throws { try everyExponent(Double.self, Widest.self) }
  func testClipsAcrossTheRangeFloat() throws { try clipsAcrossTheRange(Float.self, Double.self) }
  func testClipsAcrossTheRangeDouble() throws { try clipsAcrossTheRange(Double.self, Widest.self) }

  /// SB1NRM2 and DB1NRM2 of LAPACK 3.12, on vectors around our tiles.
  private func specialValues<S: BLASScalar>(_: S.Type) throws {
    let ulp = S.ulpOfOne
    let minimum = S.leastNormalMagnitude
    // As la_constants and the test program derive them.
    let small = minimum / ulp
    let values: [S] = [0, 2 * minimum, small, ulp, 1, 1 / ulp, 1 / small, 1 / (2 * minimum), .infinity, .nan]
    for n in [1, 2, 3, 4, 2047, 2048 + 33] {
      var random = SeededGenerator(seed: UInt64(n))
      let shape: [S] = random.numbers(n - 1)
      let sum = shape.reduce(0.0) { $0 + Double($1) * Double($1) }
      for first in values {
        for other in values {
          let v0 = first > 1 ? first / 2 : first
          let v1 = other > 1 ? other * S(0.5 / Double(n).squareRoot()) : other
          let x = [v0] + shape.map { v1 * $0 }
          let y = [Widest(v0), n == 1 ? 0 : Widest(v1) * Widest(sum.squareRoot())]
          let expected = ReferenceNorm.norm(y, order: 2)
          for algorithm in NormAlgorithm.allCases {
            let found = try norm([x], algorithm: algorithm).norm
            // The published rule: ten units times n, relative. Ours is no wider for long vectors.
            let allowed = 10 * Double(min(n, 8)) * Double(ulp)
            let name = "n \(n), \(first), \(other), \(algorithm)"
            if expected.isNaN || expected.isInfinite {
              XCTAssertTrue(expected.isNaN ? found.isNaN : found == .infinity, name)
            } else {
              XCTAssertEqual(found, Double(expected), accuracy: allowed * Double(expected), name)
            }
          }
        }
      }
    }
  }

  /// Every special value at the first, last and seam positions, on backgrounds of every size.
  private func oneValueAtEveryPlace<S: BLASScalar, Wide: WideFloat>(_: S.Type, _: Wide.Type) throws {
    // Where squares overflow and underflow, with neighbours.
    let root = S.greatestFiniteMagnitude.squareRoot()
    let least = S.leastNormalMagnitude.squareRoot()
    let values: [S] = [
      0, -0.0, .leastNonzeroMagnitude, S.leastNormalMagnitude.nextDown, .leastNormalMagnitude, least.nextDown, least,
      root, root.nextUp, -.greatestFiniteMagnitude,
    ]
    let places = Array(0..<32) + [2046, 2047, 2048, 2080, 2090]
    for background: S in [0, 1, least, root / 64] {
      for (turn, value) in values.enumerated() {
        // All places over the values; a third of them for each.
        for place in places where (place + turn) % 3 == 0 {
          var x = [S](repeating: background, count: 2091)
          x[place] = value
          for (type, algorithm) in [
            (NormType.l2, NormAlgorithm.blas), (.l2, .portable), (.l1, .blas), (.infinity, .blas),
          ] {
            let rest = Wide(2090)
            let (b, v) = (Wide(background), Wide(value).magnitude)
            let expected: Wide =
              switch type {
              case .l1: b * rest + v
              case .infinity: max(b, v)
              default: ReferenceNorm.norm([b * rest.squareRoot(), v], order: 2)
              }
            let found = try norm([x], type: type, algorithm: algorithm)
            let bound = AccuracyBounds.norm(type, S.self) * AccuracyBounds.unit(S.self) + 2 * Double.ulpOfOne
            check(found, expected, bound, "\(value) at \(place) on \(background), \(type), \(algorithm)")
          }
        }
      }
    }
  }

  private func check<Wide: WideFloat>(_ found: NormReport, _ expected: Wide, _ bound: Double, _ name: String) {
    // Compared without limit of range: a norm may exceed Double.
    let scale = expected == 0 ? 0 : Int(expected.exponent)
    let unscaled = ScaledDouble(found.scaledNorm.significand, exponent: found.scaledNorm.exponent - scale).double
    let reference = Double(expected / Wide(sign: .plus, exponent: Wide.Exponent(scale), significand: 1))
    XCTAssertEqual(unscaled, reference, accuracy: bound * reference, name)
    XCTAssertEqual(found.overflowed, Double(expected).isInfinite, name)
  }

  private func everyExponent<S: BLASScalar, Wide: WideFloat>(_: S.Type, _: Wide.Type) throws {
    let range = S.leastNonzeroMagnitude.exponent...S.greatestFiniteMagnitude.exponent
    var random = SeededGenerator(seed: 61)
    for type in [NormType.l2, .l1, .infinity, .p(3), .p(2.5), .p(0.5)] {
      for step in 0..<24 {
        // A window of exponents that walks from subnormal to almost infinite, and the whole range.
        let low = range.lowerBound + step * (range.count - 20) / 23
        let window = step % 6 == 5 ? range : low...min(low + 19, range.upperBound)
        let x: [S] = random.numbers(100, exponents: window)
        let expected = ReferenceNorm.norm(x.map { Wide($0) }, order: type.order)
        let bound = AccuracyBounds.norm(type, S.self) * AccuracyBounds.unit(S.self) + 4 * Double.ulpOfOne
        check(try norm([x], type: type), expected, bound, "\(type), exponents \(window)")
        if type == .l2 {
          check(try norm([x], algorithm: .portable), expected, 2 * Double.ulpOfOne, "portable, exponents \(window)")
        }
      }
    }
  }

  private func clipsAcrossTheRange<S: BLASScalar, Wide: WideFloat>(_: S.Type, _: Wide.Type) throws {
    let top = S.greatestFiniteMagnitude
    // One giant among dwarfs; a norm beyond the type; all that is near underflow.
    let gradients: [[S]] = [
      [S](repeating: top, count: 70), [top, 1, -1, S.leastNormalMagnitude] + [S](repeating: -0.5, count: 66),
      [S](repeating: .leastNormalMagnitude * 1024, count: 70), [S](repeating: -top / 2, count: 2100),
    ]
    for gradient in gradients {
      let wide = gradient.map { Wide($0) }
      let n = ReferenceNorm.norm(wide, order: 2)
      for share in [0.5, 0x1p-20] {
        // What a limit of this share of the norm, itself a Double, makes of each element.
        let limit = Double(min(n, Wide(Double.greatestFiniteMagnitude)) * Wide(share))
        let clipping = try GradientClipping.byGlobalNorm(limit)
        let expected = wide.map { $0 * (Wide(limit) / n) }
        let (elements, report) = try clipped([gradient], by: clipping)
        XCTAssertEqual(report.normOverflowed, Double(n).isInfinite)
        XCTAssertTrue(report.wasClipped)
        XCTAssertEqual(report.nonFiniteCount, 0)
        let bound = AccuracyBounds.clip(clipping, S.self) + 2
        for (i, element) in elements[0].enumerated() where expected[i].magnitude >= Wide(S.leastNormalMagnitude) {
          let error = Double(((Wide(element) - expected[i]) / expected[i]).magnitude)
          XCTAssertLessThanOrEqual(error / AccuracyBounds.unit(S.self), bound, "\(gradient[i]) to \(limit)")
        }
        // A step does the same without writing the gradient.
        var run = try EngineRun([gradient.map { _ in S(0) }], rule: SGD(learningRate: 1), clipping: clipping)
        try run.step([gradient])
        for (element, parameter) in zip(elements[0], run.parameters[0]) where element.isNormal {
          XCTAssertEqual(Double(parameter), -Double(element), accuracy: 4 * Double(element.ulp))
        }
      }
    }
  }

  func testTheSmallestNormsThereAre() throws {
    for algorithm in NormAlgorithm.allCases {
      XCTAssertEqual(try norm([[Double.leastNonzeroMagnitude]], algorithm: algorithm).norm, .leastNonzeroMagnitude)
      XCTAssertEqual(
        try norm([[Float.leastNonzeroMagnitude]], algorithm: algorithm).norm, Double(Float.leastNonzeroMagnitude))
      XCTAssertEqual(
        try norm([[Double](repeating: .leastNonzeroMagnitude, count: 4)], algorithm: algorithm).norm,
        2 * .leastNonzeroMagnitude)
    }
    let (elements, report) = try clipped(
      [[Double](repeating: .leastNonzeroMagnitude * 8, count: 4)], by: .byGlobalNorm(.leastNonzeroMagnitude * 8))
    XCTAssertEqual(report.clipCoefficient, 0.5)
    XCTAssertEqual(elements, [[Double](repeating: .leastNonzeroMagnitude * 4, count: 4)])
  }

  func testTensorNormsOfAnyOrderReachTheSumOfPowers() throws {
    // The powers of what is left of a tensor may be far smaller than any square.
    let clipping = try GradientClipping(tensor: .norm(1e-60), whole: .norm(1), normType: .p(50))
    let (elements, report) = try clipped([[1.0, 1]], by: clipping)
    XCTAssertEqual(elements[0][0], 1e-60 / pow(2, 1.0 / 50), accuracy: 1e-72)
    XCTAssertEqual(report.clipCoefficient, 1)
  }
}
