/// The state of a tensor's velocity `s·u`, apart from u, and of its second moment.
public struct VelocityState: Hashable, Sendable {
  /// The scale s.
  public var scale = 1.0
  /// Whether the tensor has taken part in a step with momentum, or was given a velocity.
  public var isSet = false
  /// Whether the learning rate is part of the velocity; has no meaning unless ``isSet``.
  public var keepsLearningRate = false

  /// The number of steps whose squares have entered the tensor's second moment; 0 if it has none.
  public var secondMomentSteps = 0

  /// The state of a zero velocity, before the first step.
  public init() {}
}

extension VelocityState: Codable {
  private enum CodingKeys: String, CodingKey { case scale, isSet, keepsLearningRate, secondMomentSteps }

  /// Decodes a state; one without `secondMomentSteps` has no second moment.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    scale = try container.decode(Double.self, forKey: .scale)
    isSet = try container.decode(Bool.self, forKey: .isSet)
    keepsLearningRate = try container.decode(Bool.self, forKey: .keepsLearningRate)
    secondMomentSteps = try container.decodeIfPresent(Int.self, forKey: .secondMomentSteps) ?? 0
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(scale, forKey: .scale)
    try container.encode(isSet, forKey: .isSet)
    try container.encode(keepsLearningRate, forKey: .keepsLearningRate)
    if secondMomentSteps > 0 { try container.encode(secondMomentSteps, forKey: .secondMomentSteps) }
  }
}
