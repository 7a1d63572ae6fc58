import CMomentumKernels
import MomentumTestSupport
import XCTest

@testable import Momentum

/// The largest magnitude and the sums in Double, each variant against a plain loop: the bits are the same whatever the
/// processor has.
final class MeasureLoopsTests: XCTestCase {
  /// The three functions of one variant and type.
  private struct Variant<S: BLASScalar> {
    let name: String
    let largest: (UnsafePointer<S>, Int) -> S
    let squares: (UnsafePointer<S>, Int) -> Double
    let magnitudes: (UnsafePointer<S>, Int) -> Double
  }

  func testFloat() {
    check(
      Variant<Float>(
        name: "widest", largest: momentum_largest_magnitude_float, squares: momentum_wide_squares_float,
        magnitudes: momentum_wide_magnitudes_float))
    check(
      Variant<Float>(
        name: "baseline", largest: momentum_largest_magnitude_float_baseline,
        squares: momentum_wide_squares_float_baseline, magnitudes: momentum_wide_magnitudes_float_baseline))
  }

  func testDouble() {
    check(
      Variant<Double>(
        name: "widest", largest: momentum_largest_magnitude_double, squares: momentum_wide_squares_double,
        magnitudes: momentum_wide_magnitudes_double))
    check(
      Variant<Double>(
        name: "baseline", largest: momentum_largest_magnitude_double_baseline,
        squares: momentum_wide_squares_double_baseline, magnitudes: momentum_wide_magnitudes_double_baseline))
  }

  private func check<S: BLASScalar>(_ variant: Variant<S>) {
    let special: [S] = [
      0, -0.0, .leastNonzeroMagnitude, -.leastNormalMagnitude, .greatestFiniteMagnitude, -.greatestFiniteMagnitude,
      .infinity, -.infinity, .nan, -.nan,
    ]
    // Every length around the widths of vectors, and places off their boundaries; numbers alone, then with some of the first
    // few of the special ones, at last with all of them.
    for (count, offset) in (0...100).map({ ($0, $0 % 5) }) + [(2048, 0), (2051, 3)] {
      for taken in [0, 4, 6, special.count] {
        var random = SeededGenerator(seed: UInt64(331 + count))
        let numbers: [S] = random.numbers(offset + count)
        let x = numbers.map {
          taken > 0 && Int.random(in: 0..<8, using: &random) == 0
            ? special[..<taken].randomElement(using: &random)! : $0
        }
        let own = x[offset...]
        let what = "\(variant.name) \(S.self), \(count) elements from \(offset) on, \(taken) special ones"
        x.withUnsafeBufferPointer { buffer in
          let start = buffer.baseAddress! + offset
          let largest = own.reduce(S(0)) { $1.isNaN || $0.isNaN ? .nan : max($0, $1.magnitude) }
          expect(Double(variant.largest(start, count)), Double(largest), what)
          expect(variant.squares(start, count), Self.sum(own) { $0 * $0 }, what)
          expect(variant.magnitudes(start, count), Self.sum(own) { $0.magnitude }, what)
        }
      }
    }
  }

  private func expect(_ found: Double, _ expected: Double, _ what: String) {
    XCTAssertTrue(found.isNaN && expected.isNaN || found == expected, "\(what): \(found), expected \(expected)")
  }

  /// Element i goes to lane i mod 32.
  private static func sum<S: BLASScalar>(_ x: ArraySlice<S>, _ term: (Double) -> Double) -> Double {
    var lanes = [Double](repeating: 0, count: 32)
    for (index, value) in x.enumerated() { lanes[index % 32] += term(Double(value)) }
    let eight: [Double] = (0..<8).map {
      let (first, second) = (lanes[$0] + lanes[$0 + 8], lanes[$0 + 16] + lanes[$0 + 24])
      return first + second
    }
    let four: [Double] = (0..<4).map { eight[$0] + eight[$0 + 4] }
    let (even, odd) = (four[0] + four[2], four[1] + four[3])
    return even + odd
  }
}
