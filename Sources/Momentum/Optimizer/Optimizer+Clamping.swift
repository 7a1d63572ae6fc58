// A step that clips by value, and has no other limit.
extension Optimizer {
  /// Measures the gradients as they are, and leaves to the update what their report has of the clip: the norm behind it, and
  /// how many elements it has changed.
  ///
  /// - Returns: `false`, and nothing has been written, for all other steps: where tensors have several programs or one without a
  ///   loop that sums what it clamps, and where an element is not finite, which the policy decides about.
  mutating func updateWhileClamping(_ team: ThreadTeam, isMeasured: Bool) throws(MomentumError) -> Bool {
    guard changesVectors, outcome.clamps, table.tiles > 1, stage.settings.clampsForReportOnly, !table.usesHalves,
      table.tell == nil,
      kernels.prefersLoops, !rules.scaleUnits, !rules.transformTensors
    else { return false }
    try bindState(threads: threads)
    // Before the norm is known: no coefficient depends on it.
    try compiler(clearsNonFinite: false).compile(rules, states, into: programs)
    guard let pass = ClampingPass(table, programs) else { return false }

    let plan = MeasurementPlan(type: .l2, algorithm: .blas, clamps: false, clearsNonFinite: false)
    let measured =
      isMeasured
      ? GradientMeasurement(total: table.totalNorm(.l2, table.measured())) : table.measure(plan, team)
    guard measured.total.nanCount + measured.total.infinityCount == 0 else { return false }
    stage.report(measured, stage.value(measured.total), &outcome)
    commit()
    stage.reportClamped(pass.run(team), table, &outcome)
    return true
  }
}
