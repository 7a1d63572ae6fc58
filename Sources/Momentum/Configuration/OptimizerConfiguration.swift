/// All settings of an ``Optimizer`` as one value that can be written down, in JSON for example:
///
///     {
///       "convention": "pytorch",
///       "rule": {
///         "learningRate": {"warmup": {"steps": 500, "then": {"cosine": {"initial": 0.1, "steps": 9500}}}},
///         "momentum": 0.9, "nesterov": true, "weightDecay": 1e-4
///       },
///       "groups": [{"name": "biases", "patterns": ["*.bias"], "rule": {"weightDecay": 0}}],
///       "clipping": {"globalNorm": 1},
///       "adaptiveLimit": {"zClip": {"threshold": 2.5}},
///       "averaging": {"kind": "exponential", "decay": 0.999},
///       "lossScale": "pytorch"
///     }
///
/// Only `rule` is required, with a learning rate in it. Decoding is strict: a key that is unknown or missing, or has a
/// value out of its range, throws a `DecodingError` with its path. Decoding checks everything that can be checked
/// without the tensors.
///
/// | Key | Value |
/// |---|---|
/// | `convention` | a ``Convention`` |
/// | `rule` | the names of the properties of ``RuleConfiguration``; learning rate and momentum are numbers or ``Schedule``s. For ``RuleConfiguration/unitLimit`` `adaptiveGradientClipping`: `true`, `false`, or `factor`, `epsilon`, `units` |
/// | `groups` | a list of `name`, `patterns` (see ``ParameterGroup``), and what differs: `rule`, `clipping`, `learningRateFactor`, `exemptFromWhole` |
/// | `clipping` | `value` (v for -v...v, or [lower, upper]), `norm`, `normUnits`, `blockRMS`, `globalNorm`, `targetNorm`, `normType`, `algorithm` |
/// | `adaptiveLimit` | an ``AdaptiveLimit``: `autoClip`, `zClip` or `spikeSkipping` with its settings |
/// | `lossScale` | a ``LossScale``: a number, `"pytorch"`, `"keras"`, or the settings of a dynamic one |
/// | `averaging` | `kind` (`exponential` with `decay`, or `mean`), `overwriteEvery` |
/// | `nonFinitePolicy` | a ``NonFinitePolicy`` |
/// | `mode` | a ``StepMode`` |
/// | `velocityType` | an ``ElementType``: `bfloat16` for a velocity in half the memory, see ``Optimizer/velocityType`` |
///
/// Units are `"tensor"`, `"firstAxis"`, `"optax"` or a list of axes (see ``TensorUnits``); infinite limits are written
/// `"inf"`.
public struct OptimizerConfiguration: Sendable {
  /// The settings of one ``ParameterGroup``.
  public struct Group: Sendable {
    /// The group's name in errors.
    public var name: String
    /// Patterns of the names of the group's tensors.
    public var patterns: [String]
    /// The settings that differ from the optimizer's rule.
    public var rule: RuleConfiguration?
    /// The clips, if the group has its own.
    public var clipping: GradientClipping?
    /// See ``ParameterGroup/learningRateFactor``.
    public var learningRateFactor: Double
    /// See ``ParameterGroup/exemptFromWhole``.
    public var exemptFromWhole: Bool

    /// Describes a group.
    public init(
      _ name: String, _ patterns: [String], rule: RuleConfiguration? = nil, clipping: GradientClipping? = nil,
      learningRateFactor: Double = 1, exemptFromWhole: Bool = false
    ) {
      self.exemptFromWhole = exemptFromWhole
      self.learningRateFactor = learningRateFactor
      self.name = name
      self.patterns = patterns
      self.rule = rule
      self.clipping = clipping
    }
  }

  /// The convention to follow.
  public var convention: Convention
  /// The update rule.
  public var rule: RuleConfiguration
  /// The groups of tensors that have a rule or limits of their own.
  public var groups: [Group]
  /// The clips that the gradients go through.
  public var clipping: GradientClipping
  /// A limit of the norm that depends on past norms, or none.
  public var adaptiveLimit: AdaptiveLimit?
  /// The factor of the loss.
  public var lossScale = LossScale.none
  /// An average of the parameters, or none.
  public var averaging: WeightAveraging?
  /// The treatment of NaN and infinite gradients; `nil` for that of the convention.
  public var nonFinitePolicy: NonFinitePolicy?
  /// Whether a step reads the gradients once or twice.
  public var mode: StepMode
  /// The element type that the velocity is stored in; `nil` for that of the parameters.
  public var velocityType: ElementType?

  /// Describes an optimizer.
  public init(
    convention: Convention = .native, rule: RuleConfiguration, groups: [Group] = [], clipping: GradientClipping = .none,
    adaptiveLimit: AdaptiveLimit? = nil, lossScale: LossScale = .none, averaging: WeightAveraging? = nil,
    nonFinitePolicy: NonFinitePolicy? = nil, mode: StepMode = .twoPass, velocityType: ElementType? = nil
  ) {
    self.convention = convention
    self.rule = rule
    self.groups = groups
    self.clipping = clipping
    self.adaptiveLimit = adaptiveLimit
    self.lossScale = lossScale
    self.averaging = averaging
    self.nonFinitePolicy = nonFinitePolicy
    self.mode = mode
    self.velocityType = velocityType
  }
}

extension OptimizerConfiguration {
  /// Makes the optimizer that this configuration describes.
  ///
  /// - Parameters:
  ///   - layout: The tensors.
  ///   - threads: The most threads to use; by default as many as the process may use.
  /// - Throws: The errors of `Optimizer.init`.
  public func makeOptimizer<Scalar>(
    _ layout: ParameterLayout, threads: Int? = nil
  ) throws(MomentumError) -> Optimizer<Scalar> {
    try makeOptimizer(layout, groups: makeGroups(), threads)
  }

  /// Makes the optimizer of some tensors of a model, whose steps meet those of the others; see ``NormExchange``.
  ///
  /// - Parameters:
  ///   - layout: The tensors.
  ///   - whole: All tensors of the model. A group needs one of them, but none of `layout`.
  ///   - threads: The most threads to use; by default as many as the process may use.
  /// - Throws: The errors of `Optimizer.init`.
  public func makeOptimizer<Scalar>(
    _ layout: ParameterLayout, partOf whole: ParameterLayout, threads: Int? = nil
  ) throws(MomentumError) -> Optimizer<Scalar> {
    var groups = try makeGroups()
    _ = try ParameterGroup.membership(groups, of: whole)
    for index in groups.indices { groups[index].mayBeEmpty = true }
    return try makeOptimizer(layout, groups: groups, threads)
  }

  private func makeOptimizer<Scalar>(
    _ layout: ParameterLayout, groups: [ParameterGroup], _ threads: Int?
  ) throws(MomentumError) -> Optimizer<Scalar> {
    try Optimizer<Scalar>(
      layout, rule: makeRule(), groups: groups, clipping: clipping, nonFinitePolicy: nonFinitePolicy, mode: mode,
      averaging: averaging, lossScale: lossScale, adaptiveLimit: adaptiveLimit, velocityType: velocityType,
      threads: threads)
  }

  /// Checks everything but the patterns of the groups, which need the names of the tensors.
  ///
  /// - Throws: ``MomentumError/invalidSetting(_:)``.
  public func validate() throws(MomentumError) {
    let (rule, groups) = (try makeRule(), try makeGroups())
    let rules = try StepRules(rule, groups, at: 0)
    try rules.validate(groups, clipping, averaging)
    try mode.validate(rules, lossScale, adaptiveLimit)
    try VelocityStorage.validate(velocityType)
    try mode.validate(nonFinitePolicy ?? convention.defaultNonFinitePolicy, clipping, groups, averaging)
  }

  private func makeRule() throws(MomentumError) -> any UpdateRule { try rule.makeRule(convention) }

  private func makeGroups() throws(MomentumError) -> [ParameterGroup] {
    var made: [ParameterGroup] = []
    for group in groups {
      made.append(
        ParameterGroup(
          group.name, group.patterns, rule: try makeRule(of: group), clipping: group.clipping,
          learningRateFactor: group.learningRateFactor, exemptFromWhole: group.exemptFromWhole))
    }
    return made
  }

  func makeRule(of group: Group) throws(MomentumError) -> (any UpdateRule)? {
    guard let own = group.rule else { return nil }
    return try own.filled(from: rule).makeRule(convention)
  }
}
