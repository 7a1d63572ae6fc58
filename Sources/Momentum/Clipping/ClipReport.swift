/// What was measured of a gradient and what clipping did to it.
public struct ClipReport: Sendable, Hashable, Codable {
  /// The norm of the whole gradient before any clipping; `nil` if it was not measured, because nothing asked for it.
  ///
  /// NaN or infinite only if elements are, or, with ``normOverflowed`` set, if the norm exceeds `Double`.
  public internal(set) var totalNorm: Double?
  /// The norm that was compared with the global limit: after clipping by value and by norms of tensors and units.
  public internal(set) var comparedNorm: Double?
  /// What the global norm clip multiplied the gradient with, before rounding to the element type.
  public internal(set) var clipCoefficient: Double = 1
  /// Whether a norm clip, global or of a tensor, changed anything.
  public internal(set) var wasClipped = false
  /// Whether the norm of finite elements exceeds `Double`. Clipping is right all the same.
  public internal(set) var normOverflowed = false
  /// How many elements are NaN; 0 if nothing was measured (``totalNorm`` is then `nil`).
  public internal(set) var nanCount = 0
  /// How many elements are infinite; 0 if nothing was measured.
  public internal(set) var infinityCount = 0
  /// How many elements clipping by value changed.
  public internal(set) var valueClippedCount = 0
  /// Whether the policy ``NonFinitePolicy/skipStep`` left everything as it was.
  public internal(set) var wasSkipped = false

  /// How many elements are NaN or infinite.
  public var nonFiniteCount: Int { nanCount + infinityCount }
}
