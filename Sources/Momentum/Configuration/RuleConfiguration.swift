/// The settings of an update rule in an ``OptimizerConfiguration``: each of them may be left out.
///
/// A setting that the optimizer's rule leaves out has the default of its kind; only the learning rate is
/// required. A setting that a group's rule leaves out is taken from the optimizer's rule; if the two rules are of
/// different kinds, only the settings that both kinds have are taken.
public struct RuleConfiguration: Sendable {
  /// The update rule.
  public enum Kind: String, Sendable, Hashable, Codable, CaseIterable {
    /// ``SGD``.
    case sgd
    /// ``LARS``.
    case lars
    /// ``Lion``.
    case lion
    /// ``Signum``.
    case signum
    /// ``NormalizedMomentum``.
    case normalized
    /// ``AdamW``.
    case adamw
    /// ``Muon``.
    case muon
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
  /// See ``SGD/momentum``; not for ``Kind/lion`` and ``Kind/adamw``, which have betas.
  public var momentum: Schedule?
  /// See ``SGD/weightDecay``.
  public var weightDecay: Double?
  /// See ``SGD/nesterov``; not for ``Kind/lion`` and ``Kind/adamw``.
  public var nesterov: Bool?
  /// See ``SGD/dampening``; for ``Kind/sgd`` only.
  public var dampening: Double?
  /// See ``SGD/decoupledWeightDecay``; by default as the convention does. For ``Kind/sgd`` only.
  public var decoupledWeightDecay: Bool?
  /// See ``SGD/maximize``; for ``Kind/sgd`` only.
  public var maximize: Bool?
  /// See ``LARS/trustCoefficient``; for ``Kind/lars`` only.
  public var trustCoefficient: Double?
  /// See ``LARS/epsilon`` and ``AdamW/epsilon``; for ``Kind/lars`` and ``Kind/adamw``.
  public var epsilon: Double?
  /// See ``LARS/adapts``; for ``Kind/lars`` only.
  public var adapts: Bool?
  /// See ``Lion/beta1`` and ``AdamW/beta1``; for ``Kind/lion`` and ``Kind/adamw``.
  public var beta1: Double?
  /// See ``Lion/beta2`` and ``AdamW/beta2``; for ``Kind/lion`` and ``Kind/adamw``.
  public var beta2: Double?
  /// See ``AdamW/biasCorrection``; for ``Kind/adamw`` only.
  public var biasCorrection: Bool?
  /// See ``Muon/method``; for ``Kind/muon`` only.
  public var method: Orthogonalization?
  /// See ``Muon/view``; for ``Kind/muon`` only.
  public var view: MatrixView?
  /// See ``Muon/scale``; for ``Kind/muon`` only.
  public var scale: Muon.Scale?
  /// See ``NormalizedMomentum/normalizedUnits``; for ``Kind/normalized`` only.
  public var units: TensorUnits?
  /// Limits of the gradient in proportion to the parameters; by default none.
  public var unitLimit: UnitLimit?

  /// Makes settings that state at most a learning rate and a momentum.
  public init(learningRate: Schedule? = nil, momentum: Schedule? = nil) {
    self.learningRate = learningRate
    self.momentum = momentum
  }
}

extension RuleConfiguration {
  /// The rule of the ``kind``, inside a ``Scheduled`` if a schedule is not constant, inside an
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
    case .lion:
      rule = try scheduled(
        Lion(
          learningRate: rate, beta1: beta1 ?? 0.9, beta2: beta2 ?? 0.99, weightDecay: weightDecay,
          convention: convention))
    case .signum:
      rule = try scheduled(
        Signum(
          learningRate: rate, momentum: momentum?.value(at: 0) ?? 0.9, weightDecay: weightDecay ?? 0,
          nesterov: nesterov ?? false, convention: convention))
    case .normalized:
      rule = try scheduled(
        NormalizedMomentum(
          learningRate: rate, momentum: momentum?.value(at: 0) ?? 0.9, weightDecay: weightDecay ?? 0,
          nesterov: nesterov ?? false, units: units ?? .tensor, convention: convention))
    case .adamw:
      rule = try scheduled(
        AdamW(
          learningRate: rate, beta1: beta1 ?? 0.9, beta2: beta2 ?? 0.999, epsilon: epsilon, weightDecay: weightDecay,
          biasCorrection: biasCorrection, convention: convention))
    case .muon:
      rule = try scheduled(
        Muon(
          learningRate: rate, momentum: momentum?.value(at: 0) ?? 0.95, nesterov: nesterov ?? true,
          weightDecay: weightDecay, method: method, view: view ?? .firstAxis, scale: scale, convention: convention))
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
    for setting in Self.partial where setting.isStated(self) && !setting.kinds.contains(kind) {
      throw .invalidSetting(
        name: "rule with \(setting.name)", value: kind.rawValue,
        expected: setting.kinds.map(\.rawValue).joined(separator: " or "))
    }
  }

  /// These settings; those that are missing are taken from another rule.
  func filled(from other: RuleConfiguration) -> RuleConfiguration {
    var filled = self
    filled.kind = kind ?? other.kind
    filled.learningRate = learningRate ?? other.learningRate
    filled.weightDecay = weightDecay ?? other.weightDecay
    filled.unitLimit = unitLimit ?? other.unitLimit
    let (own, others) = (filled.kind ?? .sgd, other.kind ?? .sgd)
    for setting in Self.partial where setting.kinds.contains(own) && setting.kinds.contains(others) {
      setting.fill(&filled, other)
    }
    return filled
  }

  /// A setting that some kinds of rules have and others have not.
  private struct PartialSetting: Sendable {
    let name: String
    let kinds: [Kind]
    let isStated: @Sendable (RuleConfiguration) -> Bool
    /// Takes the setting from another rule if it is missing.
    let fill: @Sendable (inout RuleConfiguration, RuleConfiguration) -> Void

    init<Value>(
      _ name: String, of kinds: Kind..., at path: any WritableKeyPath<RuleConfiguration, Value?> & Sendable
    ) {
      (self.name, self.kinds) = (name, kinds)
      isStated = { $0[keyPath: path] != nil }
      fill = { $0[keyPath: path] = $0[keyPath: path] ?? $1[keyPath: path] }
    }
  }

  /// In the order of their names, by which errors name the first.
  private static let partial = [
    PartialSetting("adapts", of: .lars, at: \.adapts),
    PartialSetting("beta1", of: .lion, .adamw, at: \.beta1),
    PartialSetting("beta2", of: .lion, .adamw, at: \.beta2),
    PartialSetting("biasCorrection", of: .adamw, at: \.biasCorrection),
    PartialSetting("dampening", of: .sgd, at: \.dampening),
    PartialSetting("decoupledWeightDecay", of: .sgd, at: \.decoupledWeightDecay),
    PartialSetting("epsilon", of: .lars, .adamw, at: \.epsilon),
    PartialSetting("maximize", of: .sgd, at: \.maximize),
    PartialSetting("method", of: .muon, at: \.method),
    PartialSetting("momentum", of: .sgd, .lars, .signum, .normalized, .muon, at: \.momentum),
    PartialSetting("nesterov", of: .sgd, .lars, .signum, .normalized, .muon, at: \.nesterov),
    PartialSetting("scale", of: .muon, at: \.scale),
    PartialSetting("trustCoefficient", of: .lars, at: \.trustCoefficient),
    PartialSetting("units", of: .normalized, at: \.units),
    PartialSetting("view", of: .muon, at: \.view),
  ]
}

extension RuleConfiguration: Codable {
  private static let keys = [
    "kind", "learningRate", "momentum", "weightDecay", "nesterov", "dampening", "decoupledWeightDecay", "maximize",
    "trustCoefficient", "epsilon", "adapts", "beta1", "beta2", "biasCorrection", "method", "view", "scale",
    "units", "adaptiveGradientClipping",
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
    beta1 = try object.optional("beta1")
    beta2 = try object.optional("beta2")
    biasCorrection = try object.optional("biasCorrection")
    method = try object.optional("method")
    view = try object.optional("view")
    scale = try object.optional("scale")
    units = try object.optional("units")
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
    try container.encodeIfPresent(beta1, forKey: NameKey("beta1"))
    try container.encodeIfPresent(beta2, forKey: NameKey("beta2"))
    try container.encodeIfPresent(biasCorrection, forKey: NameKey("biasCorrection"))
    try container.encodeIfPresent(method, forKey: NameKey("method"))
    try container.encodeIfPresent(view, forKey: NameKey("view"))
    try container.encodeIfPresent(scale, forKey: NameKey("scale"))
    try container.encodeIfPresent(units, forKey: NameKey("units"))
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
