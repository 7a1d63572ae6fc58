import CMomentumKernels
import MomentumTestSupport
import XCTest

@testable import Momentum

/// The loops of rules that are not linear in the gradient, each variant against a plain loop: the bits are the same whatever
/// the processor has.
final class MomentLoopsTests: XCTestCase {
  /// The three functions of one variant and type.
  private struct Variant<S: BLASScalar> {
    let name: String
    let sign: (UnsafeMutablePointer<S>, Int) -> Void
    let averageSquares: (S, S, UnsafePointer<S>, UnsafeMutablePointer<S>, Int) -> Void
    let divideByRoot: (S, UnsafePointer<S>, UnsafeMutablePointer<S>, Int) -> Void
  }

  func testFloat() {
    check(
      Variant<Float>(
        name: "widest", sign: momentum_sign_float, averageSquares: momentum_average_squares_float,
        divideByRoot: momentum_divide_by_root_float))
    check(
      Variant<Float>(
        name: "baseline", sign: momentum_sign_float_baseline, averageSquares: momentum_average_squares_float_baseline,
        divideByRoot: momentum_divide_by_root_float_baseline))
  }

  func testDouble() {
    check(
      Variant<Double>(
        name: "widest", sign: momentum_sign_double, averageSquares: momentum_average_squares_double,
        divideByRoot: momentum_divide_by_root_double))
    check(
      Variant<Double>(
        name: "baseline", sign: momentum_sign_double_baseline,
        averageSquares: momentum_average_squares_double_baseline,
        divideByRoot: momentum_divide_by_root_double_baseline))
  }

  private func check<S: BLASScalar>(_ variant: Variant<S>) {
    let special: [S] = [
      0, -0.0, .infinity, -.infinity, .leastNonzeroMagnitude, -.leastNonzeroMagnitude, .greatestFiniteMagnitude,
      .leastNormalMagnitude, .nan, 1, -1,
    ]
    // Every length around the widths of vectors, and places off their boundaries.
    for (count, offset) in (0...70).map({ ($0, $0 % 5) }) + [(2048, 0), (2051, 3)] {
      var random = SeededGenerator(seed: UInt64(131 + count))
      func vector() -> [S] {
        let numbers: [S] = random.numbers(offset + count + 1)
        return numbers.map {
          Int.random(in: 0..<4, using: &random) == 0 ? special.randomElement(using: &random)! : $0
        }
      }
      let (x, y) = (vector(), vector())
      let what = "\(variant.name) \(S.self), \(count) elements from \(offset) on"
      func expect(_ element: (S, S) -> S, _ loop: (UnsafePointer<S>, UnsafeMutablePointer<S>) -> Void) {
        var found = y
        x.withUnsafeBufferPointer { x in
          found.withUnsafeMutableBufferPointer { loop(x.baseAddress! + offset, $0.baseAddress! + offset) }
        }
        for index in y.indices {
          let isInside = index >= offset && index < offset + count
          let wanted = isInside ? element(x[index], y[index]) : y[index]
          // Which of two NaNs goes on is not said.
          XCTAssert(
            found[index] == wanted && found[index].sign == wanted.sign || found[index].isNaN && wanted.isNaN,
            "\(what): \(found[index]) at \(index) of \(x[index]), \(y[index]); expected \(wanted)")
        }
      }
      expect({ $1.isNaN ? $1 : $1 > 0 ? 1 : $1 < 0 ? -1 : 0 }) { variant.sign($1, count) }
      for (decay, factor) in [(0.999, 0.03), (0, 1), (1, -0x1p-20)] as [(S, S)] {
        expect({ decay * $1 + (factor * $0) * (factor * $0) }) { variant.averageSquares(decay, factor, $0, $1, count) }
      }
      for epsilon in [1e-8, 0, 1] as [S] {
        expect({ $1 / ($0.squareRoot() + epsilon) }) { variant.divideByRoot(epsilon, $0, $1, count) }
      }
    }
  }
}
