/// Limits of the norm of the whole gradient that come from the norms of past steps, or a rule that skips steps.
///
/// ```swift
/// var adaptive = try AdaptiveLimit.autoClip(AutoClip(percentile: 10))
/// _ = adaptive.decide(norm: 3)
/// let decision = adaptive.decide(norm: 5)  // .limit(3.2): the 10th percentile of 3 and 5
/// ```
///
/// A value holds settings and statistics. Encoding it saves both, and a decoded value continues with the same bits.
/// Settings alone, without statistics, decode as a fresh start:
///
///     {"autoClip": {"percentile": 10, "window": 1000}}
///     {"zClip": {"threshold": 2.5, "maximum": 1}}
///     {"spikeSkipping": {"deviations": 6, "limit": 100}}
///
/// A norm that is not finite never enters the statistics, because in the published code of all three methods one NaN
/// disables the method or spoils every later step. Norms above 2⁵⁰⁰ count as infinite, so that no square of a norm
/// overflows.
public enum AdaptiveLimit: Sendable, Hashable {
  /// A percentile of past norms.
  case autoClip(AutoClip)
  /// The z-score under running statistics.
  case zClip(ZClip)
  /// Steps with outlying norms do not happen.
  case spikeSkipping(SpikeSkipping)

  /// The decision about a gradient.
  public enum Decision: Sendable, Hashable {
    /// Clip it to this norm; finite, at least 0. A gradient of a smaller norm stays as it is; the convention says
    /// whether an equal norm does.
    case limit(Double)
    /// Do not take the step.
    case skip
    /// Take the step without a limit.
    case none
  }

  /// The same settings without statistics.
  public var withoutHistory: AdaptiveLimit {
    switch self {
    case .autoClip(let method): .autoClip(method.withoutHistory)
    case .zClip(let method): .zClip(method.withoutHistory)
    case .spikeSkipping(let method): .spikeSkipping(method.withoutHistory)
    }
  }

  /// Enters the norm of a step into the statistics and decides about its gradient. Call it once for each step, before
  /// any clipping to the limit.
  ///
  /// - Parameter norm: The norm of the whole gradient. NaN, negative numbers and numbers above 2⁵⁰⁰ leave the
  ///   statistics as they are; the decision is then documented at ``AutoClip``, ``ZClip`` and ``SpikeSkipping``.
  public mutating func decide(norm: Double) -> Decision {
    switch self {
    case .autoClip(var method):
      defer { self = .autoClip(method) }
      return method.decide(norm: norm)
    case .zClip(var method):
      defer { self = .zClip(method) }
      return method.decide(norm: norm)
    case .spikeSkipping(var method):
      defer { self = .spikeSkipping(method) }
      return method.decide(norm: norm)
    }
  }
}

extension AdaptiveLimit: Codable {
  private static let kinds = ["autoClip", "zClip", "spikeSkipping"]

  /// - Throws: `DecodingError`, with the path of what is wrong: unknown keys by name, numbers out of range.
  public init(from decoder: any Decoder) throws {
    let object = try StrictObject(decoder, keys: Self.kinds)
    guard object.keys.count == 1, let kind = object.keys.first else {
      throw object.refusal("\(object.keys.count) kinds of adaptive clipping; expected one of \(Self.kinds)")
    }
    switch kind {
    case "autoClip": self = .autoClip(try object.value(kind))
    case "zClip": self = .zClip(try object.value(kind))
    default: self = .spikeSkipping(try object.value(kind))
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: NameKey.self)
    switch self {
    case .autoClip(let method): try container.encode(method, forKey: NameKey("autoClip"))
    case .zClip(let method): try container.encode(method, forKey: NameKey("zClip"))
    case .spikeSkipping(let method): try container.encode(method, forKey: NameKey("spikeSkipping"))
    }
  }
}
