/// The rules of one step: the optimizer's, then those of its groups.
struct StepRules {
  private var rules: [any UpdateRule] = []
  /// The properties of each rule that are needed for every tensor. They are stored because taking a rule out of the
  /// array copies it, which costs more than the step of a short tensor.
  private var traits: [Traits] = []
  /// What each rule does to whole tensors; not among the traits, because copying it counts references.
  private var transforms: [MatrixTransform?] = []

  /// Whether no rule changes from step to step.
  private(set) var holdForEveryStep = false
  /// Whether a rule keeps a velocity.
  private(set) var useVelocity = false
  /// Whether a rule keeps a second moment.
  private(set) var useSecondMoment = false
  /// Whether every rule does.
  var allUseSecondMoment: Bool { traits.allSatisfy(\.usesSecondMoment) }
  /// Whether a rule transforms whole tensors.
  private(set) var transformTensors = false
  /// Whether a rule scales units of tensors.
  private(set) var scaleUnits = false
  /// Whether every rule can correct every step.
  private(set) var correctEveryStep = false
  /// What reports say of the optimizer's own rule, kept because asking a rule takes long beside a short step.
  private(set) var learningRate: Double?
  private(set) var momentum: Double?

  struct Traits {
    let usesVelocity, usesSecondMoment, transforms, dependsOnShape, keepsLearningRateInVelocity: Bool
    /// The operands that operations of the rule may change, and those that they may read.
    let targets, sources: OperandSet

    init(_ rule: any UpdateRule) {
      (usesVelocity, usesSecondMoment) = (rule.usesVelocity, rule.usesSecondMoment)
      (transforms, dependsOnShape) = (rule.transform != nil, rule.dependsOnShape)
      keepsLearningRateInVelocity = rule.keepsLearningRateInVelocity
      var targets: OperandSet = [.parameters, .copy]
      if usesVelocity { targets.insert(.direction) }
      if usesSecondMoment { targets.insert(.secondMoment) }
      if transforms { targets.insert(.update) }
      self.targets = targets
      sources = targets.union([.gradient])
    }
  }

  init() {}

  /// The rules after a number of steps.
  init(_ rule: any UpdateRule, _ groups: [ParameterGroup], at step: Int) throws(MomentumError) {
    try resolve(rule, groups, at: step)
  }

  /// Replaces the rules by those after a number of steps.
  mutating func resolve(_ rule: any UpdateRule, _ groups: [ParameterGroup], at step: Int) throws(MomentumError) {
    rules.removeAll(keepingCapacity: true)
    (holdForEveryStep, useVelocity, useSecondMoment, scaleUnits, correctEveryStep) = (true, false, false, false, true)
    func resolve(_ rule: any UpdateRule) throws(MomentumError) -> any UpdateRule {
      guard let resolved = try rule.resolved(at: step) else { return rule }
      holdForEveryStep = false
      return resolved
    }
    rules.append(try resolve(rule))
    (learningRate, momentum) = (rules[0].conversionRate, rules[0].reportedMomentum)
    for group in groups {
      let rule = if let own = group.rule { try resolve(own) } else { rules[0] }
      rules.append(try group.scaled(rule))
    }
    traits.removeAll(keepingCapacity: true)
    transforms.removeAll(keepingCapacity: true)
    transformTensors = false
    for rule in rules {
      traits.append(Traits(rule))
      transforms.append(rule.transform)
      if rule.transform != nil { transformTensors = true }
      if rule.usesVelocity { useVelocity = true }
      if rule.usesSecondMoment { useSecondMoment = true }
      if rule.units != nil { scaleUnits = true }
      if !rule.correctsEveryStep { correctEveryStep = false }
    }
  }

  /// The way in which the rule of a group uses the velocity.
  func traits(of group: Int) -> Traits { traits[group + 1] }

  /// What the rule of a group does to whole tensors.
  func transform(ofGroup group: Int) -> MatrixTransform? { transforms[group + 1] }

  /// The rule of the tensors in a group; -1 stands for no group.
  subscript(group: Int) -> any UpdateRule {
    // The rule is lent, not copied.
    _read { yield rules[group + 1] }
  }

  /// The same for reports; `nil` if no step has had rules, or not for so many groups.
  func rule(ofGroup group: Int) -> (any UpdateRule)? { group + 1 < rules.count ? rules[group + 1] : nil }

  var convention: Convention { rules[0].convention }

  /// Checks the rules and the settings that they must agree with.
  func validate(
    _ groups: [ParameterGroup], _ clipping: GradientClipping, _ averaging: WeightAveraging?
  ) throws(MomentumError) {
    for rule in rules { try rule.validate() }
    try clipping.validate(convention)
    // All norms are measured together, so the first clipping that limits a norm determines how.
    var measure: (clipping: GradientClipping, place: String)?
    if !clipping.isEmpty { measure = (clipping, "the optimizer's clipping") }
    for (index, group) in groups.enumerated() { try group.validate(self[index], convention, &measure) }
    try averaging?.validate()
  }
}
