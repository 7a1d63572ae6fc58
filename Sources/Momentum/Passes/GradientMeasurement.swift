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
