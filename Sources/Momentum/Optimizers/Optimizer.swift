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
  /// The tensors.
  public let layout: ParameterLayout
  /// The update rule. Changes count from the next step on, which checks them.
  public var rule: any UpdateRule
  /// Which clips the gradients go through. Changes count from the next step on, which checks them.
  public var clipping: GradientClipping
  /// What to do about NaN and infinite gradients.
  public var nonFinitePolicy: NonFinitePolicy
  /// Whether gradients are read twice or once. Changes count from the next step on, which checks them.
  public var mode: StepMode
  /// How many steps have been taken, skipped ones not counted.
  public internal(set) var stepCount = 0

  let threads: Int
  let table: TensorTable<Scalar>
  private(set) var programs: [StepProgram] = []
  /// For each program, the state it was compiled for and the velocity's scale after it.
  private(set) var compiledSteps: [(state: TensorState, scale: Double)] = []
  let speculation = SpeculativePass()
  /// Whether the last step clipped by a norm; in ``StepMode/onePass`` the next one then takes two passes.
  public internal(set) var lastStepClipped = false
  /// u of the velocity `s·u`; made by the first step that needs it.
  private(set) var direction: UnsafeMutablePointer<Scalar>?
  private var directionStorage: ParameterVector<Scalar>?
  /// s for each tensor.
  var scales: [Double]
  /// Whether each tensor has a velocity yet.
  var hasVelocity: [Bool]

  /// Prepares steps of parameters with a layout.
  ///
  /// - Parameters:
  ///   - layout: The tensors.
  ///   - rule: The update rule, usually an ``SGD``.
  ///   - clipping: Which clips the gradients go through.
  ///   - nonFinitePolicy: What to do about NaN and infinite gradients; by default `throw` under the native convention
  ///     and `propagate` under the others.
  ///   - mode: Whether gradients are read twice or once; see ``StepMode``.
  ///   - threads: The most threads to use; by default as many as the process may use. Small vectors use fewer.
  /// - Throws: ``MomentumError/invalidSetting(name:value:expected:)``; ``MomentumError/allocationFailed(bytes:)`` for a layout of
  ///   more than 2⁴⁷ elements.
  public init(
    _ layout: ParameterLayout, rule: some UpdateRule, clipping: GradientClipping = .none,
    nonFinitePolicy: NonFinitePolicy? = nil, mode: StepMode = .twoPass, threads: Int? = nil
  ) throws(MomentumError) {
    let policy = nonFinitePolicy ?? rule.convention.defaultNonFinitePolicy
    try rule.validate()
    try clipping.validate(rule.convention)
    try mode.validate(clipping, policy)
    if let threads, threads < 1 {
      throw .invalidSetting(name: "threads", value: "\(threads)", expected: "at least 1")
    }
    // No machine addresses more; the table of tiles would trap before a vector of this size could be had.
    guard layout.count <= 1 << 47 else { throw .allocationFailed(bytes: layout.count) }
    self.layout = layout
    self.rule = rule
    self.clipping = clipping
    self.nonFinitePolicy = policy
    self.mode = mode
    self.threads = threads ?? Machine.availableProcessors
    table = TensorTable(counts: layout.tensors.map(\.count))
    scales = Array(repeating: 1, count: layout.tensors.count)
    hasVelocity = Array(repeating: false, count: layout.tensors.count)
  }

  /// Takes one step with the tensors that are bound in the table.
  mutating func takeStep() throws(MomentumError) -> StepReport {
    let rule = rule
    try rule.validate()
    try clipping.validate(rule.convention)
    try mode.validate(clipping, nonFinitePolicy)
    let stage = ClipStage(clipping: clipping, convention: rule.convention, policy: nonFinitePolicy)
    let team = ThreadTeam(threads, elements: table.count)
    let outcome =
      mode == .onePass && !lastStepClipped && clipping.globalNorm != nil
      ? try updateInOnePass(rule, stage, team) : try updateInTwoPasses(rule, stage, team)
    guard !outcome.report.wasSkipped else { return StepReport(step: stepCount, clip: outcome.report) }

    for index in table.entries.indices where table.entries[index].gradient != nil {
      scales[index] = table.entries[index].newScale
      if rule.usesVelocity { hasVelocity[index] = true }
    }
    lastStepClipped = outcome.report.wasClipped
    stepCount += 1
    return StepReport(step: stepCount, clip: outcome.report)
  }

  private mutating func updateInTwoPasses(
    _ rule: any UpdateRule, _ stage: ClipStage, _ team: ThreadTeam
  ) throws(MomentumError) -> ClipStage.Outcome {
    let layout = layout
    let outcome = try stage.run(table, team) { layout.tensors[$0].name }
    guard !outcome.report.wasSkipped else { return outcome }
    if rule.usesVelocity { try bindDirection() }
    compile(rule, outcome)
    programs.withUnsafeBufferPointer { table.update($0, team) }
    return outcome
  }

  /// Compiles the program of every tensor; tensors in the same state share one.
  mutating func compile(_ rule: any UpdateRule, _ outcome: ClipStage.Outcome) {
    programs.removeAll(keepingCapacity: true)
    compiledSteps.removeAll(keepingCapacity: true)
    for index in table.entries.indices {
      guard table.entries[index].gradient != nil else {
        table.entries[index].program = -1
        continue
      }
      let state = TensorState(
        gradientFactor: table.entries[index].coefficient, velocityScale: scales[index],
        isFirstStep: !hasVelocity[index])
      if compiledSteps.last?.state != state {
        var program = StepProgram()
        if outcome.clearsNonFinite { program.append(.clearNonFinite(inPlace: false)) }
        if let bounds = outcome.bounds {
          program.append(.clamp(lower: bounds.lower, upper: bounds.upper, inPlace: false))
        }
        compiledSteps.append((state, rule.compile(state, into: &program)))
        programs.append(program)
      }
      table.entries[index].program = programs.count - 1
      table.entries[index].newScale = compiledSteps[programs.count - 1].scale
    }
  }

  /// Points every tensor at its part of the direction, which is made if need be.
  mutating func bindDirection() throws(MomentumError) {
    let base = try makeDirection()
    for index in table.entries.indices {
      table.entries[index].direction = base + table.entries[index].offset
    }
  }

  /// The direction's memory, made of zeros if there is none yet.
  mutating func makeDirection() throws(MomentumError) -> UnsafeMutablePointer<Scalar> {
    if let direction { return direction }
    let vector = try ParameterVector<Scalar>(layout, threads: threads)
    let base = vector.base
    directionStorage = consume vector
    direction = base
    return base
  }

  /// Forgets the direction.
  mutating func dropDirection() {
    direction = nil
    directionStorage = nil
  }

  /// The programs that the last step ran, one for each state that its tensors were in: what was compiled, and what it moves
  /// (``StepProgram/traffic``).
  public var lastPrograms: [StepProgram] { programs }

  /// What the last step measured of each tensor and did to it.
  ///
  /// - Complexity: O(n / 2048).
  public func tensorReports() -> [TensorReport] {
    let type = clipping.normType.simplified
    let measured = nonFinitePolicy != .propagate || !clipping.isEmpty
    return layout.tensors.enumerated().map { index, tensor in
      let entry = table.entries[index]
      var norm: Double?
      if measured, entry.gradient != nil {
        let partial = table.partial(of: index, type, table.sums)
        norm = (nonFinitePolicy == .zero ? partial.finiteNorm : partial.scaledNorm).double
      }
      return TensorReport(
        name: tensor.name, norm: norm, clipCoefficient: entry.coefficient.double,
        wasClipped: ClipStage.changes(entry.coefficient, Scalar.self))
    }
  }
}
