extension BLAS {
  /// One wrong answer of a BLAS routine.
  public struct SelfCheckFailure: Sendable, Hashable {
    /// The routine, for example `axpy`; `axpy (outside)` if it wrote outside its result.
    public let routine: String
    /// `Float` or `Double`.
    public let scalar: String
    /// The number of elements of the vectors; for a matrix routine, the number of rows of its result.
    public let length: Int
    /// The distance of the first operand from a multiple of 64, in bytes.
    public let offset: Int
    /// The result of plain loops.
    public let expected: Double
    /// The result of the routine.
    public let found: Double
    /// The largest difference that rounding explains; 0 where every order of operations gives the same bits.
    public let tolerance: Double
  }

  /// Runs every BLAS routine that this library uses and compares its results with those of plain Swift loops.
  ///
  /// For `Float` and `Double`, for every length from 0 to 130 and some around 2048, and for several alignments. Each
  /// case runs twice: on small integers, where every sum is exact and the results must be equal, and on numbers whose
  /// every bit counts, where they may differ by the rounding of the sums. Elements next to the results are watched for
  /// stray writes.
  ///
  /// Worth calling at the start of a long run on a machine that you have not used before: a BLAS that is broken for one
  /// length or alignment spoils a training run silently.
  ///
  /// - Returns: The failures; empty if there were none.
  /// - Complexity: About fifty milliseconds in a release build.
  public static func selfCheck() -> [SelfCheckFailure] {
    selfCheck(Routines<Float>()) + selfCheck(Routines<Double>())
  }

  /// The routines under check. Tests replace some by broken ones, to see that the check finds them.
  struct Routines<S: BLASScalar> {
    var dot: (Vector<S>, Vector<S>) throws(MomentumError) -> S = { x, y throws(MomentumError) in try BLAS.dot(x, y) }
    var nrm2: (Vector<S>) throws(MomentumError) -> S = { x throws(MomentumError) in try BLAS.nrm2(x) }
    var asum: (Vector<S>) throws(MomentumError) -> S = { x throws(MomentumError) in try BLAS.asum(x) }
    var iamax: (Vector<S>) throws(MomentumError) -> Int? = { x throws(MomentumError) in try BLAS.iamax(x) }
    var scal: (S, MutableVector<S>) throws(MomentumError) -> Void = { a, x throws(MomentumError) in
      try BLAS.scal(a, x)
    }
    var axpy: (S, Vector<S>, MutableVector<S>) throws(MomentumError) -> Void = { a, x, y throws(MomentumError) in
      try BLAS.axpy(a, x, into: y)
    }
    var copy: (Vector<S>, MutableVector<S>) throws(MomentumError) -> Void = { x, y throws(MomentumError) in
      try BLAS.copy(x, to: y)
    }
    var gemv: (S, Matrix<S>, Vector<S>, S, MutableVector<S>) throws(MomentumError) -> Void = {
      alpha, a, x, beta, y throws(MomentumError) in try BLAS.gemv(alpha, a, x, beta, into: y)
    }
    var gemm: (S, Matrix<S>, Matrix<S>, S, MutableMatrix<S>) throws(MomentumError) -> Void = {
      alpha, a, b, beta, c throws(MomentumError) in try BLAS.gemm(alpha, a, b, beta, into: c)
    }
  }

  static func selfCheck<S>(
    _ routines: Routines<S>, lengths: [Int] = Array(0...130) + [2047, 2048, 2049]
  ) -> [SelfCheckFailure] {
    var failures: [SelfCheckFailure] = []
    for values in [SelfCheckCase<S>.Values.integers, .fractions] {
      for length in lengths {
        // Large lengths test loops that are unrolled far; for these, two alignments are enough.
        for offset in 0..<(length > 130 ? 2 : 4) {
          let one = SelfCheckCase(routines: routines, length: length, offset: offset, values: values)
          failures += one.vectorFailures()
          // In `matrixFailures()` the alignment selects the transposition, so each length tests one of the four.
          if length <= 40, offset == (length + length / 4) % 4 { failures += one.matrixFailures() }
        }
      }
    }
    return failures
  }
}
