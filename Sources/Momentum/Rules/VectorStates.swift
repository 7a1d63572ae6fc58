/// What is known of the velocity and of the average of every tensor, apart from their elements.
struct VectorStates {
  /// The velocity `s·u` of each tensor, but for u.
  var velocities: [VelocityState]
  /// The average `s·b` of each tensor, but for b.
  var averages: [AverageState]

  /// Whether a scale may be another than 1; so that to read the vectors one by one does not look at all scales each time.
  var mayHaveScaledVelocities = false
  var mayHaveScaledAverages = false

  /// The states before the first step.
  init(tensors: Int) {
    velocities = Array(repeating: VelocityState(), count: tensors)
    averages = Array(repeating: AverageState(), count: tensors)
  }

  /// Takes on what a step has decided about the tensors that have a gradient.
  mutating func advance<Scalar>(_ table: TensorTable<Scalar>, _ rules: StepRules, averages hasAverages: Bool) {
    (mayHaveScaledVelocities, mayHaveScaledAverages) = (true, true)
    for index in table.entries.indices where table.entries[index].gradient != nil {
      let decision = table.decision(index)
      let rule = rules.traits(of: decision.pointee.group)
      velocities[index].scale = decision.pointee.newScale
      if rule.usesVelocity {
        velocities[index].isSet = true
        velocities[index].keepsLearningRate = rule.keepsLearningRateInVelocity
      }
      if hasAverages {
        averages[index].scale = decision.pointee.newAverageScale
        averages[index].count += 1
      }
    }
  }

  /// The first tensor whose velocity means something else to its rule, and the rule's traits.
  func conflict<Scalar>(
    _ table: TensorTable<Scalar>, _ rules: StepRules
  ) -> (tensor: Int, rule: StepRules.Traits)? {
    for index in velocities.indices where velocities[index].isSet && table.entries[index].gradient != nil {
      let rule = rules.traits(of: table.decisions[index].group)
      if rule.usesVelocity, rule.keepsLearningRateInVelocity != velocities[index].keepsLearningRate {
        return (index, rule)
      }
    }
    return nil
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

/// What is known of a tensor's average `s·b`, apart from b.
public struct AverageState: Hashable, Sendable, Codable {
  /// The scale s.
  public var scale = 1.0
  /// How many steps have been averaged.
  public var count = 0

  /// Nothing averaged yet.
  public init() {}
}
