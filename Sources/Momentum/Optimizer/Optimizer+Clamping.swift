// A step that clips by value, and has no other limit.
extension Optimizer {
  /// Measures the gradients as they are, and leaves to the update what their report has of the clip: the norm behind it, and
  /// how many elements it has changed.
  ///
  /// - Returns: `false`, and no vector has been written, for all other steps: where the programs of the last step had no loop
  ///   for it, or those of this step have none, and where an element is not finite, which the policy decides about.
  mutating func updateWhileClamping(_ team: ThreadTeam, isMeasured: Bool) throws(MomentumError) -> Bool {
    guard hadClampingLoop, clampsForReportOnly, changesVectors, table.tell == nil else { return false }
    let plan = MeasurementPlan(type: .l2, algorithm: .blas, clamps: false, clearsNonFinite: false)
    let measured =
      isMeasured
      ? GradientMeasurement(total: table.totalNorm(.l2, table.measured())) : table.measure(plan, team)
    guard measured.total.nanCount + measured.total.infinityCount == 0 else { return false }
    try bindState(threads: threads)
    try compiler(clearsNonFinite: false).compile(rules, states, into: programs)
    guard let loop = ClampingPass.loop(of: programs, table) else { return false }
    stage.report(measured, stage.value(measured.total), &outcome)
    commit()
    let changed = ClampingPass.run(loop, table, team)
    stage.reportClamped(changed, table, &outcome)
    return true
  }

  /// Keeps in mind whether the programs of this step have the loop that the next step might sum with: before a step has
  /// compiled its own, it must know what to measure.
  @inline(__always)
  mutating func seekClampingLoop() {
    hadClampingLoop = clampsForReportOnly && ClampingPass.loop(of: programs, table) != nil
  }

  /// Whether nothing but the report of this step depends on what clipping by value leaves. A single tile takes no longer to be
  /// measured before.
  private var clampsForReportOnly: Bool {
    stage.settings.clampsForReportOnly && outcome.clamps && table.tiles > 1 && !table.usesHalves && !rules.scaleUnits
      && !rules.transformTensors && table.allHaveBounds
  }
}

extension TensorTable {
  /// Whether every tensor with a gradient is clipped by value. The program of one that is not may clamp for reasons of its rule.
  fileprivate var allHaveBounds: Bool {
    for index in entries.indices where entry(index).pointee.gradient != nil && decision(index).pointee.bounds == nil {
      return false
    }
    return true
  }
}
