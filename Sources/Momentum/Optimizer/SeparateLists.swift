/// The kind of lists of buffers that an optimizer has checked for overlaps: sorting hundreds of buffers again in every step
/// would take longer than the step.
enum SeparateLists: Sendable {
  /// Parameters and gradients that are `Scalar`s.
  case floats
  /// Parameters of `Float`, and gradients of half precision.
  case halfGradients
  /// Tensors that are stored as their entries say.
  case tensors
}
