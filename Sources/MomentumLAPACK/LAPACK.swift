public import Momentum

/// The few LAPACK routines that are useful with gradients and their norms, by LAPACKE.
///
/// In a module of their own, because LAPACKE brings libraries along that a program which only clips and steps would load
/// for nothing: LAPACK, a second name of BLAS, and the runtime of Fortran.
public enum LAPACK {
  /// The sum of squares of a vector as `scale²·sumOfSquares`, which neither overflows nor underflows
  /// (`LAPACKE_?lassq`).
  ///
  /// For `Float` it sums in one `Float` accumulator and is wrong by 14 % at 10⁸ elements, so it is a reference for the
  /// range but not for the digits. For a norm use `Gradients`.
  ///
  /// - Throws: `MomentumError.countMismatch`, `MomentumError.invalidStride`,
  ///   `MomentumError.lapackFailure`.
  /// - Complexity: O(n); reads n elements; no allocation.
  public static func lassq<S: LAPACKScalar>(_ x: BLAS.Vector<S>) throws(MomentumError) -> (scale: S, sumOfSquares: S) {
    try BLAS.check(x)
    var (scale, sum): (S, S) = (1, 0)
    var code: Int32 = 0
    // The routine adds to the pair that it gets, so a long vector is summed piece after piece.
    BLAS.forEachPiece(x.count, stride: x.stride) { offset, n in
      let status = S._lassq(n, x.base! + offset * x.stride, Int32(x.stride), &scale, &sum)
      if code == 0 { code = status }
    }
    guard code == 0 else { throw .lapackFailure(routine: "lassq", code: Int(code)) }
    return (scale, sum)
  }

  /// Replaces a square or tall matrix by the orthonormal factor Q of its QR factorisation (`LAPACKE_?geqrf`,
  /// `LAPACKE_?orgqr`).
  ///
  /// From a matrix of independent normal numbers this makes a random rotation: the usual initial value of a recurrent
  /// weight matrix, because products of such matrices neither grow nor shrink at first (Saxe, McClelland and Ganguli,
  /// arXiv:1312.6120).
  ///
  /// - Throws: `MomentumError.countMismatch` if there are more columns than rows;
  ///   `MomentumError.lapackFailure`.
  /// - Complexity: O(rows·columns²).
  public static func orthonormalize<S: LAPACKScalar>(_ a: BLAS.MutableMatrix<S>) throws(MomentumError) {
    try BLASTraits.checkCounts()
    guard a.columns <= a.rows else {
      throw .countMismatch(what: "columns of A", count: a.columns, expected: a.rows)
    }
    guard a.leadingDimension >= max(1, a.columns) else {
      throw .countMismatch(what: "leading dimension of A", count: a.leadingDimension, expected: a.columns)
    }
    guard a.columns > 0, let base = a.base else { return }
    let (m, n, ld) = (Int32(a.rows), Int32(a.columns), Int32(a.leadingDimension))
    let code = withUnsafeTemporaryAllocation(of: S.self, capacity: a.columns) { tau in
      let factored = S._geqrf(m, n, base, ld, tau.baseAddress!)
      return factored == 0 ? S._orgqr(m, n, n, base, ld, tau.baseAddress!) : factored
    }
    guard code == 0 else { throw .lapackFailure(routine: "geqrf/orgqr", code: Int(code)) }
  }
}
