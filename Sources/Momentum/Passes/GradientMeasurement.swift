/// How the gradients of a table are to be measured.
struct MeasurementPlan: Sendable {
  let type: NormType
  let algorithm: NormAlgorithm
  /// Also measure the gradients as they will be after clipping by value to the bounds of their tensors.
  let clamps: Bool
  /// Measure the values after clipping by value with infinite elements moved to their bound, rather than left out.
  let clearsNonFinite: Bool
}

/// What was measured of gradients, before anything is decided by it.
///
/// The total is a ``NormPartial``: what was measured of other parts of the gradient can be merged into it, and the numbers of
/// NaN and infinite elements with it.
struct GradientMeasurement {
  /// The norm of all tensors, as their gradients are in memory.
  var total: NormPartial
  /// How many elements clipping by value will change.
  var valueClippedCount = 0
}

extension TensorTable {
  /// Measures all gradients. Leaves what was measured of each tile behind.
  ///
  /// - Complexity: Reads every gradient once, twice for a general p.
  func measure(_ plan: MeasurementPlan, _ team: ThreadTeam) -> GradientMeasurement {
    var pass = ReducePlan(measure: .maximum, clamps: plan.clamps, clearsNonFinite: plan.clearsNonFinite)
    divisor = 1
    if case .p = plan.type.form {
      _ = reduce(pass, team)
      divisor = largestMagnitude(plan)
    }
    pass.measure = TileMeasure(plan.type, plan.algorithm, divisor: divisor)
    let changed = reduce(pass, team)
    return GradientMeasurement(total: total(plan.type, sums), valueClippedCount: changed)
  }

  /// What powers are divided by so that none overflows: the largest magnitude that the last pass has met, or 1.
  private func largestMagnitude(_ plan: MeasurementPlan) -> Double {
    var largest = total(.infinity, sums).finiteNorm.double
    if plan.clamps { largest = max(largest, total(.infinity, clampedSums).finiteNorm.double) }
    return largest > 0 ? largest : 1
  }
}
