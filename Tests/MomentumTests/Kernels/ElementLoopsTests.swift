import CMomentumKernels
import MomentumTestSupport
import XCTest

@testable import Momentum

/// The loops in C, each variant against a plain loop: the bits are the same whatever the processor has.
final class ElementLoopsTests: XCTestCase {
  /// The three functions of one variant and type.
  private struct Variant<Scalar: BLASScalar> {
    let name: String
    let clamp: (UnsafePointer<Scalar>, Scalar, Scalar, UnsafeMutablePointer<Scalar>, Int) -> Void
    let clampCounting: (UnsafePointer<Scalar>, Scalar, Scalar, UnsafeMutablePointer<Scalar>, Int) -> Int
    let clearNonFinite: (UnsafePointer<Scalar>, UnsafeMutablePointer<Scalar>, Int) -> Void
  }

  func testFloat() {
    check(
      Variant<Float>(
        name: "widest", clamp: momentum_clamp_float, clampCounting: momentum_clamp_counting_float,
        clearNonFinite: momentum_clear_nonfinite_float))
    check(
      Variant<Float>(
        name: "baseline", clamp: momentum_clamp_float_baseline,
        clampCounting: momentum_clamp_counting_float_baseline, clearNonFinite: momentum_clear_nonfinite_float_baseline))
  }

  func testDouble() {
    check(
      Variant<Double>(
        name: "widest", clamp: momentum_clamp_double, clampCounting: momentum_clamp_counting_double,
        clearNonFinite: momentum_clear_nonfinite_double))
    check(
      Variant<Double>(
        name: "baseline", clamp: momentum_clamp_double_baseline,
        clampCounting: momentum_clamp_counting_double_baseline,
        clearNonFinite: momentum_clear_nonfinite_double_baseline))
  }

  private func check<Scalar: BLASScalar>(_ variant: Variant<Scalar>) {
    let least = Scalar.leastNonzeroMagnitude, largest = Scalar.greatestFiniteMagnitude
    for (lower, upper) in [
      (-0.5, 0.25), (0, 0), (-least, least), (-largest, largest), (-.infinity, .infinity), (-.infinity, 1), (2, 3),
    ] as [(Scalar, Scalar)] {
      // Every length around the widths of vectors, and places off their boundaries.
      for (count, offset) in (0...70).map({ ($0, $0 % 5) }) + [(2047, 1), (2048, 0), (2051, 3)] {
        check(variant, lower, upper, count, offset)
      }
    }
  }

  private func check<Scalar: BLASScalar>(
    _ variant: Variant<Scalar>, _ lower: Scalar, _ upper: Scalar, _ count: Int, _ offset: Int
  ) {
    var random = SeededGenerator(seed: UInt64(97 + count))
    let special: [Scalar] = [
      .nan, -.nan, .infinity, -.infinity, 0, -0.0, lower, upper, lower.nextUp, lower.nextDown, upper.nextUp,
      upper.nextDown, .leastNonzeroMagnitude, -.leastNonzeroMagnitude, .greatestFiniteMagnitude,
      -.greatestFiniteMagnitude,
    ]
    let numbers: [Scalar] = random.numbers(offset + count)
    let x = numbers.indices.map { $0 % 3 == 0 ? special[($0 / 3) % special.count] : numbers[$0] }
    let what = "\(variant.name) \(Scalar.self), \(count) elements from \(offset) on, \(lower)...\(upper)"

    let clamped = x.map { $0 < lower ? lower : $0 > upper ? upper : $0 }
    let changed = x[offset...].count { $0 < lower || $0 > upper }
    expect(x, offset, clamped, what) { variant.clamp($0, lower, upper, $1, count) }
    expect(x, offset, clamped, what) {
      XCTAssertEqual(variant.clampCounting($0, lower, upper, $1, count), changed, what)
    }
    expect(x, offset, x.map { $0.isFinite ? $0 : 0 }, what) { variant.clearNonFinite($0, $1, count) }
  }

  /// Runs a loop into other memory and in place; elements in front and behind must stay what they are.
  private func expect<Scalar: BLASScalar>(
    _ x: [Scalar], _ offset: Int, _ expected: [Scalar], _ what: String,
    _ loop: (UnsafePointer<Scalar>, UnsafeMutablePointer<Scalar>) -> Void
  ) {
    let guarded = x + [7]
    let wanted = Array(x[..<offset]) + Array(expected[offset...]) + [7]
    var (other, same) = (guarded, guarded)
    for index in offset..<x.count { other[index] = 42 }
    guarded.withUnsafeBufferPointer { from in
      other.withUnsafeMutableBufferPointer { loop(from.baseAddress! + offset, $0.baseAddress! + offset) }
    }
    same.withUnsafeMutableBufferPointer { loop($0.baseAddress! + offset, $0.baseAddress! + offset) }
    func isWanted(_ y: [Scalar]) -> Bool {
      zip(y, wanted).allSatisfy { $0.isNaN && $1.isNaN || ($0 == $1 && $0.sign == $1.sign) }
    }
    XCTAssertTrue(isWanted(other), "\(what): \(other)")
    XCTAssertTrue(isWanted(same), "\(what), in place: \(same)")
  }
}
