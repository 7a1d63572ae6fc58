// A step that reads the gradient once, see ``StepMode/onePass``.
extension Optimizer {
  /// Sums and updates at once, then corrects or completes what clipping asks for.
  mutating func updateInOnePass(
    _ outcome: inout ClipStage.Outcome, _ team: ThreadTeam
  ) throws(MomentumError) {
    table.resetDecisions()
    outcome.clearsNonFinite = nonFinitePolicy == .zero
    try bindState()
    let compiler = compiler(clearsNonFinite: outcome.clearsNonFinite)
    compiler.compile(rules, states, into: programs)
    // A rule that cannot correct a step must not take one too early.
    guard compiler.compileCorrections(by: ScaledDouble(0), rules, states, into: corrections) else {
      throw .invalidSetting(name: "mode", value: mode.rawValue, expected: "twoPass for this update rule")
    }

    let limit = (ScaledDouble(clipping.globalNorm ?? .infinity) / stage.gradientFactor).double
    speculation.run(
      table, programs.all, largestSum: limit * limit, algorithm: clipping.algorithm,
      ignoresNonFinite: outcome.clearsNonFinite, team)
    let measured = GradientMeasurement(total: table.total(stage.settings.normType, table.sums))
    try stage.decide(measured, table, &outcome, team)
    outcome.clearsNonFinite = nonFinitePolicy == .zero

    if outcome.report.wasClipped || !speculation.updatedAll {
      corrections.removeAll()
      if outcome.report.wasClipped {
        // The whole has one coefficient, so the tensors share programs as they did before, by the same numbers.
        compiler.compile(rules, states, into: programs)
        let change = (ScaledDouble(outcome.report.clipCoefficient) + -1) * stage.gradientFactor
        _ = compiler.compileCorrections(by: change, rules, states, into: corrections)
      }
      speculation.finish(table, updated: corrections.all, rest: programs.all, team)
    }
    commit(outcome.report)
  }
}
