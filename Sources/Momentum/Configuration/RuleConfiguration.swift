/// The settings of an update rule in an ``OptimizerConfiguration``: each of them may be left out.
///
/// A setting that the optimizer's rule leaves out has the default of ``SGD`` or ``LARS``; only the learning rate is
/// required. A setting that a group's rule leaves out is taken from the optimizer's rule; if the two rules are of
/// different kinds, only the settings that both kinds have are taken.
public struct RuleConfiguration: Sendable {
  /// The update rule.
  public enum Kind: String, Sendable, Hashable, Codable, CaseIterable {
    /// ``SGD``.
    case sgd
    /// ``LARS``.
    case lars
  }

  /// The limits of an ``AdaptiveGradientClipping`` around the rule.
  public enum UnitLimit: Sendable, Hashable {
    /// No such limits; turns off, for a group, the limits of the optimizer's rule.
    case none
    /// Limits in proportion to the parameters. Units are by default ``TensorUnits/optax`` under the optax convention
    /// and ``TensorUnits/firstAxis`` under the others.
    case adaptive(factor: Double = 0.01, epsilon: Double = 1e-3, units: TensorUnits? = nil)
  }

  /// The update rule; by default ``Kind/sgd``.
  public var kind: Kind?
  /// See ``SGD/learningRate``.
  public var learningRate: Schedule?
  /// See ``SGD/momentum``.
  public var momentum: Schedule?
  /// See ``SGD/weightDecay``.
  public var weightDecay: Double?
  /// See ``SGD/nesterov``.
  public var nesterov: Bool?
  /// See ``SGD/dampening``; not for ``Kind/lars``.
  public var dampening: Double?
  /// See ``SGD/decoupledWeightDecay``; by default as the convention does. Not for ``Kind/lars``.
  public var decoupledWeightDecay: Bool?
  /// See ``SGD/maximize``; not for ``Kind/lars``.
  public var maximize: Bool?
  /// See ``LARS/trustCoefficient``; for ``Kind/lars`` only.
  public var trustCoefficient: Double?
  /// See ``LARS/epsilon``; for ``Kind/lars`` only.
  public var epsilon: Double?
  /// See ``LARS/adapts``; for ``Kind/lars`` only.
  public var adapts: Bool?
  /// Limits of the gradient in proportion to the parameters; by default none.
  public var unitLimit: UnitLimit?

  /// Makes settings that state at most a learning rate and a momentum.
  public init(learningRate: Schedule? = nil, momentum: Schedule? = nil) {
    self.learningRate = learningRate
    self.momentum = momentum
  }
}

extension RuleConfiguration {
  /// The rule: an ``SGD`` or a ``LARS``, inside a ``Scheduled`` if a schedule is not constant, inside an
  /// ``AdaptiveGradientClipping`` if there is a ``unitLimit``.
  ///
  /// - Parameter convention: The convention to follow.
  /// - Throws: ``MomentumError/invalidSetting(_:)`` for settings out of their range or of another kind of
  ///   rule, and for a missing learning rate.
  public func makeRule(_ convention: Convention) throws(MomentumError) -> any UpdateRule {
    guard let learningRate else {
      throw .invalidSetting(name: "learningRate", value: "missing", expected: "a number or a schedule")
    }
    try checkKind()
    let rate = learningRate.value(at: 0)
    let rule: any UpdateRule
    switch kind ?? .sgd {
    case .sgd:
      rule = try scheduled(
        SGD(
          learningRate: rate, momentum: momentum?.value(at: 0) ?? 0, dampening: dampening ?? 0,
          weightDecay: weightDecay ?? 0, decoupledWeightDecay: decoupledWeightDecay, nesterov: nesterov ?? false,
          maximize: maximize ?? false, convention: convention))
    case .lars:
      rule = try scheduled(
        LARS(
          learningRate: rate, momentum: momentum?.value(at: 0) ?? 0.9, weightDecay: weightDecay ?? 0,
          trustCoefficient: trustCoefficient ?? 0.001, epsilon: epsilon ?? 0, nesterov: nesterov ?? false,
          adapts: adapts ?? true, convention: convention))
    }
    guard case .adaptive(let factor, let epsilon, let units) = unitLimit else { return rule }
    return try AdaptiveGradientClipping(
      rule, factor: factor, epsilon: epsilon, units: units ?? (convention == .optax ? .optax : .firstAxis))
  }

  private func scheduled(_ rule: some SchedulableRule) throws(MomentumError) -> any UpdateRule {
    let rates = learningRate?.constantValue == nil ? learningRate : nil
    let momenta = momentum?.constantValue == nil ? momentum : nil
    if rates == nil, momenta == nil { return rule }
    return try Scheduled(rule, learningRate: rates, momentum: momenta)
  }

  private func checkKind() throws(MomentumError) {
    let kind = kind ?? .sgd
    let foreign =
      kind == .lars
      ? [
        "dampening": dampening != nil, "decoupledWeightDecay": decoupledWeightDecay != nil, "maximize": maximize != nil,
      ]
      : ["trustCoefficient": trustCoefficient != nil, "epsilon": epsilon != nil, "adapts": adapts != nil]
    guard let name = foreign.filter(\.value).keys.min() else { return }
    throw .invalidSetting(name: "rule with \(name)", value: kind.rawValue, expected: kind == .lars ? "sgd" : "lars")
  }

  /// These settings; those that are missing are taken from another rule.
  func filled(from other: RuleConfiguration) -> RuleConfiguration {
    var filled = self
    filled.kind = kind ?? other.kind
    filled.learningRate = learningRate ?? other.learningRate
    filled.momentum = momentum ?? other.momentum
    filled.weightDecay = weightDecay ?? other.weightDecay
    filled.nesterov = nesterov ?? other.nesterov
    filled.unitLimit = unitLimit ?? other.unitLimit
    guard filled.kind ?? .sgd == other.kind ?? .sgd else { return filled }
    filled.dampening = dampening ?? other.dampening
    filled.decoupledWeightDecay = decoupledWeightDecay ?? other.decoupledWeightDecay
    filled.maximize = maximize ?? other.maximize
    filled.trustCoefficient = trustCoefficient ?? other.trustCoefficient
    filled.epsilon = epsilon ?? other.epsilon
    filled.adapts = adapts ?? other.adapts
    return filled
  }
}

extension RuleConfiguration: Codable {
  private static let keys = [
    "kind", "learningRate", "momentum", "weightDecay", "nesterov", "dampening", "decoupledWeightDecay", "maximize",
    "trustCoefficient", "epsilon", "adapts", "adaptiveGradientClipping",
  ]

  public init(from decoder: any Decoder) throws {
    let object = try StrictObject(decoder, keys: Self.keys)
    kind = try object.optional("kind")
    learningRate = try object.optional("learningRate")
    momentum = try object.optional("momentum")
    weightDecay = try object.optional("weightDecay")
    nesterov = try object.optional("nesterov")
    dampening = try object.optional("dampening")
    decoupledWeightDecay = try object.optional("decoupledWeightDecay")
    maximize = try object.optional("maximize")
    trustCoefficient = try object.optional("trustCoefficient")
    epsilon = try object.optional("epsilon")
    adapts = try object.optional("adapts")
    unitLimit = try object.optional("adaptiveGradientClipping")
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: NameKey.self)
    try container.encodeIfPresent(kind, forKey: NameKey("kind"))
    try container.encodeIfPresent(learningRate, forKey: NameKey("learningRate"))
    try container.encodeIfPresent(momentum, forKey: NameKey("momentum"))
    try container.encodeIfPresent(weightDecay, forKey: NameKey("weightDecay"))
    try container.encodeIfPresent(nesterov, forKey: NameKey("nesterov"))
    try container.encodeIfPresent(dampening, forKey: NameKey("dampening"))
    try container.encodeIfPresent(decoupledWeightDecay, forKey: NameKey("decoupledWeightDecay"))
    try container.encodeIfPresent(maximize, forKey: NameKey("maximize"))
    try container.encodeIfPresent(trustCoefficient, forKey: NameKey("trustCoefficient"))
    try container.encodeIfPresent(epsilon, forKey: NameKey("epsilon"))
    try container.encodeIfPresent(adapts, forKey: NameKey("adapts"))
    try container.encodeIfPresent(unitLimit, forKey: NameKey("adaptiveGradientClipping"))
  }
}

extension RuleConfiguration.UnitLimit: Codable {
  /// Decodes `false`, `true` for the defaults, or an object with `factor`, `epsilon` and `units`.
  public init(from decoder: any Decoder) throws {
    if let isOn = try? decoder.singleValueContainer().decode(Bool.self) {
      self = isOn ? .adaptive() : .none
      return
    }
    let object = try StrictObject(decoder, keys: ["factor", "epsilon", "units"])
    self = .adaptive(
      factor: try object.optional("factor") ?? 0.01, epsilon: try object.optional("epsilon") ?? 1e-3,
      units: try object.optional("units"))
  }

  public func encode(to encoder: any Encoder) throws {
    guard case .adaptive(let factor, let epsilon, let units) = self else {
      var container = encoder.singleValueContainer()
      return try container.encode(false)
    }
    var container = encoder.container(keyedBy: NameKey.self)
    try container.encode(factor, forKey: NameKey("factor"))
    try container.encode(epsilon, forKey: NameKey("epsilon"))
    try container.encodeIfPresent(units, forKey: NameKey("units"))
  }
}
