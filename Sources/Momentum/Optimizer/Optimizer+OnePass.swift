// A step that reads the gradient once, see ``StepMode/onePass``.
extension Optimizer {
  /// Sums and updates in one pass, then corrects or completes the update if something has to be clipped.
  mutating func updateInOnePass(_ team: ThreadTeam) throws(MomentumError) {
    table.resetDecisions()
    outcome.clearsNonFinite = nonFinitePolicy == .zero
    try bindState(threads: threads)
    let compiler = compiler(clearsNonFinite: outcome.clearsNonFinite)
    try compiler.compile(rules, states, into: programs)
    // A rule that cannot correct a step must not take one before the norm is known.
    if !rules.correctEveryStep || !correctionsAreChecked {
      try compileCorrections(by: ScaledDouble(0), compiler)
      correctionsAreChecked = true
    }

    let limit = (ScaledDouble(clipping.globalNorm ?? .infinity) / stage.gradientFactor).double
    speculation.run(
      table, programs.all, largestSum: limit * limit, algorithm: clipping.algorithm,
      ignoresNonFinite: outcome.clearsNonFinite, team)
    let measured = GradientMeasurement(total: table.totalNorm(stage.settings.normType, table.measured()))
    try stage.decide(measured, table, &outcome, team)
    outcome.clearsNonFinite = nonFinitePolicy == .zero

    if outcome.report.wasClipped || !speculation.updatedAll {
      corrections.removeAll()
      if outcome.report.wasClipped {
        // All tensors have the same coefficient, so the same tensors share programs as before, and the numbers of the
        // programs stay valid.
        try compiler.compile(rules, states, into: programs)
        // Rules were checked before, with another factor: one that corrects some steps only, against its word, is found too
        // late.
        try compileCorrections(by: (ScaledDouble(outcome.report.clipCoefficient) + -1) * stage.gradientFactor, compiler)
      }
      speculation.finish(table, updated: corrections.all, rest: programs.all, team)
    }
    commit()
  }

  private func compileCorrections(
    by change: ScaledDouble, _ compiler: StepCompiler<Scalar>
  ) throws(MomentumError) {
    guard try compiler.compileCorrections(by: change, rules, states, into: corrections) else {
      throw .invalidSetting(name: "mode", value: mode.rawValue, expected: "twoPass for this update rule")
    }
  }
}
