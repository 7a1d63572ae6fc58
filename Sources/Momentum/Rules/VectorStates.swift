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
      velocities[index].advance(to: decision.pointee.newScale, rules.traits(of: decision.pointee.group))
    }
    guard hasAverages else { return }
    for index in table.entries.indices where table.entries[index].gradient != nil {
      averages[index].scale = table.decision(index).pointee.newAverageScale
      averages[index].count += 1
    }
  }
}

extension VelocityState {
  /// Whether it is in a form that a rule would misread.
  @inline(__always)
  func conflicts(with rule: StepRules.Traits) -> Bool {
    isSet && rule.usesVelocity && rule.keepsLearningRateInVelocity != keepsLearningRate
  }

  /// The state after a step.
  @inline(__always)
  fileprivate mutating func advance(to scale: Double, _ rule: StepRules.Traits) {
    self.scale = scale
    if rule.usesVelocity { (isSet, keepsLearningRate) = (true, rule.keepsLearningRateInVelocity) }
    if rule.usesSecondMoment { secondMomentSteps += 1 }
  }
}

extension StepRules.Traits {
  /// The error about a velocity that the rule would misread.
  @inline(never)
  func conflict(tensor name: String) -> MomentumError {
    .invalidSetting(
      name: "rule", of: .tensor(name),
      value: keepsLearningRateInVelocity
        ? "one that keeps the learning rate in the velocity" : "one that keeps the learning rate out of the velocity",
      expected: "the kind that made the velocity, or convertVelocity(toKeepLearningRate:learningRate:) before the step")
  }
}
