/// The state of a tensor's velocity `s·u`, apart from u.
public struct VelocityState: Hashable, Sendable, Codable {
  /// The scale s.
  public var scale = 1.0
  /// Whether the tensor has taken part in a step with momentum, or was given a velocity.
  public var isSet = false
  /// Whether the learning rate is part of the velocity; has no meaning unless ``isSet``.
  public var keepsLearningRate = false

  /// The state of a zero velocity, before the first step.
  public init() {}
}
