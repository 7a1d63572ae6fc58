/// Limits of the norm of the whole gradient that come from the norms of past steps, or from a rule about which steps to skip.
///
/// ```swift
/// var adaptive = try AdaptiveLimit.autoClip(AutoClip(percentile: 10))
/// _ = adaptive.decide(norm: 3)
/// let decision = adaptive.decide(norm: 5)  // .limit(3.2): the 10th percentile of 3 and 5
/// ```
///
/// A value holds its settings and its statistics; to encode it is to save both, and a decoded one goes on with the same bits.
/// Settings alone, without statistics, decode as a fresh start:
///
///     {"autoClip": {"percentile": 10, "window": 1000}}
///     {"zClip": {"threshold": 2.5, "maximum": 1}}
///     {"spikeSkipping": {"deviations": 6, "limit": 100}}
///
/// A norm that is not finite never enters the statistics: in the published code of all three one NaN disables the method, or
/// spoils every later step. Norms above 2⁵⁰⁰ count as infinite, so that no square of one overflows.
public enum AdaptiveLimit: Sendable, Hashable {
  /// A percentile of past norms.
  case autoClip(AutoClip)
  /// The z-score under running statistics.
  case zClip(ZClip)
  /// Steps with outlying norms do not happen.
  case spikeSkipping(SpikeSkipping)

  /// What to do with a gradient.
  public enum Decision: Sendable, Hashable {
    /// Clip it to this norm; finite, at least 0. A gradient of a smaller norm stays as it is, by the rules of the convention.
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

  /// Takes the norm of a step into account and says what to do with its gradient. To be called once for each step, before
  /// any clipping to the limit.
  ///
  /// - Parameter norm: The norm of the whole gradient. NaN, negative numbers and numbers above 2⁵⁰⁰ leave the
  ///   statistics as they are; what is decided then is said by ``AutoClip``, ``ZClip`` and ``SpikeSkipping``.
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
