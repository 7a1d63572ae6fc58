// What a step does once it knows where the tensors lie.
extension Optimizer {
  /// Takes one step with the tensors that are bound in the table.
  ///
  /// - Parameters:
  ///   - microSteps: The number of gradients whose sum is bound; the step is taken with their mean.
  ///   - isMeasured: Whether the table holds the tile sums of the gradients already.
  mutating func takeStep(microSteps: Int, isMeasured: Bool) throws(MomentumError) -> StepReport {
    if areSettingsChecked, rules.holdForEveryStep { try checkVelocities() } else { try checkSettings() }
    stage.gradientFactor =
      lossScale.current == 1 && microSteps == 1
      ? ScaledDouble(1) : ScaledDouble(1) / (ScaledDouble(lossScale.current) * Double(microSteps))
    // A step that failed after it had shown its norm must not have it count twice.
    if stage.settings.adapts { stage.adaptive = adaptiveClipping }
    let (scale, team) = (lossScale.current, team.assembled())
    var outcome = ClipStage.Outcome()
    if mode == .onePass, !lastStepClipped, clipping.globalNorm != nil, !isMeasured {
      try updateInOnePass(&outcome, team)
    } else {
      try updateInTwoPasses(&outcome, team, isMeasured)
    }
    return StepReport(step: stepCount, clip: outcome.report, lossScale: scale)
  }

  private mutating func updateInTwoPasses(
    _ outcome: inout ClipStage.Outcome, _ team: ThreadTeam, _ isMeasured: Bool
  ) throws(MomentumError) {
    try stage.run(table, &outcome, team, isMeasured: isMeasured)
    guard !outcome.report.wasSkipped else { return adaptLimits(outcome.report) }
    if rules.scaleUnits { try scaleUnits(outcome, team) }
    try bindState()
    compile(clearsNonFinite: outcome.clearsNonFinite, stage.gradientFactor)
    // Nothing fails from here on. What the step changes besides vectors comes first, while it is in cache.
    commit(outcome.report)
    table.update(programs.all, team)
  }

  /// Keeps what the next step has to know of this one.
  mutating func commit(_ report: ClipReport) {
    for index in table.entries.indices where table.entries[index].gradient != nil {
      let decision = table.decision(index)
      let rule = rules.traits(of: decision.pointee.group)
      velocities[index].scale = decision.pointee.newScale
      if rule.usesVelocity {
        velocities[index].isSet = true
        velocities[index].keepsLearningRate = rule.keepsLearningRateInVelocity
      }
      if averaging != nil {
        averages[index].scale = decision.pointee.newAverageScale
        averages[index].count += 1
      }
    }
    adaptLimits(report)
    lastStepClipped = report.wasClipped
    stepCount += 1
  }

  /// Keeps what a step teaches that was skipped, too.
  private mutating func adaptLimits(_ report: ClipReport) {
    if lossScale.growth != nil { lossScale.update(finite: report.nonFiniteCount == 0) }
    if stage.settings.adapts { adaptiveClipping = stage.adaptive }
  }

  /// Checks all settings, and resolves the rules for this step.
  private mutating func checkSettings() throws(MomentumError) {
    let haveChanged = !areSettingsChecked
    // Until all of it has passed: a step after one that was refused looks again.
    areSettingsChecked = false
    if !areGroupsBound { bind(try ParameterGroup.membership(groups, of: layout)) }
    try rules.resolve(rule, groups, at: stepCount)
    try rules.validate(groups, clipping, averaging)
    try mode.validate(nonFinitePolicy, clipping, groups, averaging)
    try mode.validate(rules, lossScale, adaptiveClipping)
    try checkVelocities()
    // Last, so that until a step is taken reports are those of the one before.
    if haveChanged { stage.settings = clipSettings }
    areSettingsChecked = true
  }

  /// Tells every tensor its group.
  mutating func bind(_ membership: [Int?]) {
    for (index, group) in membership.enumerated() { table.decisions[index].group = group ?? -1 }
    areGroupsBound = true
  }

  /// How gradients are measured and clipped with the current settings.
  var clipSettings: ClipSettings {
    if areSettingsChecked { return stage.settings }
    // A gradient that is not finite tells a dynamic loss scale that it was too large: nothing is lost but the step.
    return ClipSettings(
      clipping, groups: groups.map(\.clipping), convention: rule.convention,
      policy: lossScale.growth == nil ? nonFinitePolicy : .skipStep, adapts: adaptiveClipping != nil)
  }

  /// Refuses to go on with a velocity whose numbers mean something else to the rule.
  private func checkVelocities() throws(MomentumError) {
    for index in velocities.indices where velocities[index].isSet && table.entries[index].gradient != nil {
      let rule = rules.traits(of: table.decisions[index].group)
      guard rule.usesVelocity, rule.keepsLearningRateInVelocity != velocities[index].keepsLearningRate else { continue }
      throw .invalidSetting(
        name: "rule of tensor '\(layout.tensors[index].name)'",
        value: rule.keepsLearningRateInVelocity
          ? "one that keeps the learning rate in the velocity" : "one that keeps the learning rate out of the velocity",
        expected:
          "the kind that made the velocity, or convertVelocity(toKeepLearningRate:learningRate:) before the step")
    }
  }

  /// Compiles the program of every tensor; neighbours in the same state share one.
  func compile(clearsNonFinite: Bool, _ gradientFactor: ScaledDouble) {
    programs.removeAll()
    // The tensor that the last program was compiled for.
    var leader = -1
    for index in table.entries.indices {
      guard table.entries[index].gradient != nil else {
        setIfChanged(&table.entry(index).pointee.program, to: -1)
        continue
      }
      if leader >= 0, areInTheSameState(leader, index) {
        table.decisions[index].newScale = table.decisions[leader].newScale
        table.decisions[index].newAverageScale = table.decisions[leader].newAverageScale
      } else {
        leader = index
        compileProgram(of: index, clearsNonFinite, gradientFactor)
      }
      setIfChanged(&table.entry(index).pointee.program, to: programs.count - 1)
    }
  }

  /// Whether all that a program depends on, besides the settings of the step, is the same for two tensors.
  private func areInTheSameState(_ first: Int, _ second: Int) -> Bool {
    let (x, y) = (table.decision(first), table.decision(second))
    return x.pointee.group == y.pointee.group && x.pointee.coefficient == y.pointee.coefficient
      && velocities[first].scale == velocities[second].scale && velocities[first].isSet == velocities[second].isSet
      && x.pointee.ruleFactor == y.pointee.ruleFactor && x.pointee.bounds == y.pointee.bounds
      && (x.pointee.clipFactors == nil) == (y.pointee.clipFactors == nil)
      && (x.pointee.ruleFactors == nil) == (y.pointee.ruleFactors == nil)
      && (averaging == nil || averages[first] == averages[second])
  }

  private func compileProgram(of index: Int, _ clearsNonFinite: Bool, _ gradientFactor: ScaledDouble) {
    let (decision, program) = (table.decision(index), programs.append())
    if clearsNonFinite { program.pointee.append(.clearNonFinite(inPlace: false)) }
    if let bounds = decision.pointee.bounds {
      program.pointee.append(.clamp(lower: bounds.lower, upper: bounds.upper, inPlace: false))
    }
    if decision.pointee.clipFactors != nil { program.pointee.append(.scaleUnits(.clipping, inPlace: false)) }
    if decision.pointee.ruleFactors != nil { program.pointee.append(.scaleUnits(.rule, inPlace: false)) }
    decision.pointee.newScale = rules[decision.pointee.group].compile(
      state(of: index, gradientFactor), into: &program.pointee)
    decision.pointee.newAverageScale =
      averaging?.compile(averages[index], step: stepCount + 1, into: &program.pointee) ?? 1
  }

  /// What a rule is told of a tensor.
  func state(of index: Int, _ gradientFactor: ScaledDouble) -> TensorState {
    let decision = table.decision(index)
    return TensorState(
      gradientFactor: decision.pointee.coefficient * gradientFactor * decision.pointee.ruleFactor,
      velocityScale: velocities[index].scale, isFirstStep: !velocities[index].isSet,
      unitFactor: decision.pointee.ruleFactor)
  }

  /// Points every tensor at its part of the direction and of the average, which are made if need be.
  mutating func bindState() throws(MomentumError) {
    if rules.useVelocity {
      let base = try direction.make(layout, threads: threads)
      for index in table.entries.indices {
        setIfChanged(&table.entry(index).pointee.direction, to: base + table.entries[index].offset)
      }
    }
    if averaging != nil {
      let base = try average.make(layout, threads: threads)
      for index in table.entries.indices {
        setIfChanged(&table.entry(index).pointee.average, to: base + table.entries[index].offset)
      }
    }
  }
}
