/// The norms and counts of a gradient, and the effect of clipping on it.
///
/// Small parts stand together behind an optional number, where there is room for them: a step hands its report on several
/// times, which above 128 bytes, with all that ``StepReport`` adds, takes a call of `memcpy` each.
public struct ClipReport: Sendable, Hashable, Codable {
  /// The norm of the whole gradient before any clipping; `nil` if no setting needed it, so that it was not measured:
  /// without clips and adaptive limit, under the policy ``NonFinitePolicy/propagate``. ``GradientClipping/measureOnly``
  /// asks for it, and ``Optimizer/reportsNorms`` does without.
  ///
  /// NaN or infinite only if elements are; infinite also, with ``normOverflowed`` set, if the norm exceeds `Double`.
  public internal(set) var totalNorm: Double?
  /// The norm that was compared with the global limit: measured after clipping by value and by the norms of tensors and
  /// units. `nil` if it was not measured.
  public internal(set) var comparedNorm: Double?
  /// Whether a norm clip, global or of a tensor, changed anything.
  public internal(set) var wasClipped = false
  /// Whether the norm of finite elements exceeds `Double`. Clipping is right all the same.
  public internal(set) var normOverflowed = false
  /// Whether the policy ``NonFinitePolicy/skipStep``, or a limit that depends on past norms (``AdaptiveLimit``), left everything
  /// as it was. Nothing was then clipped.
  public internal(set) var wasSkipped = false
  /// The coefficient of the global norm clip, before rounding to the element type.
  public internal(set) var clipCoefficient: Double = 1
  /// The number of NaN elements; 0 if nothing was measured (``totalNorm`` is then `nil`).
  public internal(set) var nanCount = 0
  /// The number of infinite elements; 0 if nothing was measured.
  public internal(set) var infinityCount = 0
  /// The number of elements that clipping by value changed; 0 if they were not counted (``comparedNorm`` is then `nil`).
  public internal(set) var valueClippedCount = 0
  /// The number of elements that exceeded the largest number of their type when they were written, whatever the
  /// ``OverflowPolicy`` made of them: of half precision only (``HalfScalar``). Clips write such elements only where they
  /// enlarge a gradient.
  ///
  /// Of a gradient with several owners (``NormExchange``), those of this owner: they are counted while it writes, after the
  /// last meeting. The owners' counts add up to that of all.
  public internal(set) var overflowedElements = 0

  /// The number of elements that are NaN or infinite.
  public var nonFiniteCount: Int { nanCount + infinityCount }
}

extension ClipReport: CustomStringConvertible {
  /// One line, for example `norm 50.0, clipped by 0.5`.
  public var description: String {
    var parts: [String] = []
    if wasSkipped { parts.append("skipped") }
    parts.append(normOverflowed ? "norm above Double" : totalNorm.map { "norm \($0)" } ?? "norm not measured")
    if valueClippedCount > 0 { parts.append("\(valueClippedCount) clipped by value") }
    if let comparedNorm, comparedNorm != totalNorm, !comparedNorm.isNaN { parts.append("then norm \(comparedNorm)") }
    parts.append(Self.words(wasClipped, clipCoefficient))
    if nanCount > 0 { parts.append("\(nanCount) NaN") }
    if infinityCount > 0 { parts.append("\(infinityCount) infinite") }
    return parts.joined(separator: ", ")
  }

  /// The effect of norm clips in words. Without a coefficient of its own, parts have been clipped.
  static func words(_ wasClipped: Bool, _ coefficient: Double) -> String {
    guard coefficient == 1 else { return wasClipped ? "clipped by \(coefficient)" : "not clipped" }
    return wasClipped ? "clipped in part" : "not clipped"
  }
}
