import MomentumTestSupport
import XCTest

@testable import Momentum

/// Matrices with one singular value that is not 0, whose Gram matrices have nothing but rounding elsewhere.
final class LowRankTests: XCTestCase {
  func testRankOneFloat() throws { try rankOne(Float.self) }
  func testRankOneDouble() throws { try rankOne(Double.self) }

  /// `u vᵀ` becomes `p(1)·u vᵀ / (‖u‖ ‖v‖)` with the composed polynomial p, and rounding elsewhere is multiplied by no more
  /// than the slope of p at 0.
  private func rankOne<S: BLASScalar>(_: S.Type) throws {
    var random = SeededGenerator(seed: 1621)
    // So few digits that every product is exact: a rounded one would be a matrix of full rank.
    func vector(_ count: Int) -> [Double] {
      (0..<count).map { _ in Double(Int.random(in: -999...999, using: &random)) }
    }
    for (rows, columns) in [(96, 160), (160, 96), (64, 64)] {
      let (u, v) = (vector(rows), vector(columns))
      let matrix = (0..<rows * columns).map { S(u[$0 / columns] * v[$0 % columns]) }
      let norm = (u.reduce(0) { $0 + $1 * $1 } * v.reduce(0) { $0 + $1 * $1 }).squareRoot()
      for (name, method) in [
        ("jordan", NewtonSchulz.jordan()), ("polarExpress", .polarExpress()),
        ("polarExpress(8)", .polarExpress(steps: 8)),
        ("dion", .dion),
      ] {
        let p = method.steps.reduce(1.0) { $1.value(at: $0) }
        let slope = method.steps.reduce(1.0) { $0 * $1.a }
        let expected = (0..<rows * columns).map { p * u[$0 / columns] * v[$0 % columns] / norm }
        let found = try Matrices.orthogonalized(matrix, rows, columns, method)
        // The norm of what is wrong; that of what is expected is p(1).
        let error = Matrices.distance(found, expected) * p
        XCTAssertLessThan(error, slope * Double(S.ulpOfOne), "\(name), \(rows) x \(columns)")
      }
    }
  }
}
