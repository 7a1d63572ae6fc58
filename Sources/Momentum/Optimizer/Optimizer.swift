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
/// The first pass reads the gradients and measures their norm. The second pass reads gradients, velocity and parameters
/// and writes velocity and parameters, tile by tile, so that each tile stays in cache. Together they move 6 elements
/// for each parameter, where BLAS calls on whole vectors move 11. Gradients are never written. Results have the same
/// bits for any number of threads.
///
/// Gradients that hold a NaN or an infinity are refused by default (``NonFinitePolicy/throw``), because a single step
/// with such a gradient destroys the parameters. Under the conventions of other libraries the default is
/// ``NonFinitePolicy/propagate``, as in those libraries.
public struct Optimizer<Scalar: BLASScalar>: ~Copyable, @unchecked Sendable {  // sole owner of its memory
  // MARK: Settings; changes count from the next step on, which checks them

  /// The tensors.
  public let layout: ParameterLayout
  /// The update rule of all tensors that are in no group with a rule of its own.
  public var rule: any UpdateRule {
    didSet { areSettingsChecked = false }
  }
  /// The groups of tensors that have a rule or limits of their own.
  public var groups: [ParameterGroup] {
    didSet { (areSettingsChecked, areGroupsBound) = (false, false) }
  }
  /// The clips that the gradients go through.
  public var clipping: GradientClipping {
    didSet { areSettingsChecked = false }
  }
  /// The treatment of NaN and infinite gradients.
  public var nonFinitePolicy: NonFinitePolicy {
    didSet { areSettingsChecked = false }
  }
  /// Whether a step reads the gradients once or twice.
  public var mode: StepMode {
    didSet { areSettingsChecked = false }
  }
  /// An average of the parameters, or none.
  public var averaging: WeightAveraging? {
    didSet { areSettingsChecked = false }
  }
  /// The factor that the loss was multiplied by. Steps divide the gradients by it, at no cost, before any other
  /// operation.
  ///
  /// With a dynamic scale, a step whose gradient is not finite is skipped, whatever the ``nonFinitePolicy``. Each step
  /// adapts the scale: multiply the next loss by its ``LossScale/current``.
  public var lossScale: LossScale {
    get { adaptedLossScale }
    set { (adaptedLossScale, areSettingsChecked) = (newValue, false) }
  }
  /// A rule that limits the norm of the whole gradient by the norms of past steps, or skips steps; `nil` for none. Each
  /// step enters its norm into the statistics. If ``clipping`` also limits the norm of all tensors, the smaller limit
  /// holds.
  public var adaptiveLimit: AdaptiveLimit? {
    get { adaptedLimit }
    set { (adaptedLimit, areSettingsChecked) = (newValue, false) }
  }
  /// Whether steps that clip by value alone, and by a rule that needs no norms, measure the norms and count the clipped elements for their reports, as by
  /// default. Otherwise they measure what decides only: under ``NonFinitePolicy/propagate`` nothing, so that they read
  /// the gradient once instead of twice; under the other policies the gradient, once, for NaN and infinities.
  /// ``ClipReport/comparedNorm`` is then `nil`, and where nothing is measured ``ClipReport/totalNorm`` too. The step
  /// itself has the same bits.
  public var reportsNorms = true {
    didSet { areSettingsChecked = false }
  }
  /// What becomes of parameters in half precision, and of copies of masters, that exceed their type. Velocities are
  /// always stored as ``OverflowPolicy/infinity`` says: one that large would not come back by itself.
  public var overflowPolicy = OverflowPolicy.infinity
  /// Whether steps in two passes change parameters, velocities, second moments and averages. Otherwise they measure, and
  /// change everything else that the optimizer remembers: its state is then the one that the step leaves, but for these
  /// vectors.
  package var changesVectors = true
  /// Whether steps in two passes measure gradients as ``NormAlgorithm/portable`` says, whatever ``clipping`` says: for the owner
  /// of a part of a model, of which another part has gradients in half precision. So it does not matter how the model is cut.
  package var measuresPortably = false {
    didSet { areSettingsChecked = false }
  }
  /// Is told by steps in two passes how many more elements of gradients have been measured, in the order of the tensors.
  package var tell: ((Int) -> Void)? {
    get { table.tell }
    set { table.tell = newValue }
  }

  /// The element type that the velocity is stored in: that of the parameters, or ``ElementType/bfloat16`` for
  /// parameters of `Float`, which halves its memory.
  ///
  /// A velocity `s·u` of ``BFloat16`` has its scale in full precision and u rounded once a step, up or down so that the mean
  /// over the steps is right. So it decays exactly, what steps add is not lost where it is too small for 8 bits, and each
  /// step moves the parameters by the velocity before it is rounded: see <doc:HalfPrecision>.
  public let velocityType: ElementType
  /// The most threads to use, at least 1; small vectors use fewer. The results have the same bits for any number.
  public var threads: Int {
    didSet { (areSettingsChecked, team) = (false, ThreadTeam(threads, elements: layout.count)) }
  }

  // MARK: State

  /// The number of steps taken; skipped steps do not count.
  public internal(set) var stepCount = 0
  /// Whether the last step clipped by a norm; in ``StepMode/onePass`` the next step then takes two passes.
  public internal(set) var lastStepClipped = false
  /// Whether the last step summed its gradient by dot products while it ran its programs, and ran none afterwards.
  var lastStepSpeculated = false
  /// Whether the last step had operands in half precision and ran all programs as loops; `nil` if it had none.
  var lastHalvesWereFused: Bool?
  /// Whether the programs of the last step that clipped by value had a loop that sums what it clamps; see ``ClampingPass``.
  var hadClampingLoop = false
  /// The scales and flags of each tensor's velocity and average.
  var states: VectorStates
  /// The loss scale and the limit as steps have adapted them. Changing them is no change of settings.
  var adaptedLossScale: LossScale
  var adaptedLimit: AdaptiveLimit?
  /// u of the velocity `s·u` and b of the average `s·b`, of all tensors; allocated by the first step that needs them.
  var direction: LazyVector<Scalar>
  var average = LazyVector<Scalar>()
  /// The second moment of all tensors, likewise.
  var secondMoment = LazyVector<Scalar>()

  // MARK: The memory of steps, kept so that a step after the first allocates nothing

  private(set) var team: ThreadTeam
  let table: TensorTable<Scalar>
  let speculation = SpeculativePass()
  /// Whether the settings are unchanged since the last step checked them.
  var areSettingsChecked = false
  /// Whether a velocity is in a form that its rule would misread. A step is refused in which such a tensor has a gradient; one
  /// in which it has none is not, so it may be any step after the one that checked the settings.
  var velocitiesConflict = false
  var areGroupsBound = false
  /// The names of the groups of the last step.
  var reportedGroups: [String] = []
  /// The kind of buffers at which the table points, if these were found not to overlap.
  var bound: BoundBuffers?
  /// The stage that measures and clips, by the settings that were checked last.
  let stage: ClipStage
  /// What the stage has decided in this step, for the report.
  var outcome = ClipStage.Outcome()
  var rules = StepRules()
  /// Those of the step that comes, while they are checked; then those before.
  var nextRules = StepRules()
  /// The tensors whose updates are transformed as a whole.
  let matrixStage = MatrixStage<Scalar>()
  /// The programs of the last step.
  let programs: ProgramBuffer<Scalar>
  /// The programs that correct an update where ``StepMode/onePass`` went too far.
  let corrections: ProgramBuffer<Scalar>
  /// Whether the rules have been asked for corrections since settings last changed.
  var correctionsAreChecked = false

  // One call lets everything go. Without it each function of a client that has an optimizer lets go of every part by itself,
  // over which compilers take longer than over all else.
  @inline(never)
  deinit {}

  /// Prepares steps of parameters with a layout.
  ///
  /// - Parameters:
  ///   - layout: The tensors.
  ///   - rule: The update rule, usually an ``SGD``.
  ///   - groups: The groups of tensors that have a rule or limits of their own.
  ///   - clipping: The clips that the gradients go through.
  ///   - nonFinitePolicy: The treatment of NaN and infinite gradients; by default `throw` under the native convention
  ///     and `propagate` under the others.
  ///   - mode: Whether a step reads the gradients once or twice; see ``StepMode``.
  ///   - averaging: An average of the parameters to keep.
  ///   - lossScale: The factor of the loss; see ``lossScale``.
  ///   - adaptiveLimit: The limit of the norm that depends on past norms; see ``adaptiveLimit``.
  ///   - velocityType: The element type that the velocity is stored in; see ``velocityType``. By default that of the
  ///     parameters.
  ///   - threads: The most threads to use; by default as many as the process may use. Small vectors use fewer.
  /// - Throws: ``MomentumError/invalidSetting(_:)``; ``MomentumError/allocationFailed(bytes:)`` for a layout of
  ///   more than 2⁴⁷ elements.
  public init(
    _ layout: ParameterLayout, rule: some UpdateRule, groups: [ParameterGroup] = [],
    clipping: GradientClipping = .none, nonFinitePolicy: NonFinitePolicy? = nil, mode: StepMode = .twoPass,
    averaging: WeightAveraging? = nil, lossScale: LossScale = .none, adaptiveLimit: AdaptiveLimit? = nil,
    velocityType: ElementType? = nil, threads: Int? = nil
  ) throws(MomentumError) {
    let threads = try Machine.threads(threads)
    // No machine can address more, and the table of tiles would trap before such a vector could be allocated.
    guard layout.count <= 1 << 47 else {
      let (bytes, overflow) = layout.count.multipliedReportingOverflow(by: MemoryLayout<Scalar>.stride)
      throw .allocationFailed(bytes: overflow ? .max : bytes)
    }
    let policy = nonFinitePolicy ?? rule.convention.defaultNonFinitePolicy
    let membership = try ParameterGroup.membership(groups, of: layout)
    let rules = try StepRules(rule, groups, at: 0)
    try rules.validate(groups, clipping, averaging)
    try mode.validate(policy, clipping, groups, averaging)
    try mode.validate(rules, lossScale, adaptiveLimit)
    let velocityType = try VelocityStorage.checked(velocityType, for: Scalar.self)
    let table = try TensorTable<Scalar>(
      counts: layout.tensors.map(\.count), names: layout.tensors.map(\.name), shapes: layout.tensors.map(\.shape))
    table.hasHalfDirection = velocityType == .bfloat16
    for (index, group) in membership.enumerated() { table.decisions[index].group = group ?? -1 }
    try Self.checkTransforms(rules, table)
    self.layout = layout
    self.rule = rule
    self.groups = groups
    self.clipping = clipping
    self.nonFinitePolicy = policy
    self.mode = mode
    self.averaging = averaging
    (adaptedLossScale, adaptedLimit) = (lossScale, adaptiveLimit)
    self.velocityType = velocityType
    direction = LazyVector(isHalf: velocityType == .bfloat16)
    self.threads = threads
    reportedGroups = groups.map(\.name)
    stage = ClipStage(
      ClipSettings(
        clipping, groups: groups.map(\.clipping), exempt: ParameterGroup.exempt(groups), convention: rule.convention,
        policy: Self.effectivePolicy(policy, lossScale), adapts: adaptiveLimit != nil))
    team = ThreadTeam(self.threads, elements: layout.count)
    self.table = table
    programs = ProgramBuffer(capacity: layout.tensors.count)
    corrections = ProgramBuffer(capacity: layout.tensors.count)
    states = VectorStates(tensors: layout.tensors.count)
    areGroupsBound = true
  }

  /// The policy in effect. With a dynamic loss scale it is to skip the step: a gradient that is not finite shows that
  /// the scale was too large, and nothing but the step is lost.
  static func effectivePolicy(_ policy: NonFinitePolicy, _ lossScale: LossScale) -> NonFinitePolicy {
    lossScale.growth == nil ? policy : .skipStep
  }
}
