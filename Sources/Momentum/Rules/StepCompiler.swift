/// Compiles the programs of one step: for each tensor, the operations of its rule, after the decisions of clipping.
///
/// A view of the optimizer's data, which lives for one call.
struct StepCompiler<Scalar: BLASScalar> {
  let table: TensorTable<Scalar>
  /// The factor of all gradients besides their coefficients.
  let gradientFactor: ScaledDouble
  /// Whether NaN and infinite elements count as 0.
  let clearsNonFinite: Bool
  let averaging: WeightAveraging?
  /// The number of the step, 1 for the first.
  let step: Int

  /// Compiles the program of every tensor; neighbours in the same state share one.
  ///
  /// Stores the scales after the step and each tensor's program number in the table.
  ///
  /// - Throws: ``MomentumError/invalidProgram(tensor:operation:fault:)``.
  func compile(
    _ rules: borrowing StepRules, _ states: borrowing VectorStates, into programs: ProgramBuffer<Scalar>
  ) throws(MomentumError) {
    programs.removeAll()
    // The tensor for which the last program was compiled.
    var leader = -1
    for index in table.entries.indices {
      guard table.entries[index].gradient != nil else {
        setIfChanged(&table.entry(index).pointee.program, to: -1)
        continue
      }
      if leader >= 0, areInTheSameState(leader, index, states), haveTheSameShape(leader, index, rules) {
        table.decisions[index].newScale = table.decisions[leader].newScale
        table.decisions[index].newAverageScale = table.decisions[leader].newAverageScale
      } else {
        leader = index
        try compileProgram(of: index, rules, states, into: programs.append())
      }
      setIfChanged(&table.entry(index).pointee.program, to: programs.count - 1)
    }
  }

  /// Compiles, for every program, the correction that turns its step into the step with another gradient factor.
  ///
  /// - Returns: Whether all rules can be corrected.
  /// - Throws: ``MomentumError/invalidProgram(tensor:operation:fault:)``.
  func compileCorrections(
    by change: ScaledDouble, _ rules: borrowing StepRules, _ states: borrowing VectorStates,
    into corrections: ProgramBuffer<Scalar>
  ) throws(MomentumError) -> Bool {
    corrections.removeAll()
    for index in table.entries.indices where table.entries[index].program == corrections.count {
      guard try compileCorrection(of: index, by: change, rules, states, into: corrections.append()) else {
        return false
      }
    }
    return true
  }

  /// Whether the next step of every tensor can be corrected, of those that have no gradient yet too.
  ///
  /// - Throws: As ``compileCorrections(by:_:_:into:)``.
  func correctsAll(
    _ rules: borrowing StepRules, _ states: borrowing VectorStates, into corrections: ProgramBuffer<Scalar>
  ) throws(MomentumError) -> Bool {
    defer { corrections.removeAll() }
    for index in table.entries.indices {
      // A velocity that its rule would misread refuses the step, if the tensor has a gradient then.
      guard !states.velocities[index].conflicts(with: rules.traits(of: table.decisions[index].group)) else { continue }
      corrections.removeAll()
      try compileProgram(of: index, rules, states, into: corrections.append())
      corrections.removeAll()
      guard try compileCorrection(of: index, by: ScaledDouble(0), rules, states, into: corrections.append()) else {
        return false
      }
    }
    return true
  }

  private func compileCorrection(
    of index: Int, by change: ScaledDouble, _ rules: borrowing StepRules, _ states: borrowing VectorStates,
    into program: UnsafeMutablePointer<StepProgram>
  ) throws(MomentumError) -> Bool {
    forEachOwn(of: index) { program.pointee.append($0) }
    let group = table.decisions[index].group
    let before = program.pointee.beginRule()
    let isPossible = rules[group].compileCorrection(
      state(of: index, states, rules.traits(of: group)), change: change, scale: table.decisions[index].newScale,
      into: &program.pointee)
    guard isPossible else { return false }
    try check(program, behind: before, rules.traits(of: group), tensor: index)
    try checkLength(program, tensor: index)
    return true
  }

  /// Whether two tensors agree in everything that a program depends on, besides the settings of the step.
  private func areInTheSameState(_ first: Int, _ second: Int, _ states: borrowing VectorStates) -> Bool {
    let (x, y) = (table.decision(first), table.decision(second))
    return x.pointee.group == y.pointee.group && x.pointee.coefficient == y.pointee.coefficient
      && states.velocities[first].scale == states.velocities[second].scale
      && states.velocities[first].isSet == states.velocities[second].isSet
      && states.velocities[first].keepsLearningRate == states.velocities[second].keepsLearningRate
      && states.velocities[first].secondMomentSteps == states.velocities[second].secondMomentSteps
      && x.pointee.ruleFactor == y.pointee.ruleFactor && x.pointee.bounds == y.pointee.bounds
      && (x.pointee.clipFactors == nil) == (y.pointee.clipFactors == nil)
      && (x.pointee.ruleFactors == nil) == (y.pointee.ruleFactors == nil)
      && (averaging == nil || states.averages[first] == states.averages[second])
  }

  /// Whether two tensors of a group agree in their shapes, if its rule may look at them.
  @inline(__always)
  private func haveTheSameShape(_ first: Int, _ second: Int, _ rules: borrowing StepRules) -> Bool {
    !rules.traits(of: table.decision(first).pointee.group).dependsOnShape || table.shapes.isEmpty
      || table.shapes[first] == table.shapes[second]
  }

  private func compileProgram(
    of index: Int, _ rules: borrowing StepRules, _ states: borrowing VectorStates,
    into program: UnsafeMutablePointer<StepProgram>
  ) throws(MomentumError) {
    let decision = table.decision(index)
    forEachOwn(of: index) { program.pointee.append($0) }
    let group = decision.pointee.group
    let traits = rules.traits(of: group)
    if states.velocities[index].conflicts(with: traits) { throw traits.conflict(tensor: table.name(of: index)) }
    program.pointee.keepsDigitsOfDirection = table.hasHalfDirection
    let before = program.pointee.beginRule()
    let state = state(of: index, states, traits)
    let scale = rules[group].compile(state, into: &program.pointee)
    try check(program, behind: before, traits, tensor: index)
    decision.pointee.newScale =
      traits.usesVelocity ? try contain(scale, program, tensor: index) : states.velocities[index].scale
    decision.pointee.newAverageScale =
      averaging?.compile(states.averages[index], step: step, into: &program.pointee) ?? 1
    try checkLength(program, tensor: index)
  }

  /// Calls `body` with the operations that prepare the gradient, which the engine puts before those of a rule.
  @inline(__always)
  func forEachOwn(of index: Int, _ body: (StepOperation) -> Void) {
    let decision = table.decision(index)
    if clearsNonFinite { body(.clearNonFinite(inPlace: false)) }
    if let bounds = decision.pointee.bounds {
      body(.clamp(lower: bounds.lower, upper: bounds.upper, inPlace: false))
    }
    if decision.pointee.clipFactors != nil { body(.scaleUnits(.clipping, inPlace: false)) }
    if decision.pointee.ruleFactors != nil { body(.scaleUnits(.rule, inPlace: false)) }
  }

  /// The scale after a step. A rule may let it run, and with it the direction towards the end of the element type; then
  /// the direction takes it in.
  @inline(__always)
  private func contain(
    _ scale: Double, _ program: UnsafeMutablePointer<StepProgram>, tensor index: Int
  ) throws(MomentumError) -> Double {
    if scale >= StepProgram.leastScale, scale <= StepProgram.largestScale { return scale }
    guard scale > 0, scale.isFinite else {
      throw .invalidProgram(
        tensor: table.name(of: index), operation: program.pointee.count, fault: .invalidScale(scale))
    }
    program.pointee.append(.scal(factor: ScaledDouble(scale), .direction))
    return 1
  }

  /// The state of a tensor, as its rule sees it.
  @inline(__always)
  private func state(
    of index: Int, _ states: borrowing VectorStates, _ rule: StepRules.Traits
  ) -> TensorState {
    let (decision, velocity) = (table.decision(index), states.velocities[index])
    return TensorState(
      gradientFactor: decision.pointee.coefficient * gradientFactor * decision.pointee.ruleFactor,
      velocityScale: velocity.scale, isFirstStep: !velocity.isSet, unitFactor: decision.pointee.ruleFactor,
      secondMomentSteps: velocity.secondMomentSteps, step: step,
      shape: rule.dependsOnShape && !table.shapes.isEmpty ? table.shapes[index] : [])
  }
}
