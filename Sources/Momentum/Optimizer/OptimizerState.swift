/// Everything an ``Optimizer`` remembers between steps, exactly: an optimizer resumed from it goes on bit for bit.
public struct OptimizerState<Scalar: BLASScalar>: Sendable, Hashable, Codable {
  /// How many steps have been taken.
  public var stepCount = 0
  /// Whether the last step clipped by a norm, on which the way of the next one depends in ``StepMode/onePass``.
  public var lastStepClipped = false
  /// The velocity `s·u` of each tensor, but for u.
  public var velocities: [VelocityState]
  /// u of all tensors in the order of the layout; empty if no step has needed a velocity.
  public var direction: [Scalar] = []
  /// The average `s·b` of each tensor, but for b.
  public var averages: [AverageState]
  /// b of all tensors in the order of the layout; empty if nothing has been averaged.
  public var average: [Scalar] = []
  /// A dynamic loss scale; ``LossScale/none`` if there was none.
  public var lossScale = LossScale.none
  /// Adaptive limits with what they have seen of past norms.
  public var adaptiveClipping: AdaptiveClipping?

  /// The state before the first step.
  ///
  /// - Parameter tensors: The number of tensors.
  public init(tensors: Int) {
    velocities = Array(repeating: VelocityState(), count: tensors)
    averages = Array(repeating: AverageState(), count: tensors)
  }
}

/// What is known of a tensor's velocity `s·u`, apart from u.
public struct VelocityState: Hashable, Sendable, Codable {
  /// The scale s.
  public var scale = 1.0
  /// Whether the tensor has taken part in a step with momentum, or was given a velocity.
  public var isSet = false
  /// Whether the learning rate is part of the velocity; says nothing unless ``isSet``.
  public var keepsLearningRate = false

  /// A velocity of zero, before the first step.
  public init() {}
}

/// What a velocity is multiplied with, apart from its scale.
package struct VelocityForm {
  package let keepsLearningRate: Bool
  /// That which a velocity of the other form is converted at.
  package let learningRate: Double

  package init(keepsLearningRate: Bool, learningRate: Double) {
    self.keepsLearningRate = keepsLearningRate
    self.learningRate = learningRate
  }
}

/// What is known of a tensor's average `s·b`, apart from b.
public struct AverageState: Hashable, Sendable, Codable {
  /// The scale s.
  public var scale = 1.0
  /// How many steps have been averaged.
  public var count = 0

  /// Nothing averaged yet.
  public init() {}
}

extension OptimizerState {
  /// Checks that the state can be one of an optimizer with a layout.
  func validate(_ layout: ParameterLayout) throws(MomentumError) {
    let tensors = layout.tensors.count
    for (what, count) in [("velocities", velocities.count), ("averages", averages.count)] where count != tensors {
      throw .countMismatch(what: what, count: count, expected: tensors)
    }
    try Self.check("direction", direction.count, layout, isNeeded: velocities.contains(where: \.isSet))
    try Self.check("average", average.count, layout, isNeeded: averages.contains { $0.count > 0 })
    let scales = [("velocity scale", velocities.map(\.scale)), ("average scale", averages.map(\.scale))]
    for (name, scales) in scales {
      for scale in scales where !(scale > 0 && scale.isFinite) {
        throw .invalidSetting(name: name, value: "\(scale)", expected: "a positive finite number")
      }
    }
    let counts = [("step count", [stepCount]), ("steps averaged", averages.map(\.count))]
    for (name, counts) in counts {
      for count in counts where count < 0 {
        throw .invalidSetting(name: name, value: "\(count)", expected: "at least 0")
      }
    }
  }

  private static func check(
    _ what: String, _ count: Int, _ layout: ParameterLayout, isNeeded: Bool
  ) throws(MomentumError) {
    guard count == layout.count || (count == 0 && !isNeeded) else {
      throw .countMismatch(what: what, count: count, expected: layout.count)
    }
  }
}
