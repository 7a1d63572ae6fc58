/// The spectral norm of a matrix, which is its largest singular value, between two bounds.
///
/// ```swift
/// let matrix: [Float] = [3, 0, 0, 0, 0, 4]
/// let norm = try matrix.withUnsafeBufferPointer {
///   try Gradients.spectralNorm(of: BLAS.Matrix($0.baseAddress, rows: 2, columns: 3))
/// }
/// let coefficient = norm.coefficient(limit: 1)  // 0.25, or just below
/// ```
public struct SpectralNorm: Sendable, Hashable {
  /// The norm is not below this; NaN if an element is NaN, else infinite if one is infinite.
  public let lower: ScaledDouble
  /// The norm is not above this.
  public let upper: ScaledDouble
  /// The number of products with the matrix that the lower bound took.
  public let iterations: Int

  /// The norm as a `Double`: the lower bound, which is the largest singular value as it was found and as a rule much closer
  /// to it than the upper bound is.
  public var value: Double { lower.double }

  /// The distance of the bounds, relative to the upper one; 0 for a matrix of zeros.
  public var relativeWidth: Double {
    upper.significand == 0 ? 0 : 1 - (lower / upper).double
  }

  /// The factor that brings the norm to a limit: `min(1, limit/‖A‖₂)`, with the upper bound of the norm, so that the
  /// result is within the limit until factor and product are rounded. It is 1 for a matrix that is within the limit, and NaN
  /// if the norm is.
  public func coefficient(limit: Double) -> Double {
    guard !upper.significand.isNaN else { return .nan }
    return upper <= ScaledDouble(limit) ? 1 : (ScaledDouble(limit) / upper).double
  }
}

extension Gradients {
  /// The spectral norm of a matrix, `max ‖A x‖₂ / ‖x‖₂`, with bounds that hold whatever the matrix is.
  ///
  /// The lower bound comes from the Lanczos iteration on `A Aᵀ` with reorthogonalisation, in `Double`, which finds the
  /// largest singular value in tens of steps but may in principle miss it. The upper bound t is proven: `t²·I - A Aᵀ` has a
  /// Cholesky factorisation, so no singular value exceeds t. Both allow for rounding. The same bits for any number of
  /// threads; OpenBLAS starts no threads.
  ///
  /// - Parameters:
  ///   - matrix: The matrix.
  ///   - tolerance: How far the bounds may be apart, relative to the norm: in 1e-7...1.
  ///   - threads: The most threads to use; by default as many as the process may use.
  /// - Throws: ``MomentumError/invalidSetting(_:)``, ``MomentumError/countMismatch(what:count:expected:)``,
  ///   ``MomentumError/allocationFailed(bytes:)``.
  /// - Complexity: With r the smaller side and c the larger `r²·c + r³/3` operations in `Double`; memory for
  ///   `r·c + 2·r²` `Double`s.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  public static func spectralNorm<Scalar: BLASScalar>(
    of matrix: BLAS.Matrix<Scalar>, tolerance: Double = 1e-6, threads: Int? = nil
  ) throws(MomentumError) -> SpectralNorm {
    let isEmpty = matrix.rows == 0 || matrix.columns == 0
    if !isEmpty { try BLAS.check(matrix, "the matrix") }
    guard tolerance >= 1e-7, tolerance <= 1 else {
      throw .invalidSetting(name: "tolerance", value: tolerance, expected: .between(1e-7, 1))
    }
    let threads = try Machine.threads(threads)
    guard !isEmpty, let base = matrix.base else {
      return SpectralNorm(lower: ScaledDouble(0), upper: ScaledDouble(0), iterations: 0)
    }
    // A matrix and its transpose have the same norm.
    let (rows, columns) = matrix.isTransposed ? (matrix.columns, matrix.rows) : (matrix.rows, matrix.columns)
    let layout = MatrixLayout(rows: rows, columns: columns, leadingDimension: matrix.leadingDimension)
    let search = try SpectralSearch(layout, threads: threads)
    let call = EngineCall.begin()
    defer { call.end() }
    return try search.run(base, layout, tolerance)
  }
}
