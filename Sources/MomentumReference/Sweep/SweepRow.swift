public import Momentum

/// The error of one norm of a sweep.
public struct SweepRow: Codable, Hashable, Sendable {
  public var distribution: SweepDistribution
  public var scalar: String
  public var algorithm: NormAlgorithm
  public var length: Int
  /// The distance from the exact norm, in ulps of the scalar.
  public var errorUlps: Double
  /// The bound that the algorithm promises, in ulps.
  public var bound: Double
  public var passed: Bool

  init(
    _ distribution: SweepDistribution, _ scalar: String, _ algorithm: NormAlgorithm, length: Int, errorUlps: Double,
    bound: Double
  ) {
    (self.distribution, self.scalar, self.algorithm, self.length) = (distribution, scalar, algorithm, length)
    (self.errorUlps, self.bound) = (errorUlps, bound)
    // The comparison is written so that NaN fails.
    passed = errorUlps <= bound
  }
}

extension SweepRow {
  /// The error of a norm.
  ///
  /// The default algorithm's norm of Floats is compared as it is, as a Double. The portable algorithm's is rounded once
  /// to Float, since it promises half an ulp; so is every norm below the normal range, which has no more digits.
  static func row<Scalar: ReferenceScalar>(
    _ norm: ScaledDouble, of exact: FixedPoint, _ distribution: SweepDistribution, _ algorithm: NormAlgorithm,
    length: Int, _ type: Scalar.Type
  ) -> SweepRow {
    let isSubnormal = norm.significand != 0 && norm.exponent < Int(Scalar.leastNormalMagnitude.exponent)
    let given =
      if isSubnormal && (algorithm == .portable || Scalar.precision == 53) {
        ScaledDouble(Double(Scalar(norm.double)))
      } else if algorithm == .portable {
        // A norm of finite Floats may leave the range of Float; that is not a matter of accuracy.
        ScaledDouble(Double(Scalar(norm.significand)), exponent: norm.exponent)
      } else {
        norm
      }
    return SweepRow(
      distribution, Scalar.referenceName, algorithm, length: length,
      errorUlps: exact.error(ofRoot: given, inUlpsOf: type),
      bound: bound(distribution, algorithm, length: length, exact, type))
  }

  /// The bound that an algorithm promises for a vector.
  private static func bound<Scalar: ReferenceScalar>(
    _ distribution: SweepDistribution, _ algorithm: NormAlgorithm, length: Int, _ exact: FixedPoint,
    _ type: Scalar.Type
  ) -> Double {
    let isSingle = Scalar.precision == 24
    guard algorithm == .blas else { return isSingle ? 0.5000002 : 1 }
    let worst = ErrorBound.fastNorm(type).ulps(count: length, significand: exact.rootSignificand)
    guard distribution.isRandom else { return worst }
    return min(worst, isSingle ? (length >= 100_000 ? 1 : 4) : 16)
  }
}
