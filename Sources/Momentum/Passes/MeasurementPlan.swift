/// The settings for measuring the gradients of a table.
struct MeasurementPlan: Sendable {
  let type: NormType
  let algorithm: NormAlgorithm
  /// Whether to measure also the gradients as they will be after clipping by value to the bounds of their tensors.
  let clamps: Bool
  /// Whether NaN and infinite elements are replaced by 0 before clipping by value.
  let clearsNonFinite: Bool
}
