/// Skips steps whose norm is an outlier: too many standard deviations above the mean of the last norms (the rule of
/// llm.c's outlier detector), above a fixed limit (Megatron-LM's `grad_norm_skip_threshold`), or both.
///
/// The norm N enters the window. If the window was full before, and now has the mean m and the (population) variance
/// σ²,
///
///     skip if (N - m) > deviations·σ
///
/// Among n norms no z-score exceeds √(n - 1), so a threshold that no norm can exceed is refused. The norms of steps
/// skipped by this rule stay in the window, as in llm.c: if all norms have grown for good, steps are soon taken again.
/// A norm above the fixed ``limit`` is skipped and does not enter.
///
/// A norm that is not finite lies above any limit: the step is skipped, even if it is the first, and the window stays
/// as it is.
public struct SpikeSkipping: Sendable, Hashable {
  /// The largest number of standard deviations that a norm may lie above the mean; `nil` if only ``limit`` counts.
  public let deviations: Double?
  /// The largest norm of a step that is taken; `nil` if there is none.
  public let limit: Double?
  /// The largest number of norms in the window.
  public var window: Int { history.capacity }
  /// The norms in the window, oldest first.
  public var norms: [Double] { history.norms }

  private var history: NormWindow

  /// An empty window.
  ///
  /// - Parameters:
  ///   - deviations: Positive, less than √(window - 1).
  ///   - window: The number of norms to keep, in 2...2²⁰; 128 in llm.c.
  ///   - limit: At least 0.
  /// - Throws: ``MomentumError/invalidSetting(_:)``, also if neither `deviations` nor `limit` is given.
  public init(deviations: Double? = nil, window: Int = 128, limit: Double? = nil) throws(MomentumError) {
    try NormWindow.check(capacity: window, least: 2)
    guard deviations != nil || limit != nil else {
      throw .invalidSetting(name: "spike skipping", value: "without a rule", expected: "deviations, a limit, or both")
    }
    if let deviations {
      let most = Double(window - 1).squareRoot()
      guard deviations > 0, deviations < most else {
        throw .invalidSetting(
          name: "deviations", value: deviations,
          expected: .words("a positive number below \(most), which no norm can exceed in a window of \(window)"))
      }
    }
    if let limit, !(limit >= 0 && limit.isFinite) {
      throw .invalidSetting(name: "limit", value: limit, expected: .finiteAtLeast(0))
    }
    self.deviations = deviations
    self.limit = limit
    history = NormWindow(capacity: window)
  }

  /// The same settings with an empty window.
  public var withoutHistory: SpikeSkipping {
    var fresh = self
    fresh.history = NormWindow(capacity: window)
    return fresh
  }

  /// See ``AdaptiveLimit/decide(norm:)``.
  public mutating func decide(norm: Double) -> AdaptiveLimit.Decision {
    guard NormWindow.accepts(norm) else { return .skip }
    if let limit, norm > limit { return .skip }
    guard let deviations else { return .none }
    // Summed anew in every step, because running sums would drift, and would cancel where the norms hardly differ.
    guard history.append(norm) != nil else { return .none }
    let count = Double(window)
    let mean = norms.reduce(0, +) / count
    let variance = norms.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count
    // Equal norms have deviation 0, but their mean may differ from them by a rounding.
    guard norms.contains(where: { $0 != norm }) else { return .none }
    return norm - mean > deviations * variance.squareRoot() ? .skip : .none
  }
}

extension SpikeSkipping: Codable {
  public init(from decoder: any Decoder) throws {
    let object = try StrictObject(decoder, keys: ["deviations", "window", "limit", "norms"])
    let (deviations, limit): (Double?, Double?) = try (object.optional("deviations"), object.optional("limit"))
    let (window, norms): (Int, [Double]) = try (object.optional("window") ?? 128, object.optional("norms") ?? [])
    self = try object.checked { () throws(MomentumError) in
      try SpikeSkipping(deviations: deviations, window: window, limit: limit)
    }
    try object.checked { () throws(MomentumError) in try history.restore(norms) }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: NameKey.self)
    try container.encodeIfPresent(deviations, forKey: NameKey("deviations"))
    try container.encode(window, forKey: NameKey("window"))
    try container.encodeIfPresent(limit, forKey: NameKey("limit"))
    try container.encode(norms, forKey: NameKey("norms"))
  }
}
