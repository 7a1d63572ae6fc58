public import Momentum

extension LAPACK {
  /// The singular values of a matrix, the largest first (`LAPACKE_?gesdd`). OpenBLAS may start threads of its own.
  ///
  /// - Parameter a: The matrix; what it holds afterwards is of no use.
  /// - Throws: `MomentumError.countMismatch`; `MomentumError.lapackFailure`, for NaN too.
  /// - Complexity: O(rows·columns·min(rows, columns)).
  public static func singularValues<S: LAPACKScalar>(of a: BLAS.MutableMatrix<S>) throws(MomentumError) -> [S] {
    try checkShape(a)
    let count = min(a.rows, a.columns)
    guard count > 0, let base = a.base else { return [] }
    var values = [S](repeating: 0, count: count)
    // By columns the stored elements are those of the transpose, which has the same singular values.
    let code = S._gesdd(
      false, Int32(a.columns), Int32(a.rows), base, Int32(a.leadingDimension), &values, nil, nil, Int32(count))
    guard code == 0 else { throw .lapackFailure(routine: "gesdd", code: Int(code)) }
    return values
  }

  /// Replaces a matrix by its orthogonal polar factor: `U Vᵀ` for the singular value decomposition `U S Vᵀ`, the matrix
  /// with singular values of 1 that is nearest to it (`LAPACKE_?gesdd`, `cblas_?gemm`). OpenBLAS may start threads of its
  /// own.
  ///
  /// Singular values that are 0 up to rounding, at most `ulpOfOne·max(rows, columns)` times the largest one, stay 0: their
  /// directions are not those of the matrix. So a matrix of zeros stays one.
  ///
  /// - Throws: `MomentumError.countMismatch`; `MomentumError.lapackFailure`, for NaN too, and then the matrix is
  ///   unchanged.
  /// - Complexity: O(rows·columns·min(rows, columns)); about the time of five steps of `NewtonSchulz`, more for small
  ///   matrices.
  public static func replaceByPolarFactor<S: LAPACKScalar>(_ a: BLAS.MutableMatrix<S>) throws(MomentumError) {
    try checkShape(a)
    let (rows, columns, count) = (a.rows, a.columns, min(a.rows, a.columns))
    guard count > 0, let base = a.base else { return }
    var copy = [S](repeating: 0, count: rows * columns)
    for row in 0..<rows {
      for column in 0..<columns { copy[row * columns + column] = base[row * a.leadingDimension + column] }
    }
    var values = [S](repeating: 0, count: count)
    // By columns the stored elements are those of the transpose V S Uᵀ: its left vectors, by columns, are Vᵀ by rows, and
    // its right ones, transposed, are U by rows.
    var left = [S](repeating: 0, count: rows * count)
    var right = [S](repeating: 0, count: count * columns)
    let code = S._gesdd(true, Int32(columns), Int32(rows), &copy, Int32(columns), &values, &right, &left, Int32(count))
    guard code == 0 else { throw .lapackFailure(routine: "gesdd", code: Int(code)) }
    let least = S(max(rows, columns)) * S.ulpOfOne * values[0]
    let rank = values.firstIndex { $0 <= least } ?? count
    try left.withUnsafeBufferPointer { u throws(MomentumError) in
      try right.withUnsafeBufferPointer { v throws(MomentumError) in
        try BLAS.gemm(
          1, BLAS.Matrix(u.baseAddress, rows: rows, columns: rank, leadingDimension: count),
          BLAS.Matrix(v.baseAddress, rows: rank, columns: columns), 0, into: a)
      }
    }
  }

  private static func checkShape<S>(_ a: BLAS.MutableMatrix<S>) throws(MomentumError) {
    try BLASTraits.checkCounts()
    guard a.leadingDimension >= max(1, a.columns) else {
      throw .countMismatch(what: "leading dimension of A", count: a.leadingDimension, expected: a.columns)
    }
  }
}
