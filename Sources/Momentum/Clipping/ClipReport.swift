/// The norms and counts of a gradient, and the effect of clipping on it.
public struct ClipReport: Sendable, Hashable, Codable {
  /// The norm of the whole gradient before any clipping; `nil` if no setting needed it, so that it was not measured.
  ///
  /// NaN or infinite only if elements are; infinite also, with ``normOverflowed`` set, if the norm exceeds `Double`.
  public internal(set) var totalNorm: Double?
  /// The norm that was compared with the global limit: measured after clipping by value and by the norms of tensors and
  /// units.
  public internal(set) var comparedNorm: Double?
  /// The coefficient of the global norm clip, before rounding to the element type.
  public internal(set) var clipCoefficient: Double = 1
  /// Whether a norm clip, global or of a tensor, changed anything.
  public internal(set) var wasClipped = false
  /// Whether the norm of finite elements exceeds `Double`. Clipping is right all the same.
  public internal(set) var normOverflowed = false
  /// The number of NaN elements; 0 if nothing was measured (``totalNorm`` is then `nil`).
  public internal(set) var nanCount = 0
  /// The number of infinite elements; 0 if nothing was measured.
  public internal(set) var infinityCount = 0
  /// The number of elements that clipping by value changed.
  public internal(set) var valueClippedCount = 0
  /// The number of elements that exceeded the largest number of their type when they were written, and became infinite:
  /// of half precision only (``HalfScalar``), and only where clipping enlarges a gradient.
  public internal(set) var overflowedElements = 0
  /// Whether the policy ``NonFinitePolicy/skipStep`` left everything as it was.
  public internal(set) var wasSkipped = false

  /// The number of elements that are NaN or infinite.
  public var nonFiniteCount: Int { nanCount + infinityCount }
}
