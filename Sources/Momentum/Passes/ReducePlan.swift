/// The quantities that a reduce pass measures.
struct ReducePlan: Sendable {
  var measure: TileMeasure
  /// The same of the gradient as clipping by value leaves it; another one for a general p, whose divisor differs.
  var clampedMeasure: TileMeasure
  /// Whether to measure also the gradient as it will be after clipping by value to the bounds of its tensor.
  var clamps = false
  /// Whether NaN and infinite elements are replaced by 0 before clipping by value.
  var clearsNonFinite = false

  init(measure: TileMeasure, clamps: Bool, clearsNonFinite: Bool) {
    (self.measure, clampedMeasure) = (measure, measure)
    (self.clamps, self.clearsNonFinite) = (clamps, clearsNonFinite)
  }

  /// Whether a tile that clipping by value does not change has one sum for both.
  var measuresAlike: Bool {
    guard case .powers(_, let divisor) = measure, case .powers(_, let clampedDivisor) = clampedMeasure else {
      return true
    }
    return divisor == clampedDivisor
  }
}
