/// A norm, and the counts of elements that are not finite.
public struct NormReport: Sendable, Hashable {
  /// The norm: NaN if an element is NaN, else infinite if an element is infinite or, with ``overflowed`` set, if the
  /// norm exceeds `Double`.
  public let norm: Double
  /// The same norm in a wider range.
  public let scaledNorm: ScaledDouble
  /// Whether all elements are finite but the norm exceeds `Double`.
  public let overflowed: Bool
  /// The number of NaN elements.
  public let nanCount: Int
  /// The number of infinite elements.
  public let infinityCount: Int

  /// The report of finite elements whose norm is a normal `Double`.
  init(_ norm: Double) {
    (self.norm, scaledNorm, overflowed, nanCount, infinityCount) = (norm, ScaledDouble(norm), false, 0, 0)
  }

  package init(_ partial: NormPartial) {
    scaledNorm = partial.scaledNorm
    norm = scaledNorm.double
    overflowed = norm.isInfinite && partial.infinityCount == 0
    nanCount = partial.nanCount
    infinityCount = partial.infinityCount
  }
}

extension NormReport: CustomStringConvertible {
  /// One line, for example `norm 5.0` or `norm nan, 1 NaN, 2 infinite`.
  public var description: String {
    var text = "norm \(overflowed ? "\(scaledNorm), above Double" : "\(norm)")"
    if nanCount > 0 { text += ", \(nanCount) NaN" }
    if infinityCount > 0 { text += ", \(infinityCount) infinite" }
    return text
  }
}
