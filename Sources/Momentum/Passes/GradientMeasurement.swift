/// The settings for measuring the gradients of a table.
struct MeasurementPlan: Sendable {
  let type: NormType
  let algorithm: NormAlgorithm
  /// Whether to measure also the gradients as they will be after clipping by value to the bounds of their tensors.
  let clamps: Bool
  /// Whether NaN and infinite elements are replaced by 0 before clipping by value.
  let clearsNonFinite: Bool
}

/// The measurement of gradients, before any decision.
///
/// The total is a ``NormPartial``, so that the measurement of other parts of the gradient can be merged into it,
/// together with their numbers of NaN and infinite elements.
struct GradientMeasurement {
  /// The norm of all tensors, as their gradients are in memory.
  var total: NormPartial
  /// The number of elements that clipping by value will change.
  var valueClippedCount = 0
}

extension TensorTable {
  /// Measures all gradients, and leaves the sum of each tile in the table.
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

  /// The divisor of the elements that keeps their powers from overflowing: the largest magnitude that the last pass
  /// found, or 1.
  private func largestMagnitude(_ plan: MeasurementPlan) -> Double {
    var largest = total(.infinity, sums).finiteNorm.double
    if plan.clamps { largest = max(largest, total(.infinity, clampedSums).finiteNorm.double) }
    return largest > 0 ? largest : 1
  }
}
