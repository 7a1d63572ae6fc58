/// Takes optimizer steps: clips the gradients and applies an update rule, in two passes over memory.
///
/// ```swift
/// let layout = try ParameterLayout([("weight", [2, 2]), ("bias", [2])])
/// var parameters = try ParameterVector<Float>(layout)  // zeros
/// var gradients = try ParameterVector<Float>(layout)
/// gradients[0] = 30
/// gradients[4] = 40
///
/// var optimizer = try Optimizer<Float>(
///   layout, rule: SGD(learningRate: 0.5, momentum: 0.9), clipping: .byGlobalNorm(25))
/// let report = try optimizer.step(&parameters, gradients: gradients)
///
/// let norm = report.totalNorm  // 50, measured before clipping
/// let factor = report.clipCoefficient  // 0.5
/// let moved = (parameters[0], parameters[4])  // (-7.5, -10)
/// ```
///
/// The first pass reads the gradients and leaves their norm behind; the second reads gradients, velocity and parameters and
/// writes the last two, tile by tile while a tile is in cache: 6 elements moved for each parameter, where BLAS calls on whole
/// vectors move 11. Gradients are never written. Results are the same bits for any number of threads.
///
/// Gradients that hold a NaN or an infinity are refused by default (``NonFinitePolicy/throw``), because a single step with
/// one destroys parameters for good; the conventions of other libraries default to ``NonFinitePolicy/propagate``, as those do.
public struct Optimizer<Scalar: BLASScalar>: ~Copyable, @unchecked Sendable {  // sole owner of its memory
  // MARK: Settings; changes count from the next step on, which checks them

  /// The tensors.
  public let layout: ParameterLayout
  /// The update rule of all tensors that are in no group with a rule of its own.
  public var rule: any UpdateRule {
    didSet { areSettingsChecked = false }
  }
  /// Tensors with a rule or with limits of their own.
  public var groups: [ParameterGroup] {
    didSet { (areSettingsChecked, areGroupsBound) = (false, false) }
  }
  /// Which clips the gradients go through.
  public var clipping: GradientClipping {
    didSet { areSettingsChecked = false }
  }
  /// What to do about NaN and infinite gradients.
  public var nonFinitePolicy: NonFinitePolicy {
    didSet { areSettingsChecked = false }
  }
  /// Whether gradients are read twice or once.
  public var mode: StepMode {
    didSet { areSettingsChecked = false }
  }
  /// An average of the parameters, or none.
  public var averaging: WeightAveraging? {
    didSet { areSettingsChecked = false }
  }
  /// What the loss was multiplied with; steps divide the gradients by it, at no cost, before anything else looks at them.
  ///
  /// With a dynamic scale a step whose gradient is not finite is skipped, whatever the ``nonFinitePolicy``, and each step
  /// adapts the scale: multiply the next loss with its ``LossScale/current``.
  public var lossScale: LossScale {
    get { adaptedLossScale }
    set { (adaptedLossScale, areSettingsChecked) = (newValue, false) }
  }
  /// What limits the norm of the whole gradient by the norms of past steps, or skips steps, or nothing. Each step takes its norm
  /// into account; where ``clipping`` limits the whole too, the smaller limit holds.
  public var adaptiveLimit: AdaptiveLimit? {
    get { adaptedLimit }
    set { (adaptedLimit, areSettingsChecked) = (newValue, false) }
  }

  // MARK: State

  /// How many steps have been taken, skipped ones not counted.
  public internal(set) var stepCount = 0
  /// Whether the last step clipped by a norm; in ``StepMode/onePass`` the next one then takes two passes.
  public internal(set) var lastStepClipped = false
  /// The scales and flags of each tensor's velocity and average.
  var states: VectorStates
  /// The loss scale and the limit that steps adapt, which is no change of settings.
  var adaptedLossScale: LossScale
  var adaptedLimit: AdaptiveLimit?
  /// u of the velocity `s·u` and b of the average `s·b`, of all tensors; made by the first step that needs them.
  var direction = LazyVector<Scalar>()
  var average = LazyVector<Scalar>()

  // MARK: What steps work with, kept so that a step after the first allocates nothing

  let threads: Int
  let team: ThreadTeam
  let table: TensorTable<Scalar>
  let speculation = SpeculativePass()
  /// Whether the settings are those that the last step checked.
  var areSettingsChecked = false
  var areGroupsBound = false
  /// Whether the table points at the buffers of a list, one or two a tensor, that were found not to overlap.
  var areBuffersSeparate = false
  /// Measures and clips, by the settings that were checked last.
  let stage: ClipStage
  var rules = StepRules()
  /// The programs of the last step.
  let programs: ProgramBuffer
  /// What corrects them where ``StepMode/onePass`` went too far.
  let corrections: ProgramBuffer

  /// Prepares steps of parameters with a layout.
  ///
  /// - Parameters:
  ///   - layout: The tensors.
  ///   - rule: The update rule, usually an ``SGD``.
  ///   - groups: Tensors with a rule or with limits of their own.
  ///   - clipping: Which clips the gradients go through.
  ///   - nonFinitePolicy: What to do about NaN and infinite gradients; by default `throw` under the native convention
  ///     and `propagate` under the others.
  ///   - mode: Whether gradients are read twice or once; see ``StepMode``.
  ///   - averaging: An average of the parameters to keep.
  ///   - lossScale: What the loss is multiplied with; see ``lossScale``.
  ///   - adaptiveLimit: What limits the norm by past norms; see ``adaptiveLimit``.
  ///   - threads: The most threads to use; by default as many as the process may use. Small vectors use fewer.
  /// - Throws: ``MomentumError/invalidSetting(_:)``; ``MomentumError/allocationFailed(bytes:)`` for a layout of
  ///   more than 2⁴⁷ elements.
  public init(
    _ layout: ParameterLayout, rule: some UpdateRule, groups: [ParameterGroup] = [],
    clipping: GradientClipping = .none, nonFinitePolicy: NonFinitePolicy? = nil, mode: StepMode = .twoPass,
    averaging: WeightAveraging? = nil, lossScale: LossScale = .none, adaptiveLimit: AdaptiveLimit? = nil,
    threads: Int? = nil
  ) throws(MomentumError) {
    if let threads, threads < 1 {
      throw .invalidSetting(name: "threads", value: threads, expected: .countAtLeast(1))
    }
    // No machine addresses more; the table of tiles would trap before a vector of this size could be had.
    guard layout.count <= 1 << 47 else { throw .allocationFailed(bytes: layout.count) }
    let policy = nonFinitePolicy ?? rule.convention.defaultNonFinitePolicy
    let membership = try ParameterGroup.membership(groups, of: layout)
    let rules = try StepRules(rule, groups, at: 0)
    try rules.validate(groups, clipping, averaging)
    try mode.validate(policy, clipping, groups, averaging)
    try mode.validate(rules, lossScale, adaptiveLimit)
    self.layout = layout
    self.rule = rule
    self.groups = groups
    self.clipping = clipping
    self.nonFinitePolicy = policy
    self.mode = mode
    self.averaging = averaging
    (adaptedLossScale, adaptedLimit) = (lossScale, adaptiveLimit)
    self.threads = threads ?? Machine.availableProcessors
    stage = ClipStage(
      ClipSettings(
        clipping, groups: groups.map(\.clipping), convention: rule.convention,
        policy: Self.effectivePolicy(policy, lossScale), adapts: adaptiveLimit != nil))
    team = ThreadTeam(self.threads, elements: layout.count)
    table = TensorTable(
      counts: layout.tensors.map(\.count), names: layout.tensors.map(\.name), shapes: layout.tensors.map(\.shape))
    programs = ProgramBuffer(capacity: layout.tensors.count)
    corrections = ProgramBuffer(capacity: layout.tensors.count)
    states = VectorStates(tensors: layout.tensors.count)
    for (index, group) in membership.enumerated() { table.decisions[index].group = group ?? -1 }
    areGroupsBound = true
  }

  /// What is done about NaN and infinite gradients: one that is not finite tells a dynamic loss scale that it was too large, so
  /// nothing is lost but the step.
  static func effectivePolicy(_ policy: NonFinitePolicy, _ lossScale: LossScale) -> NonFinitePolicy {
    lossScale.growth == nil ? policy : .skipStep
  }
}
