import MomentumTestSupport
import XCTest

@testable import Momentum
@testable import MomentumLAPACK

/// QR and the scaled sum of squares against loops.
final class LAPACKTests: XCTestCase {
  func testOrthonormalColumnsFloat() throws { try orthonormalColumns(Float.self) }
  func testOrthonormalColumnsDouble() throws { try orthonormalColumns(Double.self) }
  func testSumOfSquaresFloat() throws { try sumOfSquares(Float.self) }
  func testSumOfSquaresDouble() throws { try sumOfSquares(Double.self) }

  private func orthonormalColumns<S: LAPACKScalar>(_: S.Type) throws {
    var random = SeededGenerator(seed: 112)
    for (rows, columns) in [(1, 1), (4, 4), (9, 3), (64, 64), (100, 40), (5, 0)] {
      // Rows lie two elements further apart than they are long.
      let ld = columns + 2
      let memory = GuardedMemory<S>(random.numbers(rows * ld))
      let old = memory.elements
      try LAPACK.orthonormalize(
        BLAS.MutableMatrix(memory.buffer.baseAddress, rows: rows, columns: columns, leadingDimension: ld))
      let q = memory.elements
      XCTAssertTrue(memory.guardsAreIntact && q.indices.allSatisfy { $0 % ld < columns || q[$0] == old[$0] })
      // Householder reflections: 8 rows u (Higham 2002, theorem 19.4).
      let bound = 8 * Double(rows) * Double(S.ulpOfOne) / 2
      for i in 0..<columns {
        for j in 0...i {
          let product = (0..<rows).reduce(0.0) { $0 + Double(q[$1 * ld + i]) * Double(q[$1 * ld + j]) }
          XCTAssertEqual(product, i == j ? 1 : 0, accuracy: bound)
        }
      }
      // The first column keeps its direction: Q spans what A spanned, column by column.
      if columns > 0 {
        let first = (0..<rows).map { Double(old[$0 * ld]) }
        let along = (0..<rows).reduce(0.0) { $0 + first[$1] * Double(q[$1 * ld]) }
        let length = ReferenceNorm.norm(first, order: 2)
        XCTAssertEqual(along.magnitude, length, accuracy: length * bound)
      }
    }
  }

  /// Also of vectors that are handed over in pieces, and whose squares leave the range.
  private func sumOfSquares<S: LAPACKScalar>(_: S.Type) throws {
    let x: [S] = (0..<200).map { S($0 % 17 - 8) }
    let squares = x.enumerated().reduce(0) { $0 + ($1.offset % 2 == 0 ? $1.element * $1.element : 0) }
    for scale in [1, S.greatestFiniteMagnitude / 16] {
      let scaled = x.map { $0 * scale }
      let result = try scaled.withUnsafeBufferPointer { buffer in
        try BLAS.$pieceCount.withValue(64) {
          try LAPACK.lassq(BLAS.Vector(buffer.baseAddress, count: 100, stride: 2))
        }
      }
      let quotient = result.scale / scale
      assertClose(Double(squares), quotient * quotient * result.sumOfSquares, ulps: 8)
    }
  }

  func testRefusals() {
    let memory = GuardedMemory<Double>([1, .nan, 3, 4])
    memory.forbidWriting()
    let base = memory.buffer.baseAddress!
    expect("columns of A has count 3; expected 2") {
      try LAPACK.orthonormalize(BLAS.MutableMatrix(base, rows: 2, columns: 3))
    }
    expect("leading dimension of A has count 1; expected 2") {
      try LAPACK.orthonormalize(BLAS.MutableMatrix(base, rows: 2, columns: 2, leadingDimension: 1))
    }
    // LAPACKE looks for NaN before it writes.
    expect("geqrf/orgqr failed with code -4") {
      try LAPACK.orthonormalize(BLAS.MutableMatrix(base, rows: 2, columns: 2))
    }
    expect("stride of x is 0; expected a positive stride") {
      _ = try LAPACK.lassq(BLAS.Vector(UnsafePointer(base), count: 2, stride: 0))
    }
  }

  private func expect(_ text: String, line: UInt = #line, _ body: () throws -> Void) {
    XCTAssertThrowsError(try body(), text, line: line) { XCTAssertEqual("\($0)", text, line: line) }
  }
}
