/// The kind of buffers that an optimizer has bound its tensors to, and has found not to overlap: what a step need not do
/// again if it gets the buffers of the one before.
enum BoundBuffers: Sendable {
  /// Parameters and gradients that are one vector of `Scalar`s each.
  case vector
  /// Parameters and gradients that are lists of `Scalar`s: sorting hundreds of buffers for their overlaps would take longer
  /// than their step.
  case floats
  /// Lists of parameters of `Float`, and of gradients in half precision.
  case halfGradients
  /// Lists of tensors that are stored as their entries say.
  case tensors
}
