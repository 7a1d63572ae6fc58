/// The quantities that a reduce pass measures.
struct ReducePlan: Sendable {
  let measure: TileMeasure
  /// Whether to measure also the gradient as it will be after clipping by value to the bounds of its tensor.
  let clamps: Bool
  /// Whether NaN and infinite elements are replaced by 0 before clipping by value.
  let clearsNonFinite: Bool

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
