/// The factor that the loss is multiplied by, so that small gradients survive a narrow type. Steps divide the gradients
/// by it.
///
/// ```swift
/// var scale = LossScale.pytorch
/// let loss = 0.25 * scale.current  // scaled before its gradients are taken
/// scale.update(finite: false)  // an overflow: the next loss is scaled by half as much
/// ```
///
/// A dynamic scale grows after a number of consecutive steps with finite gradients, and shrinks after each step
/// without:
///
///     not finite:  S ← max(S·backoffFactor, minimum);   n ← 0
///     finite:      n ← n + 1;   n = growthInterval:  S ← min(S·growthFactor, maximum);   n ← 0
///
/// That is the rule of `torch.amp.GradScaler.update` and of `keras.optimizers.LossScaleOptimizer`. Neither has bounds,
/// so enough consecutive overflows bring their scale to 0; here S is always positive and finite. `GradScaler` does not
/// grow to infinity either. A scale that is none or fixed never changes.
///
/// Its JSON form is a number (fixed; 1 is none), `"pytorch"` or `"keras"`, or an object with the settings that differ
/// from ``pytorch`` and, in a saved state, `current` and `finiteSteps`.
public struct LossScale: Sendable, Hashable {
  /// The parameters of a dynamic scale.
  public struct Growth: Sendable, Hashable {
    /// The factor by which the scale grows; finite, above 1.
    public let growthFactor: Double
    /// The factor by which the scale shrinks; between 0 and 1.
    public let backoffFactor: Double
    /// The number of consecutive finite steps after which the scale grows; at least 1.
    public let growthInterval: Int
    /// The least scale; positive.
    public let minimum: Double
    /// The greatest scale; finite.
    public let maximum: Double
  }

  /// S of the next step: positive and finite.
  public private(set) var current: Double
  /// The number of consecutive finite steps since the scale last changed.
  public private(set) var finiteSteps = 0
  /// The parameters of a dynamic scale; `nil` if the scale never changes.
  public let growth: Growth?

  private init(current: Double, finiteSteps: Int, growth: Growth?) {
    self.current = current
    self.finiteSteps = finiteSteps
    self.growth = growth
  }

  /// The scale 1 for every step.
  public static let none = LossScale(current: 1, finiteSteps: 0, growth: nil)

  /// The same scale for every step.
  ///
  /// - Throws: ``MomentumError/invalidSetting(_:)`` unless it is positive, finite and not subnormal.
  public static func fixed(_ scale: Double) throws(MomentumError) -> LossScale {
    try check(scale, "loss scale")
    return LossScale(current: scale, finiteSteps: 0, growth: nil)
  }

  /// A scale that adapts; the defaults are PyTorch's.
  ///
  /// - Parameters:
  ///   - initial: S of the first step, within the bounds.
  ///   - growthFactor: Finite, above 1.
  ///   - backoffFactor: Between 0 and 1, both excluded.
  ///   - growthInterval: At least 1.
  ///   - minimum: Positive, not subnormal. A scale below 1 helps gradients that are too large instead of too small.
  ///   - maximum: Finite, at least `minimum`; by default the largest power of two in `Float`.
  /// - Throws: ``MomentumError/invalidSetting(_:)``.
  public static func dynamic(
    initial: Double = 0x1p16, growthFactor: Double = 2, backoffFactor: Double = 0.5, growthInterval: Int = 2000,
    minimum: Double = 0x1p-126, maximum: Double = 0x1p127
  ) throws(MomentumError) -> LossScale {
    try check(minimum, "minimum of the loss scale")
    try check(maximum, "maximum of the loss scale")
    guard minimum <= maximum else {
      throw .invalidSetting(
        name: "minimum of the loss scale", value: minimum, expected: .words("at most the maximum, \(maximum)"))
    }
    guard initial >= minimum, initial <= maximum else {
      throw .invalidSetting(name: "loss scale", value: initial, expected: .words("a number in \(minimum)...\(maximum)"))
    }
    guard growthFactor > 1, growthFactor.isFinite else {
      throw .invalidSetting(name: "growthFactor", value: growthFactor, expected: .finiteAbove(1))
    }
    guard backoffFactor > 0, backoffFactor < 1 else {
      throw .invalidSetting(
        name: "backoffFactor", value: backoffFactor, expected: .words("a number between 0 and 1, both excluded"))
    }
    guard growthInterval >= 1 else {
      throw .invalidSetting(name: "growthInterval", value: growthInterval, expected: .countAtLeast(1))
    }
    return LossScale(
      current: initial, finiteSteps: 0,
      growth: Growth(
        growthFactor: growthFactor, backoffFactor: backoffFactor, growthInterval: growthInterval, minimum: minimum,
        maximum: maximum))
  }

  /// `torch.amp.GradScaler()`: 2¹⁶, doubled after 2000 finite steps, halved after a step that is not finite. Its bounds
  /// are the normal powers of two of `Float`, the type in which PyTorch keeps the scale.
  public static var pytorch: LossScale { try! dynamic() }  // the defaults are valid

  /// `keras.optimizers.LossScaleOptimizer`: as ``pytorch``, but it starts at 2¹⁵.
  public static var keras: LossScale { try! dynamic(initial: 0x1p15) }  // as above

  /// Updates the scale after a step.
  ///
  /// - Parameter finite: Whether all elements of the step's gradients were finite.
  public mutating func update(finite: Bool) {
    guard let growth else { return }
    guard finite else {
      current = max(current * growth.backoffFactor, growth.minimum)
      finiteSteps = 0
      return
    }
    finiteSteps += 1
    if finiteSteps == growth.growthInterval {
      current = min(current * growth.growthFactor, growth.maximum)
      finiteSteps = 0
    }
  }

  private static func check(_ scale: Double, _ name: String) throws(MomentumError) {
    guard scale.isNormal, scale > 0 else {
      throw .invalidSetting(name: name, value: scale, expected: .positive)
    }
  }
}

extension LossScale: Codable {
  private static let keys = [
    "initial", "growthFactor", "backoffFactor", "growthInterval", "minimum", "maximum", "current", "finiteSteps",
  ]

  public init(from decoder: any Decoder) throws {
    let container = try? decoder.singleValueContainer()
    if let scale = try? container?.decode(Double.self) {
      do {
        self = try .fixed(scale)
      } catch {
        throw DecodingError.dataCorrupted(
          .init(codingPath: decoder.codingPath, debugDescription: error.description, underlyingError: error))
      }
      return
    }
    if let name = try? container?.decode(String.self) {
      switch name {
      case "pytorch": self = .pytorch
      case "keras": self = .keras
      default:
        throw DecodingError.dataCorrupted(
          .init(
            codingPath: decoder.codingPath,
            debugDescription: "loss scale is '\(name)'; expected a number, 'pytorch', 'keras' or an object"))
      }
      return
    }
    let object = try StrictObject(decoder, keys: Self.keys)
    let initial: Double = try object.optional("current") ?? object.optional("initial") ?? 0x1p16
    let (growthFactor, backoffFactor): (Double, Double) = try (
      object.optional("growthFactor") ?? 2, object.optional("backoffFactor") ?? 0.5
    )
    let interval: Int = try object.optional("growthInterval") ?? 2000
    let (minimum, maximum): (Double, Double) = try (
      object.optional("minimum") ?? 0x1p-126, object.optional("maximum") ?? 0x1p127
    )
    self = try object.checked { () throws(MomentumError) in
      try .dynamic(
        initial: initial, growthFactor: growthFactor, backoffFactor: backoffFactor, growthInterval: interval,
        minimum: minimum, maximum: maximum)
    }
    finiteSteps = try object.optional("finiteSteps") ?? 0
    guard finiteSteps >= 0, finiteSteps < interval else {
      throw object.refusal("finiteSteps is \(finiteSteps); expected a number in 0..<\(interval)")
    }
  }

  public func encode(to encoder: any Encoder) throws {
    guard let growth else {
      var container = encoder.singleValueContainer()
      return try container.encode(current)
    }
    var container = encoder.container(keyedBy: NameKey.self)
    try container.encode(growth.growthFactor, forKey: NameKey("growthFactor"))
    try container.encode(growth.backoffFactor, forKey: NameKey("backoffFactor"))
    try container.encode(growth.growthInterval, forKey: NameKey("growthInterval"))
    try container.encode(growth.minimum, forKey: NameKey("minimum"))
    try container.encode(growth.maximum, forKey: NameKey("maximum"))
    try container.encode(current, forKey: NameKey("current"))
    try container.encode(finiteSteps, forKey: NameKey("finiteSteps"))
  }
}
