/// The state of every tensor's velocity and average, apart from their elements.
struct VectorStates {
  /// The velocity `s·u` of each tensor, without u.
  var velocities: [VelocityState]
  /// The average `s·b` of each tensor, without b.
  var averages: [AverageState]

  /// The states before the first step.
  init(tensors: Int) {
    velocities = Array(repeating: VelocityState(), count: tensors)
    averages = Array(repeating: AverageState(), count: tensors)
  }

  /// Stores the decisions of a step about the tensors that have a gradient.
  mutating func advance<Scalar>(_ table: TensorTable<Scalar>, _ rules: StepRules, averages hasAverages: Bool) {
    for index in table.entries.indices where table.entries[index].gradient != nil {
      let decision = table.decision(index)
      let rule = rules.traits(of: decision.pointee.group)
      velocities[index].scale = decision.pointee.newScale
      if rule.usesVelocity {
        velocities[index].isSet = true
        velocities[index].keepsLearningRate = rule.keepsLearningRateInVelocity
      }
      if rule.usesSecondMoment { velocities[index].secondMomentSteps += 1 }
      if hasAverages {
        averages[index].scale = decision.pointee.newAverageScale
        averages[index].count += 1
      }
    }
  }

  /// The first tensor whose velocity is in a form that its rule would misread, and the rule's traits.
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
