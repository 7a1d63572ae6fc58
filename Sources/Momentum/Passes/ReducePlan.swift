/// The quantities that a reduce pass measures.
struct ReducePlan: Sendable {
  var measure: TileMeasure
  /// Whether to measure also the gradient as it will be after clipping by value to the bounds of its tensor.
  var clamps = false
  /// Whether NaN and infinite elements are replaced by 0 before clipping by value.
  var clearsNonFinite = false
}
