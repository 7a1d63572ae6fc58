import Momentum
import MomentumTestSupport
import XCTest

/// Matrix products against loops.
final class BLASMatrixTests: XCTestCase {
  func testProductsOfMatricesFloat() throws { try productsOfMatrices(Float.self) }
  func testProductsOfMatricesDouble() throws { try productsOfMatrices(Double.self) }

  /// All transpositions, with rows further apart than they are long.
  private func productsOfMatrices<S: BLASScalar>(_: S.Type) throws {
    var random = SeededGenerator(seed: 111)
    var worst = 0.0
    for (m, n, k) in [(1, 1, 1), (3, 5, 2), (7, 4, 9), (16, 17, 33), (2, 64, 5), (0, 3, 2), (3, 0, 2), (3, 2, 0)] {
      for (transposeA, transposeB) in [(false, false), (true, false), (false, true), (true, true)] {
        for beta: S in [0, 1, -0.5] {
          let a = Stored<S>(transposeA ? k : m, transposeA ? m : k, padding: 2, &random)
          let b = Stored<S>(transposeB ? n : k, transposeB ? k : n, padding: 1, &random)
          let c = Stored<S>(m, n, padding: 3, &random)
          // With beta 0 the old result must not be read.
          if beta == 0 { for i in c.memory.buffer.indices { c.memory.buffer[i] = .nan } }
          let old = c.memory.elements
          let aView = transposeA ? a.view.transposed : a.view
          let bView = transposeB ? b.view.transposed : b.view
          let name = "\(m) × \(k) × \(n), \(transposeA), \(transposeB), \(beta)"
          try BLAS.gemm(0.75, aView, bView, beta, into: c.mutableView)
          for i in 0..<m {
            for j in 0..<n {
              let terms = (0..<k).map { l in
                0.75 * Widest(transposeA ? a[l, i] : a[i, l]) * Widest(transposeB ? b[j, l] : b[l, j])
              }
              worst = max(worst, check(c[i, j], terms, beta, old[i * c.ld + j], name))
            }
          }
          XCTAssertTrue(c.paddingIsIntact(old), "wrote between the rows; \(name)")

          // The first column of the same product, by gemv with strides.
          guard k > 0 || m > 0 else { continue }
          let x = GuardedMemory<S>(random.numbers(2 * k))
          let y = GuardedMemory<S>(random.numbers(3 * m))
          if beta == 0 { for i in 0..<m { y.buffer[3 * i] = .nan } }
          let before = y.elements
          try BLAS.gemv(
            0.75, aView, BLAS.Vector(x.readOnlyBuffer.baseAddress, count: k, stride: 2), beta,
            into: BLAS.MutableVector(y.buffer.baseAddress, count: m, stride: 3))
          for i in 0..<m {
            let terms = (0..<k).map { l in
              0.75 * Widest(transposeA ? a[l, i] : a[i, l]) * Widest(x.elements[2 * l])
            }
            worst = max(worst, check(y.elements[3 * i], terms, beta, before[3 * i], "gemv, \(name)"))
          }
          for i in y.elements.indices where i % 3 != 0 { XCTAssertEqual(y.elements[i], before[i], "gemv, \(name)") }
        }
      }
    }
    record("gemm and gemv, \(S.self)", worst)
  }

  private func check<S: BLASScalar>(_ found: S, _ terms: [Widest], _ beta: S, _ old: S, _ name: String) -> Double {
    let rest = beta == 0 ? 0 : Widest(beta) * Widest(old)
    let expected = terms.reduce(rest, +)
    let magnitude = terms.reduce(rest.magnitude) { $0 + $1.magnitude }
    let error = Double((Widest(found) - expected).magnitude)
    let bound =
      AccuracyBounds.product(terms: terms.count + 1) * AccuracyBounds.unit(S.self) * Double(magnitude)
    XCTAssertLessThanOrEqual(error, bound, name)
    return error == 0 ? 0 : error / bound
  }

  func testRefusals() {
    let memory = GuardedMemory<Double>([Double](repeating: 1, count: 40))
    memory.forbidWriting()
    let base = memory.buffer.baseAddress!
    let a = BLAS.Matrix(UnsafePointer(base), rows: 2, columns: 3)
    let b = BLAS.Matrix(UnsafePointer(base + 6), rows: 3, columns: 2)
    let c = BLAS.MutableMatrix(base + 12, rows: 2, columns: 2)
    let (two, three) = (BLAS.MutableVector(base + 16, count: 2), BLAS.Vector(UnsafePointer(base + 18), count: 3))
    expect("rows of A has count 3; expected 2") { try BLAS.gemm(1, b, a, 0, into: c) }
    expect("rows of B has count 2; expected 3") { try BLAS.gemm(1, a, b.transposed, 0, into: c) }
    expect("columns of B has count 2; expected 1") {
      try BLAS.gemm(1, a, b, 0, into: BLAS.MutableMatrix(base + 12, rows: 2, columns: 1))
    }
    expect("A and C overlap in memory; expected separate buffers") {
      try BLAS.gemm(1, a, b, 0, into: BLAS.MutableMatrix(base + 5, rows: 2, columns: 2))
    }
    expect("B and C overlap in memory; expected separate buffers") {
      try BLAS.gemm(1, a, b, 0, into: BLAS.MutableMatrix(base + 11, rows: 2, columns: 2))
    }
    expect("leading dimension of A has count 2; expected 3") {
      try BLAS.gemm(1, BLAS.Matrix(UnsafePointer(base), rows: 2, columns: 3, leadingDimension: 2), b, 0, into: c)
    }
    expect("rows of A has count -1; expected \(Int32.max)") {
      try BLAS.gemv(1, BLAS.Matrix(UnsafePointer(base), rows: -1, columns: 3), three, 0, into: two)
    }
    expect("x has count 3; expected 2") { try BLAS.gemv(1, b, three, 0, into: two) }
    expect("y has count 2; expected 3") { try BLAS.gemv(1, a.transposed, two.readOnly, 0, into: two) }
    expect("x and y overlap in memory; expected separate buffers") {
      try BLAS.gemv(1, a, three, 0, into: BLAS.MutableVector(base + 19, count: 2))
    }
    expect("A and y overlap in memory; expected separate buffers") {
      try BLAS.gemv(1, a, three, 0, into: BLAS.MutableVector(base + 4, count: 2))
    }
    expect("A has count 6; expected 0") { try BLAS.gemm(1, BLAS.Matrix(nil, rows: 2, columns: 3), b, 0, into: c) }
  }

  private func expect(_ text: String, line: UInt = #line, _ body: () throws -> Void) {
    XCTAssertThrowsError(try body(), text, line: line) { XCTAssertEqual("\($0)", text, line: line) }
  }
}

/// A random matrix whose rows have some elements between them.
private struct Stored<S: BLASScalar> {
  let rows, columns, ld: Int
  let memory: GuardedMemory<S>

  init(_ rows: Int, _ columns: Int, padding: Int, _ random: inout SeededGenerator) {
    (self.rows, self.columns, ld) = (rows, columns, columns + padding)
    memory = GuardedMemory(random.numbers(rows * (columns + padding)))
  }

  var view: BLAS.Matrix<S> { mutableView.readOnly }
  var mutableView: BLAS.MutableMatrix<S> {
    BLAS.MutableMatrix(memory.buffer.baseAddress, rows: rows, columns: columns, leadingDimension: ld)
  }

  subscript(row: Int, column: Int) -> S { memory.buffer[row * ld + column] }

  func paddingIsIntact(_ old: [S]) -> Bool {
    let new = memory.elements
    let isIntact = new.indices.allSatisfy {
      $0 % ld < columns || new[$0] == old[$0] || (new[$0].isNaN && old[$0].isNaN)
    }
    return isIntact && memory.guardsAreIntact
  }
}
