// A step, from the point where every tensor is bound to its memory.
extension Optimizer {
  /// Takes one step on the tensors bound in the table.
  ///
  /// - Parameters:
  ///   - divisor: The number that the bound gradients are divided by: 1, or of a sum the weight of all its parts.
  ///   - isMeasured: Whether the table holds the tile sums of the gradients already.
  ///   - meetings: Those with the owners of the model's other tensors, if there are any.
  @inline(__always)
  mutating func takeStep(
    divisor: ScaledDouble, isMeasured: Bool, _ meetings: NormMeetings? = nil
  ) throws(MomentumError) -> StepReport {
    let call = EngineCall.begin()
    defer { call.end() }
    let scale = adaptedLossScale.current
    guard table.usesHalves else {
      try computeStep(divisor, scale, isMeasured, meetings)
      lastHalvesWereFused = nil
      return report(scale)
    }
    table.clearHalfCounts(team)
    table.directionStep = stepCount + 1
    defer { table.directionStep = nil }
    try computeStep(divisor, scale, isMeasured, meetings)
    lastHalvesWereFused = table.ranLoopsOnly(team)
    let counts = table.halfCounts(team)
    outcome.report.overflowedElements = counts.overflowed
    return report(scale, lostUpdates: counts.lost)
  }

  /// The report of the step, put together where the caller wants it: handed on from function to function, it would be copied
  /// each time, which makes the processor wait for what it has just written.
  @inline(__always)
  private func report(_ lossScale: Double, lostUpdates: Int = 0) -> StepReport {
    StepReport(
      step: stepCount, clip: outcome.report, lossScale: lossScale, learningRate: rules.learningRate,
      momentum: rules.momentum, lostUpdates: lostUpdates)
  }

  // Not inlined: the compiler may move arithmetic of this function, but not the call of one.
  @inline(never)
  private mutating func computeStep(
    _ divisor: ScaledDouble, _ lossScale: Double, _ isMeasured: Bool, _ meetings: NormMeetings?
  ) throws(MomentumError) {
    try checkStep()
    stage.gradientFactor =
      lossScale == 1 && divisor == ScaledDouble(1) ? divisor : ScaledDouble(1) / (ScaledDouble(lossScale) * divisor)
    if let meetings {
      guard mode == .twoPass else {
        throw .invalidSetting(
          name: "mode", value: mode.rawValue, expected: "twoPass with an exchange, before which nothing is written")
      }
      try meetings.begin(gradientFactor: stage.gradientFactor, table)
    }
    // A step that failed after it had entered its norm must not count that norm twice.
    if stage.settings.adapts { stage.adaptive = adaptedLimit }
    let team = team.assembled()
    outcome = ClipStage.Outcome()
    lastStepSpeculated = false
    if mode == .onePass, !lastStepClipped, clipping.globalNorm != nil, !isMeasured {
      try updateInOnePass(team)
    } else {
      try updateInTwoPasses(team, isMeasured, meetings)
    }
  }

  /// Measures the gradients, decides about clipping, compiles the programs and runs the update.
  private mutating func updateInTwoPasses(
    _ team: ThreadTeam, _ isMeasured: Bool, _ meetings: NormMeetings?
  ) throws(MomentumError) {
    table.resetDecisions()
    if stage.settings.clipsValues {
      stage.bindBounds(table, &outcome)
      if meetings == nil, try updateWhileClamping(team, isMeasured: isMeasured) { return }
    }
    // Without clips, and under a policy that ignores NaN, reading the gradient first would be a wasted pass.
    if stage.settings.asksForNorm {
      if let meetings {
        try stage.decide(table, &outcome, team, isMeasured: isMeasured, meetings)
      } else {
        let measured =
          isMeasured && !outcome.clamps
          ? GradientMeasurement(total: table.totalNorm(stage.settings.normType, table.measured()))
          : table.measure(stage.measurementPlan(outcome), team)
        try stage.decide(measured, table, &outcome, team)
      }
      guard !outcome.report.wasSkipped else { return adapt() }
    }
    if rules.scaleUnits { try scaleUnits(outcome, team) }
    // An owner that waits for others holds no memory that it has not touched: the update touches it by the same shares.
    try bindState(threads: meetings == nil ? threads : 1)
    try compiler(clearsNonFinite: outcome.clearsNonFinite).compile(rules, states, into: programs)
    if let meetings { try meetings.agree(&outcome.report) } else { seekClampingLoop() }
    // Nothing fails from here on. State other than vectors is changed first, while it is in cache.
    commit()
    guard changesVectors else { return }
    if rules.transformTensors { matrixStage.takeOut(of: table) }
    table.update(programs, asVector: bound == .vector && !rules.transformTensors, team)
    if rules.transformTensors { matrixStage.run(programs, table, team) }
  }

  /// The compiler of this step, which turns rules into programs.
  func compiler(clearsNonFinite: Bool) -> StepCompiler<Scalar> {
    StepCompiler(
      table: table, gradientFactor: stage.gradientFactor, clearsNonFinite: clearsNonFinite, averaging: averaging,
      step: stepCount + 1)
  }

  /// Points every tensor at its part of the direction, the second moment and the average, which are allocated if they
  /// do not exist yet.
  ///
  /// - Parameter threads: The number of threads that touch new memory first; one leaves it to those that write it.
  mutating func bindState(threads: Int) throws(MomentumError) {
    if rules.useVelocity {
      table.bindDirections(try direction.make(layout, threads: threads))
    }
    // Where only some tensors have a second moment, the memory of the others is never touched, and costs nothing.
    if rules.useSecondMoment {
      table.secondMoment = try secondMoment.make(layout, threads: rules.allUseSecondMoment ? threads : 1)
    }
    if rules.transformTensors {
      try matrixStage.prepare(table, threads: self.threads) { rules.transform(ofGroup: $0) }
    }
    if averaging != nil {
      let base = try average.make(layout, threads: threads)
      for index in table.entries.indices {
        setIfChanged(&table.entry(index).pointee.average, to: base + table.entries[index].offset)
      }
    }
  }

  /// Keeps the state that the next step needs from this one.
  mutating func commit() {
    states.advance(table, rules, averages: averaging != nil)
    adapt()
    lastStepClipped = outcome.report.wasClipped
    stepCount += 1
  }

  /// Adapts the loss scale and the adaptive limit; also after a skipped step.
  private mutating func adapt() {
    if adaptedLossScale.growth != nil { adaptedLossScale.update(finite: outcome.report.nonFiniteCount == 0) }
    if stage.settings.adapts { adaptedLimit = stage.adaptive }
  }
}
