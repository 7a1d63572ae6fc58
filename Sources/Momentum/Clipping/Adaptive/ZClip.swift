/// Clips norms that lie too many standard deviations above a running mean (Kumar, Owen, Chowdhury and Güra,
/// arXiv:2504.02507).
///
/// The first ``warmUp`` norms give a mean m and a (population) variance σ². From then on, with the norm N:
///
///     z = (N - m) / (σ + 1e-6)
///     z > z*:    C = m + σ·z*² / z         (scaled; the larger the spike, the harder)
///                C = m                     (mean)
///     N' = C if z > z*, otherwise N
///     m ← α·m + (1 - α)·N';   σ² ← α·σ² + (1 - α)·(N' - m)²      with the new m
///
/// The mode `deviations` clips every norm above `C = m + z*·σ` to C (the authors' code calls this mode "percentile"). A
/// ``maximum`` bounds the limit of every step, also during the warm-up. As in the authors' code it does not bound N':
/// the statistics are those of the norms that the z-score itself lets through.
///
/// A norm that is not finite leaves the statistics as they are. It is limited like an arbitrarily large norm: to m
/// (modes `scaled` and `mean`) or to `m + z*·σ`; during the warm-up to the ``maximum``, if there is one.
public struct ZClip: Sendable, Hashable {
  /// The norm that a spike is clipped to.
  public enum Mode: String, Sendable, Hashable, Codable, CaseIterable {
    /// `m + σ·z*² / z`.
    case scaled
    /// m.
    case mean
    /// `m + z*·σ`, for every norm above it.
    case deviations
  }

  /// z*: positive.
  public let threshold: Double
  /// α: in 0...1.
  public let decay: Double
  /// The number of norms in the first statistics; at least 1.
  public let warmUp: Int
  /// The norm that a spike is clipped to.
  public let mode: Mode
  /// If given, the limit of every step is at most this.
  public let maximum: Double?
  /// Whether a spike leaves the statistics as they are, instead of entering them clipped.
  public let ignoresSpikes: Bool

  /// m; `nil` during the warm-up.
  public private(set) var mean: Double?
  /// σ²; `nil` during the warm-up.
  public private(set) var variance: Double?
  /// The norms of the warm-up; empty after it.
  private var collected: NormWindow

  /// Starts with a warm-up.
  ///
  /// - Parameters:
  ///   - threshold: z*, positive, at most 2⁵⁰⁰.
  ///   - decay: α, in 0...1.
  ///   - warmUp: The number of norms in the first statistics, in 1...2²⁰.
  ///   - mode: The norm that a spike is clipped to.
  ///   - maximum: If given, the limit of every step is at most this; at least 0. The authors' default is 1.
  ///   - ignoresSpikes: Whether a spike leaves the statistics as they are.
  /// - Throws: ``MomentumError/invalidSetting(_:)``.
  public init(
    threshold: Double = 2.5, decay: Double = 0.97, warmUp: Int = 25, mode: Mode = .scaled, maximum: Double? = nil,
    ignoresSpikes: Bool = false
  ) throws(MomentumError) {
    // The bound keeps m + z*·σ finite.
    guard threshold > 0, threshold <= 0x1p500 else {
      throw .invalidSetting(name: "threshold", value: threshold, expected: .words("a positive number, at most 2^500"))
    }
    guard decay >= 0, decay <= 1 else {
      throw .invalidSetting(name: "decay", value: decay, expected: .between(0, 1))
    }
    guard warmUp >= 1, warmUp <= NormWindow.largestCapacity else {
      throw .invalidSetting(
        name: "warmUp", value: warmUp, expected: .words("a number in 1...\(NormWindow.largestCapacity)"))
    }
    if let maximum, !(maximum >= 0 && maximum.isFinite) {
      throw .invalidSetting(name: "maximum", value: maximum, expected: .finiteAtLeast(0))
    }
    self.threshold = threshold
    self.decay = decay
    self.warmUp = warmUp
    self.mode = mode
    self.maximum = maximum
    self.ignoresSpikes = ignoresSpikes
    collected = NormWindow(capacity: warmUp)
  }

  /// The same settings before the warm-up.
  public var withoutHistory: ZClip {
    var fresh = self
    (fresh.mean, fresh.variance, fresh.collected) = (nil, nil, NormWindow(capacity: warmUp))
    return fresh
  }

  /// See ``AdaptiveLimit/decide(norm:)``.
  public mutating func decide(norm: Double) -> AdaptiveLimit.Decision {
    guard let mean, let variance else {
      if NormWindow.accepts(norm) { collect(norm) }
      return decision(nil)
    }
    guard NormWindow.accepts(norm) else {
      return decision(mode == .deviations ? mean + threshold * variance.squareRoot() : mean)
    }
    let limit = limit(of: norm, mean, variance.squareRoot())
    if limit == nil || !ignoresSpikes {
      let entering = limit ?? norm
      let newMean = decay * mean + (1 - decay) * entering
      let distance = entering - newMean
      self.mean = newMean
      self.variance = decay * variance + (1 - decay) * (distance * distance)
    }
    return decision(limit)
  }

  private mutating func collect(_ norm: Double) {
    collected.append(norm)
    guard collected.isFull else { return }
    let (norms, count) = (collected.norms, Double(warmUp))
    let mean = norms.reduce(0, +) / count
    self.mean = mean
    variance = norms.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count
    collected = NormWindow(capacity: warmUp)
  }

  /// C, or `nil` if the norm is no spike.
  private func limit(of norm: Double, _ mean: Double, _ deviation: Double) -> Double? {
    if mode == .deviations {
      let limit = mean + threshold * deviation
      return norm > limit ? limit : nil
    }
    let z = (norm - mean) / (deviation + 1e-6)
    guard z > threshold else { return nil }
    return mode == .mean ? mean : mean + threshold * deviation / (z / threshold)
  }

  private func decision(_ limit: Double?) -> AdaptiveLimit.Decision {
    switch (limit, maximum) {
    case (nil, nil): .none
    case (let limit?, let maximum?): .limit(min(limit, maximum))
    case (let limit?, nil), (nil, let limit?): .limit(limit)
    }
  }
}

extension ZClip: Codable {
  private static let keys = [
    "threshold", "decay", "warmUp", "mode", "maximum", "ignoresSpikes", "mean", "variance", "norms",
  ]

  public init(from decoder: any Decoder) throws {
    let object = try StrictObject(decoder, keys: Self.keys)
    let (threshold, decay): (Double, Double) = try (
      object.optional("threshold") ?? 2.5, object.optional("decay") ?? 0.97
    )
    let (warmUp, mode): (Int, Mode) = try (object.optional("warmUp") ?? 25, object.optional("mode") ?? .scaled)
    let (maximum, ignoresSpikes): (Double?, Bool) = try (
      object.optional("maximum"), object.optional("ignoresSpikes") ?? false
    )
    self = try object.checked { () throws(MomentumError) in
      try ZClip(
        threshold: threshold, decay: decay, warmUp: warmUp, mode: mode, maximum: maximum, ignoresSpikes: ignoresSpikes)
    }
    let norms: [Double] = try object.optional("norms") ?? []
    try object.checked { () throws(MomentumError) in try collected.restore(norms) }
    (mean, variance) = try (object.optional("mean"), object.optional("variance"))
    if mean == nil, variance == nil {
      guard norms.count < warmUp else { throw object.refusal("\(norms.count) norms of a warm-up of \(warmUp)") }
      return
    }
    guard norms.isEmpty, let mean, let variance, NormWindow.accepts(mean), variance >= 0, variance <= 0x1p1000 else {
      throw object.refusal("no state; expected a mean up to 2^500, a variance up to 2^1000 and no norms, or norms only")
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: NameKey.self)
    try container.encode(threshold, forKey: NameKey("threshold"))
    try container.encode(decay, forKey: NameKey("decay"))
    try container.encode(warmUp, forKey: NameKey("warmUp"))
    try container.encode(mode, forKey: NameKey("mode"))
    try container.encodeIfPresent(maximum, forKey: NameKey("maximum"))
    try container.encode(ignoresSpikes, forKey: NameKey("ignoresSpikes"))
    try container.encodeIfPresent(mean, forKey: NameKey("mean"))
    try container.encodeIfPresent(variance, forKey: NameKey("variance"))
    if mean == nil { try container.encode(collected.norms, forKey: NameKey("norms")) }
  }
}
