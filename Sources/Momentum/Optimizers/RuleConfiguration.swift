/// The settings of an update rule as an ``OptimizerConfiguration`` states them: each of them may be left out.
///
/// What the rule of the whole leaves out has the default of ``SGD``, except for the learning rate, which it must state. What
/// the rule of a group leaves out is as in the rule of the whole.
public struct RuleConfiguration: Sendable {
  /// See ``SGD/learningRate``.
  public var learningRate: Schedule?
  /// See ``SGD/momentum``.
  public var momentum: Schedule?
  /// See ``SGD/dampening``.
  public var dampening: Double?
  /// See ``SGD/weightDecay``.
  public var weightDecay: Double?
  /// See ``SGD/decoupledWeightDecay``; by default as the convention does.
  public var decoupledWeightDecay: Bool?
  /// See ``SGD/nesterov``.
  public var nesterov: Bool?
  /// See ``SGD/maximize``.
  public var maximize: Bool?

  /// States some settings.
  public init(
    learningRate: Schedule? = nil, momentum: Schedule? = nil, dampening: Double? = nil, weightDecay: Double? = nil,
    decoupledWeightDecay: Bool? = nil, nesterov: Bool? = nil, maximize: Bool? = nil
  ) {
    self.learningRate = learningRate
    self.momentum = momentum
    self.dampening = dampening
    self.weightDecay = weightDecay
    self.decoupledWeightDecay = decoupledWeightDecay
    self.nesterov = nesterov
    self.maximize = maximize
  }

  /// The rule: an ``SGD``, inside a ``Scheduled`` if a schedule changes.
  ///
  /// - Parameter convention: Whose formulas to follow.
  /// - Throws: ``MomentumError/invalidSetting(name:value:expected:)`` for settings out of their range and for a missing learning
  ///   rate.
  public func makeRule(_ convention: Convention) throws(MomentumError) -> any UpdateRule {
    guard let learningRate else {
      throw .invalidSetting(name: "learningRate", value: "missing", expected: "a number or a schedule")
    }
    let rule = try SGD(
      learningRate: learningRate.value(at: 0), momentum: momentum?.value(at: 0) ?? 0, dampening: dampening ?? 0,
      weightDecay: weightDecay ?? 0, decoupledWeightDecay: decoupledWeightDecay, nesterov: nesterov ?? false,
      maximize: maximize ?? false, convention: convention)
    let changing = (
      learningRate.constantValue == nil ? learningRate : nil, momentum?.constantValue == nil ? momentum : nil
    )
    if changing.0 == nil, changing.1 == nil { return rule }
    return try Scheduled(rule, learningRate: changing.0, momentum: changing.1)
  }

  /// These settings, and where they are missing those of another rule.
  func filled(from other: RuleConfiguration) -> RuleConfiguration {
    RuleConfiguration(
      learningRate: learningRate ?? other.learningRate, momentum: momentum ?? other.momentum,
      dampening: dampening ?? other.dampening, weightDecay: weightDecay ?? other.weightDecay,
      decoupledWeightDecay: decoupledWeightDecay ?? other.decoupledWeightDecay, nesterov: nesterov ?? other.nesterov,
      maximize: maximize ?? other.maximize)
  }
}

extension RuleConfiguration: Codable {
  private static let keys = [
    "learningRate", "momentum", "dampening", "weightDecay", "decoupledWeightDecay", "nesterov", "maximize",
  ]

  public init(from decoder: any Decoder) throws {
    let object = try StrictObject(decoder, keys: Self.keys)
    learningRate = try object.optional("learningRate")
    momentum = try object.optional("momentum")
    dampening = try object.optional("dampening")
    weightDecay = try object.optional("weightDecay")
    decoupledWeightDecay = try object.optional("decoupledWeightDecay")
    nesterov = try object.optional("nesterov")
    maximize = try object.optional("maximize")
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: NameKey.self)
    try container.encodeIfPresent(learningRate, forKey: NameKey("learningRate"))
    try container.encodeIfPresent(momentum, forKey: NameKey("momentum"))
    try container.encodeIfPresent(dampening, forKey: NameKey("dampening"))
    try container.encodeIfPresent(weightDecay, forKey: NameKey("weightDecay"))
    try container.encodeIfPresent(decoupledWeightDecay, forKey: NameKey("decoupledWeightDecay"))
    try container.encodeIfPresent(nesterov, forKey: NameKey("nesterov"))
    try container.encodeIfPresent(maximize, forKey: NameKey("maximize"))
  }
}
