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

  /// Whether the sum of a tile shows that clipping by value changes no element of it: none is larger than the norm of all.
  ///
  /// Elements seldom reach the bounds, and a tile then needs no second look.
  @inline(__always)
  func isWithin<Scalar: BLASScalar>(_ bounds: ValueBounds, _: Scalar.Type, _ tile: TileSum) -> Bool {
    switch measure {
    case .squares, .portableSquares: break
    default: return false
    }
    let reach = Double(min(-Scalar(bounds.lower), Scalar(bounds.upper)))
    // A dot product of `Float`s is off by less than a thousandth, and comparisons with NaN fail.
    return tile.exponent == 0 && tile.nan == 0 && tile.infinity == 0 && reach > 0 && tile.value * 1.001 < reach * reach
  }
}
