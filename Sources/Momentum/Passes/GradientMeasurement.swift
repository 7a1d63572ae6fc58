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
