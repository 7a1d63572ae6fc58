/// The measurement of gradients, before any decision.
struct GradientMeasurement {
  /// The norm of all tensors, as their gradients are in memory.
  var total: MeasuredNorm
  /// The number of elements that clipping by value will change.
  var valueClippedCount = 0
}
