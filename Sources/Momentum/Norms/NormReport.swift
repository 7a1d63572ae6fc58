/// A norm and what was met on the way to it.
public struct NormReport: Sendable, Hashable {
  /// The norm: NaN if an element is NaN, else infinite if one is infinite or, with ``overflowed`` set, if it exceeds `Double`.
  public let norm: Double
  /// The same without limit of range.
  public let scaledNorm: ScaledDouble
  /// Whether all elements are finite but the norm exceeds `Double`.
  public let overflowed: Bool
  /// How many elements are NaN.
  public let nanCount: Int
  /// How many elements are infinite.
  public let infinityCount: Int

  /// The report of finite elements whose norm is a normal `Double`.
  init(_ norm: Double) {
    (self.norm, scaledNorm, overflowed, nanCount, infinityCount) = (norm, ScaledDouble(norm), false, 0, 0)
  }

  init(_ partial: NormPartial) {
    scaledNorm = partial.scaledNorm
    norm = scaledNorm.double
    overflowed = norm.isInfinite && partial.infinityCount == 0
    nanCount = partial.nanCount
    infinityCount = partial.infinityCount
  }
}
