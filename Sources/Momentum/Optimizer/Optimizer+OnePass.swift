// A step that reads the gradient once, see ``StepMode/onePass``.
extension Optimizer {
  /// Sums and updates in one pass, then corrects or completes the update if something has to be clipped.
  mutating func updateInOnePass(_ team: ThreadTeam) throws(MomentumError) {
    table.resetDecisions()
    outcome.clearsNonFinite = nonFinitePolicy == .zero
    try bindState(threads: threads)
    try compilePrograms()
    // A rule that cannot correct a step must not take one before the norm is known.
    if !rules.correctEveryStep || !correctionsAreChecked {
      try compileCorrections(by: ScaledDouble(0))
      correctionsAreChecked = true
    }

    let limit = (ScaledDouble(clipping.globalNorm ?? .infinity) / stage.gradientFactor).double
    let loop =
      table.usesHalves ? nil : programs.onlyLoop(table.kernels, cacheBytes: table.cacheBytes, speculates: true)
    speculation.run(
      table, programs.all, loop, largestSum: limit * limit, algorithm: stage.settings.algorithm,
      ignoresNonFinite: outcome.clearsNonFinite, team)
    let measured = GradientMeasurement(total: table.totalNorm(stage.settings.normType, table.measured()))
    try stage.decide(measured, table, &outcome, team)
    outcome.clearsNonFinite = nonFinitePolicy == .zero

    let isDone = !outcome.report.wasClipped && speculation.updatedAll
    lastStepSpeculated = isDone && stage.settings.algorithm == .blas
    if !isDone {
      corrections.removeAll()
      if outcome.report.wasClipped {
        // All tensors have the same coefficient, so the same tensors share programs as before, and the numbers of the
        // programs stay valid.
        try compilePrograms()
        // Rules were checked before, with another factor: one that corrects some steps only, against its word, is found too
        // late.
        try compileCorrections(by: (ScaledDouble(outcome.report.clipCoefficient) + -1) * stage.gradientFactor)
        // A copy that is corrected is written, and counted, once more.
        if table.usesHalves { table.clearLosses(team) }
      }
      speculation.finish(table, updated: corrections.all, rest: programs.all, team)
    }
    commit()
  }

  /// Throws if a rule cannot correct the step that comes next.
  func checkCorrections() throws(MomentumError) {
    guard try compiler(clearsNonFinite: false).correctsAll(rules, states, into: corrections) else {
      throw cannotCorrect
    }
  }

  private var cannotCorrect: MomentumError {
    .invalidSetting(name: "mode", value: mode.rawValue, expected: "twoPass for this update rule")
  }

  // A compiler is made for each call: one that was kept would be counted, which takes longer.
  @inline(__always)
  private func compilePrograms() throws(MomentumError) {
    try compiler(clearsNonFinite: nonFinitePolicy == .zero).compile(rules, states, into: programs)
  }

  private func compileCorrections(by change: ScaledDouble) throws(MomentumError) {
    let compiler = compiler(clearsNonFinite: nonFinitePolicy == .zero)
    guard try compiler.compileCorrections(by: change, rules, states, into: corrections) else { throw cannotCorrect }
  }
}
