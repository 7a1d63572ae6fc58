import CMomentumKernels
import MomentumTestSupport
import XCTest

@testable import Momentum

/// Sums, Cholesky factors and triangular solves of tiles, each variant against plain loops: the bits are the same whatever the
/// processor has.
final class TileFactorsTests: XCTestCase {
  /// The three functions of one variant and type.
  private struct Variant<S: BLASScalar> {
    let name: String
    let combine: (S, UnsafeMutablePointer<S>, S, UnsafePointer<S>, Int) -> Void
    let factorize: (UnsafeMutablePointer<S>, Int) -> Int32
    let solve: (UnsafePointer<S>, Int, UnsafeMutablePointer<S>, Int) -> Void
  }

  func testFloat() {
    check(
      Variant<Float>(
        name: "widest", combine: momentum_combine_tiles_float, factorize: momentum_factorize_tile_float,
        solve: momentum_solve_tile_float))
    check(
      Variant<Float>(
        name: "baseline", combine: momentum_combine_tiles_float_baseline,
        factorize: momentum_factorize_tile_float_baseline, solve: momentum_solve_tile_float_baseline))
  }

  func testDouble() {
    check(
      Variant<Double>(
        name: "widest", combine: momentum_combine_tiles_double, factorize: momentum_factorize_tile_double,
        solve: momentum_solve_tile_double))
    check(
      Variant<Double>(
        name: "baseline", combine: momentum_combine_tiles_double_baseline,
        factorize: momentum_factorize_tile_double_baseline, solve: momentum_solve_tile_double_baseline))
  }

  private func check<S: BLASScalar>(_ variant: Variant<S>) {
    var random = SeededGenerator(seed: 161)
    for n in Array(1...20) + [31, 32, 33, 63, 64] {
      let what = "\(variant.name) \(S.self), \(n) rows"
      let half: [S] = random.numbers(n * n)
      // Symmetric, and with so much on the diagonal that there is a factor.
      let matrix = (0..<n * n).map { place -> S in
        let (i, j) = place.quotientAndRemainder(dividingBy: n)
        return i == j ? S(4 * n) : half[max(i, j) * n + min(i, j)]
      }
      var factor = matrix
      XCTAssertNotEqual(variant.factorize(&factor, n), 0, what)
      let expected = Self.factor(matrix, n)
      XCTAssertEqual(Self.upper(factor, n), Self.upper(expected, n), what)

      for columns in [1, 7, 8, 31, 32, 33, 63, 64] {
        let x: [S] = random.numbers(n * columns)
        let solution = GuardedMemory(x, shift: columns % 5)
        variant.solve(expected, n, solution.buffer.baseAddress!, columns)
        XCTAssertEqual(Array(solution.buffer), Self.solved(expected, n, x, columns), "\(what), \(columns) columns")
        XCTAssertTrue(solution.guardsAreIntact, what)
      }

      let (a, b): (S, S) = (0.3, -1.7)
      let (x, y): ([S], [S]) = (random.numbers(n * n), random.numbers(n * n))
      var sum = y
      variant.combine(a, &sum, b, x, n * n)
      XCTAssertEqual(sum, zip(x, y).map { a * $1 + b * $0 }, what)
    }
  }

  func testWithoutAFactor() {
    func expectNone<S: BLASScalar>(_ factorize: (UnsafeMutablePointer<S>, Int) -> Int32, _: S.Type) {
      for place in [0, 3, 8] {
        for value in [S(0), -1, .nan] {
          var matrix = (0..<81).map { S($0 % 10 == 0 ? 1 : 0) }
          matrix[place * 10] = value
          XCTAssertEqual(factorize(&matrix, 9), 0, "\(value) at \(place)")
        }
      }
    }
    expectNone(momentum_factorize_tile_float, Float.self)
    expectNone(momentum_factorize_tile_float_baseline, Float.self)
    expectNone(momentum_factorize_tile_double, Double.self)
    expectNone(momentum_factorize_tile_double_baseline, Double.self)
  }

  // MARK: Plain loops

  /// What lies above the diagonal, and on it.
  private static func upper<S>(_ matrix: [S], _ n: Int) -> [S] {
    (0..<n * n).filter { $0 / n <= $0 % n }.map { matrix[$0] }
  }

  private static func factor<S: BLASScalar>(_ matrix: [S], _ n: Int) -> [S] {
    var a = matrix
    for q in 0..<n {
      a[q * n + q] = a[q * n + q].squareRoot()
      for j in q + 1..<max(n, q + 1) { a[q * n + j] /= a[q * n + q] }
      for p in q + 1..<max(n, q + 1) {
        for j in p..<n {
          let product = a[q * n + p] * a[q * n + j]
          a[p * n + j] -= product
        }
      }
    }
    return a
  }

  private static func solved<S: BLASScalar>(_ u: [S], _ n: Int, _ right: [S], _ columns: Int) -> [S] {
    var x = right
    for p in 0..<n {
      for j in 0..<columns {
        for q in 0..<p {
          let product = u[q * n + p] * x[q * columns + j]
          x[p * columns + j] -= product
        }
        x[p * columns + j] /= u[p * n + p]
      }
    }
    return x
  }
}
