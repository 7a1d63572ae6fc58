import MomentumTestSupport
import XCTest

@testable import Momentum

/// The spectral norm where it is known, and its parts.
final class SpectralNormTests: XCTestCase {
  private func norm<S: BLASScalar>(
    _ x: [S], _ rows: Int, _ columns: Int, tolerance: Double = 1e-6, threads: Int? = nil
  ) throws -> SpectralNorm {
    try x.withUnsafeBufferPointer {
      try Gradients.spectralNorm(
        of: BLAS.Matrix($0.baseAddress, rows: rows, columns: columns), tolerance: tolerance, threads: threads)
    }
  }

  /// The search keeps two squares beside the matrix, also where an iteration would need room for another matrix.
  func testMemoryIsWhatIsSaid() throws {
    for (rows, columns) in [(300, 300), (300, 310), (9, 64), (100, 400)] {
      let layout = MatrixLayout(rows: rows, columns: columns)
      let workspace = try MatrixWorkspace<Double>(CollectionOfOne(layout), threads: 1, squares: 2)
      let (r, c) = (rows, columns)
      // Beside these, tiles of the thread's own and a number of each tile; all are rounded up to cache lines.
      let tiles = MatrixTile.count + MatrixTile.side * (r + 15) + MatrixTile.number(of: r) * MatrixTile.number(of: c)
      XCTAssertLessThanOrEqual(workspace.byteCount, 8 * (r * c + 2 * r * r + tiles + 64), "\(rows) x \(columns)")
    }
  }

  func testKnownNorms() throws {
    XCTAssertEqual(try norm([Float(3), 4], 1, 2).value, 5, accuracy: 1e-13)
    XCTAssertEqual(try norm([Float(3), 4], 2, 1).value, 5, accuracy: 1e-13)
    // Rank 1 of all ones: the root of the number of elements.
    let ones = [Double](repeating: 1, count: 70 * 130)
    XCTAssertEqual(try norm(ones, 70, 130).value, 9100.0.squareRoot(), accuracy: 1e-9)
    let nothing: [Double] = []
    XCTAssertEqual(try norm(nothing, 0, 3).value, 0)
    let zeros = try norm([Double](repeating: 0, count: 9), 3, 3)
    XCTAssertEqual([zeros.value, zeros.upper.double, zeros.relativeWidth], [0, 0, 0])
  }

  func testTheTransposeHasTheSameBits() throws {
    var random = SeededGenerator(seed: 1520)
    let x: [Float] = random.numbers(70 * 90)
    let expected = try norm(x, 70, 90)
    XCTAssertEqual(try norm(Matrices.transposed(x, 70, 90), 90, 70), expected)
    let seen = try x.withUnsafeBufferPointer {
      try Gradients.spectralNorm(of: BLAS.Matrix($0.baseAddress, rows: 70, columns: 90).transposed)
    }
    XCTAssertEqual(seen, expected)
  }

  func testThreadsAndPowersOfTwoDoNotMatter() throws {
    var random = SeededGenerator(seed: 1521)
    let x: [Double] = random.numbers(200 * 140)
    let expected = try norm(x, 200, 140, threads: 1)
    for threads in 2...8 {
      try ThreadTeam.withWorthwhileCount(1) {
        XCTAssertEqual(try norm(x, 200, 140, threads: threads), expected, "\(threads) threads")
      }
    }
    for power in [-900, 900] {
      let scaled = try norm(x.map { $0 * Double(sign: .plus, exponent: power, significand: 1) }, 200, 140)
      XCTAssertEqual(scaled.lower, expected.lower * ScaledDouble(1, exponent: power))
      XCTAssertEqual(scaled.upper, expected.upper * ScaledDouble(1, exponent: power))
    }
    // A norm above all `Double`s.
    let largest = [Double](repeating: .greatestFiniteMagnitude, count: 4)
    XCTAssertEqual(
      try norm(largest, 2, 2).lower.significand, 1.9999999999, accuracy: 1e-9)
    XCTAssertEqual(try norm(largest, 2, 2).lower.exponent, 1024)
  }

  /// Columns that are measured and packed in pieces; the first may have nothing, or elements of another size.
  func testLongMatrices() throws {
    let columns = 17_000
    for (first, others) in [(1, 1), (0, 3), (0x1p-40, 1), (0x1p60, 1)] as [(Float, Float)] {
      for isTransposed in [false, true] {
        let x = (0..<columns).map { $0 < 16_384 ? first : others }
        let (rows, columns) = isTransposed ? (columns, 1) : (1, columns)
        let norm = try x.withUnsafeBufferPointer {
          try Gradients.spectralNorm(of: BLAS.Matrix($0.baseAddress, rows: rows, columns: columns))
        }
        let exact = x.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
        XCTAssertEqual(norm.value, exact, accuracy: 1e-9 * exact, "\(first), \(others)")
        XCTAssertLessThanOrEqual(norm.lower.double, exact * (1 + 1e-15))
        XCTAssertGreaterThanOrEqual(norm.upper.double, exact * (1 - 1e-15))
      }
    }
  }

  func testNaNAndInfinity() throws {
    XCTAssertTrue(try norm([1, .nan, .infinity, 2] as [Float], 2, 2).value.isNaN)
    // In any tile, also with an infinity or numbers in those behind it.
    var many = [Float](repeating: 1, count: 130 * 200)
    many[0] = .nan
    XCTAssertTrue(try norm(many, 130, 200).value.isNaN)
    many[25_000] = .infinity
    XCTAssertTrue(try norm(many, 130, 200).value.isNaN)
    XCTAssertEqual(try norm([1, -.infinity, 0, 2] as [Float], 2, 2).value, .infinity)
  }

  func testTheCoefficientKeepsTheLimit() throws {
    var random = SeededGenerator(seed: 1522)
    let x: [Double] = random.numbers(40 * 60)
    let norm = try norm(x, 40, 60)
    for limit in [1e-3, 1, norm.value] {
      let coefficient = norm.coefficient(limit: limit)
      XCTAssertLessThanOrEqual(try self.norm(x.map { $0 * coefficient }, 40, 60).value, limit * (1 + 1e-15))
      XCTAssertEqual(coefficient * norm.value, limit, accuracy: limit * 1e-6)
    }
    XCTAssertEqual(norm.coefficient(limit: norm.upper.double), 1)
    XCTAssertEqual(norm.coefficient(limit: .infinity), 1)
    XCTAssertTrue(try self.norm([Float.nan], 1, 1).coefficient(limit: 1).isNaN)
    XCTAssertEqual(try self.norm([Float.infinity], 1, 1).coefficient(limit: 1), 0)
    XCTAssertEqual(try self.norm([Float(0)], 1, 1).coefficient(limit: 1), 1)
  }

  func testToleranceIsKept() throws {
    var random = SeededGenerator(seed: 1523)
    let x: [Float] = random.numbers(150 * 150)
    for tolerance in [1e-7, 1e-4, 1e-2, 1] {
      XCTAssertLessThan(try norm(x, 150, 150, tolerance: tolerance).relativeWidth, tolerance)
    }
    expect("tolerance is 1e-08; expected a number in 1e-07...1") { _ = try norm(x, 150, 150, tolerance: 1e-8) }
    expect("tolerance is nan; expected a number in 1e-07...1") { _ = try norm(x, 150, 150, tolerance: .nan) }
  }

  // MARK: - Parts

  /// A start vector that has no part along the first singular vector hides it from the iteration; the proof finds out.
  func testCholeskyExistsAboveTheLargestEigenvalueOnly() throws {
    for n in [1, 5, 64, 65, 130, 200] {
      var random = SeededGenerator(seed: UInt64(n))
      let x: [Double] = random.numbers(n * n)
      let largest = try norm(x, n, n)
      let gram = Matrices.product(x, n, n, x, n, transposed: true)
      let layout = MatrixLayout(rows: n, columns: n)
      let workspace = try MatrixWorkspace<Double>([layout], threads: 2, squares: 2)
      let memory = workspace.memory(for: layout)
      for i in 0..<memory.gram.tileRows {
        for j in 0..<memory.gram.tileColumns {
          for place in 0..<memory.gram.count(i, j) {
            let (row, column) = place.quotientAndRemainder(dividingBy: memory.gram.width(j))
            memory.gram.tile(i, j)[place] = gram[(i * 64 + row) * n + j * 64 + column]
          }
        }
      }
      let crew = TaskCrew(ThreadTeam(1, elements: 0), workspace)
      let cholesky = CholeskyFactorization(gram: memory.gram, factor: memory.factor)
      let square = largest.value * largest.value
      XCTAssertTrue(cholesky.exists(below: square * (1 + 1e-6), crew), "\(n)")
      XCTAssertFalse(cholesky.exists(below: square * (1 - 1e-6), crew), "\(n)")
      XCTAssertFalse(cholesky.exists(below: .nan, crew), "\(n)")
      // Of -G the same number is the smallest eigenvalue.
      for place in 0..<n * n { memory.gram.base[place] *= -1 }
      XCTAssertTrue(cholesky.exists(above: -square * (1 + 1e-6), crew), "\(n)")
      XCTAssertFalse(cholesky.exists(above: -square * (1 - 1e-6), crew), "\(n)")
      XCTAssertFalse(cholesky.exists(above: .nan, crew), "\(n)")
    }
  }

  func testTridiagonalMatrices() {
    XCTAssertEqual(TridiagonalMatrix(diagonal: [-3], besides: []).largestEigenvalue(), -3)
    XCTAssertEqual(TridiagonalMatrix(diagonal: [2, 2], besides: [1]).largestEigenvalue(), 3, accuracy: 1e-15)
    // 2 - 2 cos(kπ/(n + 1)).
    let n = 50
    let second = TridiagonalMatrix(
      diagonal: [Double](repeating: 2, count: n), besides: [Double](repeating: 1, count: n))
    XCTAssertEqual(second.largestEigenvalue(), 3.9962066574740884, accuracy: 1e-12)
    XCTAssertEqual(TridiagonalMatrix(diagonal: [1, 5, 2], besides: [0, 0]).largestEigenvalue(), 5)
  }
}
