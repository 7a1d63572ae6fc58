import MomentumTestSupport
import XCTest

@testable import Momentum

/// Which matrices take restarts, and that nothing but the matrix decides it.
final class RestartTests: XCTestCase {
  private static let methods = [NewtonSchulz.jordan(), .dion, .polarExpress(), .polarExpress(steps: 8)].map {
    var method = $0
    method.restartUse = .whereNeeded
    return method
  }

  func testFactorsWhoseRestartsMendMoreTakeThemAlways() {
    XCTAssertEqual(
      [
        NewtonSchulz.jordan(), .dion, .jordan(restarts: [1]), .polarExpress(),
        NewtonSchulz([NewtonSchulz.Step(1, 0, 0)]),
      ]
      .map(\.restartUse), [.whereNeeded, .whereNeeded, .always, .always, .always])
  }

  private func restarts<S: BLASScalar>(
    _ x: [S], _ rows: Int, _ columns: Int, _ method: NewtonSchulz = .jordan(), threads: Int? = nil
  ) throws -> (count: Int, matrix: [S]) {
    var x = x
    let count = try x.withUnsafeMutableBufferPointer {
      try method.orthogonalizeCountingRestarts(
        BLAS.MutableMatrix($0.baseAddress, rows: rows, columns: columns), threads: threads)
    }
    return (count, x)
  }

  /// A matrix with orthogonal rows, all but the last of norm 1.
  private func apart<S: BLASScalar>(_ rows: Int, _ columns: Int, square: Double) -> [S] {
    (0..<rows * columns).map { place in
      guard place % columns == 2 * (place / columns) else { return 0 }
      return place / columns + 1 < rows ? 1 : S(square.squareRoot())
    }
  }

  // MARK: - The decision

  func testRandomNumbersNeedNoneFloat() throws { try randomNumbersNeedNone(Float.self) }
  func testRandomNumbersNeedNoneDouble() throws { try randomNumbersNeedNone(Double.self) }

  private func randomNumbersNeedNone<S: BLASScalar>(_: S.Type) throws {
    var random = SeededGenerator(seed: 1530)
    for (rows, columns) in [(1, 65), (5, 80), (63, 252), (64, 256), (400, 100), (129, 600), (65, 195)] {
      let x: [S] = random.numbers(rows * columns)
      for method in Self.methods {
        var without = method
        without.restarts = []
        let found = try restarts(x, rows, columns, method)
        XCTAssertEqual(found.count, 0, "\(rows) × \(columns)")
        assertSameBits(try Matrices.orthogonalized(x, rows, columns, without), found.matrix)
        // Whoever lists them gets them.
        let listed = NewtonSchulz(method.steps, restarts: method.restarts)
        XCTAssertEqual(try restarts(x, rows, columns, listed).count, method.restarts.count)
      }
    }
  }

  func testOthersTakeThemFloat() throws { try othersTakeThem(Float.self) }
  func testOthersTakeThemDouble() throws { try othersTakeThem(Double.self) }

  /// Matrices with a row of zeros, with a row twice, with a large mean, with rows that become smaller and smaller, of rank 1,
  /// and those that are less than twice as long as wide.
  private func othersTakeThem<S: BLASScalar>(_: S.Type) throws {
    var random = SeededGenerator(seed: 1531)
    func expect(_ x: [S], _ rows: Int, _ columns: Int, _ name: String) throws {
      for method in Self.methods {
        let found = try restarts(x, rows, columns, method)
        XCTAssertEqual(found.count, method.restarts.count, "\(name), \(rows) × \(columns)")
        var always = method
        always.restartUse = .always
        assertSameBits(try Matrices.orthogonalized(x, rows, columns, always), found.matrix, name)
      }
    }
    for (rows, columns) in [(9, 70), (64, 256), (130, 400)] {
      let x: [S] = random.numbers(rows * columns)
      func changed(_ body: (_ row: Int, _ column: Int) -> S) -> [S] {
        (0..<rows * columns).map { body($0 / columns, $0 % columns) }
      }
      try expect(changed { $0 == rows / 2 ? 0 : x[$0 * columns + $1] }, rows, columns, "a row of zeros")
      try expect(changed { x[($0 == rows - 1 ? 0 : $0) * columns + $1] }, rows, columns, "a row twice")
      try expect(changed { 3 + x[$0 * columns + $1] }, rows, columns, "a large mean")
      try expect(changed { x[$0 * columns + $1] / S(1 << min($0, 20)) }, rows, columns, "falling rows")
      try expect(changed { x[$0] * x[$1] }, rows, columns, "rank 1")
    }
    try expect(random.numbers(100 * 199), 100, 199, "random numbers")
    XCTAssertEqual(try restarts(random.numbers(70 * 70) as [S], 70, 70).count, 4)
    XCTAssertEqual(try restarts([S](repeating: 0, count: 70 * 280), 70, 280).count, 0)
    XCTAssertEqual(try restarts([S](repeating: .nan, count: 70 * 280), 70, 280).count, 0)
  }

  func testBothWaysAreAccurateWhereTheyMeetFloat() throws { try meeting(Float.self, within: 4e-6) }
  func testBothWaysAreAccurateWhereTheyMeetDouble() throws { try meeting(Double.self, within: 1e-14) }

  /// An eigenvalue just above an eighth of the largest, and one just below.
  private func meeting<S: BLASScalar>(_: S.Type, within bound: Double) throws {
    for (rows, columns) in [(3, 70), (64, 128), (100, 250)] {
      for (square, isRestarted) in [(0.1251, false), (0.1249, true)] {
        let x: [S] = apart(rows, columns, square: square)
        for method in Self.methods {
          let found = try restarts(x, rows, columns, method)
          XCTAssertEqual(found.count, isRestarted ? method.restarts.count : 0, "\(rows) × \(columns), \(square)")
          let norm = (Double(rows) - 1 + square).squareRoot()
          let expected = x.map { method.value(at: Double($0) / norm) }
          XCTAssertLessThan(Matrices.distance(found.matrix, expected), bound, "\(rows) × \(columns), \(square)")
        }
      }
    }
  }

  // MARK: - What does not decide

  func testNothingElseDecidesFloat() throws { try nothingElseDecides(Float.self, powers: [-140, -60, 1, 120]) }
  func testNothingElseDecidesDouble() throws { try nothingElseDecides(Double.self, powers: [-1060, -500, 1, 1000]) }

  /// Transposition, powers of two and the number of threads, on both sides of where the ways part. The numbers have few
  /// digits, so that they are exact among subnormal numbers too.
  private func nothingElseDecides<S: BLASScalar>(_: S.Type, powers: [Int]) throws {
    var random = SeededGenerator(seed: 1532)
    for (rows, columns, last, isRestarted) in [(130, 400, 1, false), (130, 400, 4, true), (64, 200, 1, false)] {
      // The last row is a part of the others.
      let x = (0..<rows * columns).map { place in
        S(Int.random(in: -31...31, using: &random) / (place / columns + 1 < rows ? 1 : last))
      }
      let expected = try restarts(x, rows, columns, threads: 1)
      XCTAssertEqual(expected.count, isRestarted ? 1 : 0)
      for power in powers {
        let scaled = x.map {
          S(sign: .plus, exponent: power / 2, significand: $0)
            * S(sign: .plus, exponent: power - power / 2, significand: 1)
        }
        let found = try restarts(scaled, rows, columns)
        XCTAssertEqual(found.count, expected.count)
        assertSameBits(expected.matrix, found.matrix, "2^\(power)")
      }
      let other = try restarts(Matrices.transposed(x, rows, columns), columns, rows)
      XCTAssertEqual(other.count, expected.count)
      assertSameBits(expected.matrix, Matrices.transposed(other.matrix, columns, rows))
      for threads in 2...8 {
        try ThreadTeam.withWorthwhileCount(1) {
          let found = try restarts(x, rows, columns, threads: threads)
          XCTAssertEqual(found.count, expected.count)
          assertSameBits(expected.matrix, found.matrix, "\(threads) threads")
        }
      }
    }
  }
}
