/// The program of the tensors that are in one state.
struct CompiledStep {
  /// All that a program depends on besides the settings of the step.
  struct Key: Equatable {
    let group: Int
    let state: TensorState
    let average: AverageState?
    let bounds: ValueBounds?
    let scalesClippingUnits: Bool
    let scalesRuleUnits: Bool
  }

  let key: Key
  /// The scales of velocity and average after the step.
  let scale: Double
  let averageScale: Double
}

// What a step does once it knows where the tensors lie.
extension Optimizer {
  /// Takes one step with the tensors that are bound in the table.
  ///
  /// - Parameters:
  ///   - microSteps: The number of gradients whose sum is bound; the step is taken with their mean.
  ///   - isMeasured: Whether the table holds the tile sums of the gradients already.
  mutating func takeStep(microSteps: Int, isMeasured: Bool) throws(MomentumError) -> StepReport {
    if !areSettingsChecked { try checkSettings() }
    try checkVelocities()
    let stage = clipStage()
    stage.gradientFactor =
      lossScale.current == 1 && microSteps == 1
      ? ScaledDouble(1) : ScaledDouble(1) / (ScaledDouble(lossScale.current) * Double(microSteps))
    // A step that failed after it had shown its norm must not have it count twice.
    if stage.adapts { stage.adaptive = adaptiveClipping }
    let team = team.assembled()
    var outcome = ClipStage.Outcome()
    if mode == .onePass, !lastStepClipped, clipping.globalNorm != nil, !isMeasured {
      try updateInOnePass(stage, &outcome, team)
    } else {
      try updateInTwoPasses(stage, &outcome, team, isMeasured)
    }
    let scale = lossScale.current
    if lossScale.growth != nil { lossScale.update(finite: outcome.report.nonFiniteCount == 0) }
    if stage.adapts { adaptiveClipping = stage.adaptive }
    guard !outcome.report.wasSkipped else {
      return StepReport(step: stepCount, clip: outcome.report, lossScale: scale)
    }

    for index in table.entries.indices where table.entries[index].gradient != nil {
      let entry = table.entries[index]
      let rule = rules.traits(of: entry.group)
      velocities[index].scale = entry.newScale
      if rule.usesVelocity {
        velocities[index].isSet = true
        velocities[index].keepsLearningRate = rule.keepsLearningRateInVelocity
      }
      if averaging != nil {
        averages[index].scale = entry.newAverageScale
        averages[index].count += 1
      }
    }
    lastStepClipped = outcome.report.wasClipped
    stepCount += 1
    return StepReport(step: stepCount, clip: outcome.report, lossScale: scale)
  }

  /// Checks all settings, and resolves the rules for this step.
  private mutating func checkSettings() throws(MomentumError) {
    if !areGroupsBound { bind(try ParameterGroup.membership(groups, of: layout)) }
    try rules.resolve(rule, groups, at: stepCount)
    try rules.validate(groups, clipping, averaging)
    try mode.validate(nonFinitePolicy, clipping, groups, averaging)
    try mode.validate(rules, lossScale, adaptiveClipping)
    checkedStage = clipStage()
    areSettingsChecked = rules.holdForEveryStep
  }

  /// Tells every tensor its group.
  mutating func bind(_ membership: [Int?]) {
    for (index, group) in membership.enumerated() { table.entries[index].group = group ?? -1 }
    areGroupsBound = true
  }

  /// How gradients are measured and clipped with the current settings.
  func clipStage() -> ClipStage {
    if areSettingsChecked, let checkedStage { return checkedStage }
    // A gradient that is not finite tells a dynamic loss scale that it was too large: nothing is lost but the step.
    let stage = ClipStage(
      clipping, groups: groups.map(\.clipping), convention: rule.convention,
      policy: lossScale.growth == nil ? nonFinitePolicy : .skipStep, adaptive: adaptiveClipping)
    stage.gradientFactor = ScaledDouble(1) / ScaledDouble(lossScale.current)
    return stage
  }

  /// Refuses to go on with a velocity whose numbers mean something else to the rule.
  private func checkVelocities() throws(MomentumError) {
    for index in velocities.indices where velocities[index].isSet && table.entries[index].gradient != nil {
      let rule = rules.traits(of: table.entries[index].group)
      guard rule.usesVelocity, rule.keepsLearningRateInVelocity != velocities[index].keepsLearningRate else { continue }
      throw .invalidSetting(
        name: "rule of tensor '\(layout.tensors[index].name)'",
        value: rule.keepsLearningRateInVelocity
          ? "one that keeps the learning rate in the velocity" : "one that keeps the learning rate out of the velocity",
        expected:
          "the kind that made the velocity, or convertVelocity(toKeepLearningRate:learningRate:) before the step")
    }
  }

  private mutating func updateInTwoPasses(
    _ stage: ClipStage, _ outcome: inout ClipStage.Outcome, _ team: ThreadTeam, _ isMeasured: Bool
  ) throws(MomentumError) {
    try stage.run(table, &outcome, team, isMeasured: isMeasured)
    guard !outcome.report.wasSkipped else { return }
    if rules.scaleUnits { try scaleUnits(stage, outcome, team) }
    try bindState()
    compile(outcome, stage.gradientFactor)
    programs.withUnsafeBufferPointer { table.update($0, team) }
  }

  /// Compiles the program of every tensor; tensors in the same state share one.
  mutating func compile(_ outcome: ClipStage.Outcome, _ gradientFactor: ScaledDouble) {
    compiledSteps.removeAll(keepingCapacity: true)
    for index in table.entries.indices {
      let entry = table.entries[index]
      guard entry.gradient != nil else {
        table.entries[index].program = -1
        continue
      }
      let velocity = velocities[index]
      let state = TensorState(
        gradientFactor: entry.coefficient * gradientFactor * entry.ruleFactor, velocityScale: velocity.scale,
        isFirstStep: !velocity.isSet, unitFactor: entry.ruleFactor)
      let key = CompiledStep.Key(
        group: entry.group, state: state, average: averaging == nil ? nil : averages[index], bounds: entry.bounds,
        scalesClippingUnits: entry.clipFactors != nil, scalesRuleUnits: entry.ruleFactors != nil)
      if compiledSteps.last?.key != key {
        // In place, over one of an earlier step: programs are too large to make and copy one for every short tensor.
        let last = compiledSteps.count
        if last == programs.count { programs.append(StepProgram()) } else { programs[last].removeAll() }
        if outcome.clearsNonFinite { programs[last].append(.clearNonFinite(inPlace: false)) }
        if let bounds = entry.bounds {
          programs[last].append(.clamp(lower: bounds.lower, upper: bounds.upper, inPlace: false))
        }
        if key.scalesClippingUnits { programs[last].append(.scaleUnits(.clipping, inPlace: false)) }
        if key.scalesRuleUnits { programs[last].append(.scaleUnits(.rule, inPlace: false)) }
        let scale = rules[entry.group].compile(state, into: &programs[last])
        let averageScale = averaging?.compile(averages[index], step: stepCount + 1, into: &programs[last]) ?? 1
        compiledSteps.append(CompiledStep(key: key, scale: scale, averageScale: averageScale))
      }
      let last = compiledSteps.count - 1
      table.entries[index].program = last
      table.entries[index].newScale = compiledSteps[last].scale
      table.entries[index].newAverageScale = compiledSteps[last].averageScale
    }
  }

  /// Points every tensor at its part of the direction and of the average, which are made if need be.
  mutating func bindState() throws(MomentumError) {
    if rules.useVelocity {
      let base = try direction.make(layout, threads: threads)
      for index in table.entries.indices { table.entries[index].direction = base + table.entries[index].offset }
    }
    if averaging != nil {
      let base = try average.make(layout, threads: threads)
      for index in table.entries.indices { table.entries[index].average = base + table.entries[index].offset }
    }
  }
}
