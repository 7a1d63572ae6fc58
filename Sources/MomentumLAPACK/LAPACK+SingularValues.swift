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

  static func checkShape<S>(_ a: BLAS.MutableMatrix<S>) throws(MomentumError) {
    try BLASTraits.checkCounts()
    // A matrix without elements may have an axis of any extent.
    if a.rows != 0, a.columns != 0 { try BLAS.check(a.readOnly, "A") }
  }
}
