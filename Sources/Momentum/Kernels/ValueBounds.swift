/// Bounds for clipping by value.
struct ValueBounds: Sendable, Hashable {
  var lower: Double
  var upper: Double

  /// The bounds for elements that have yet to be multiplied by a factor.
  func divided(by factor: ScaledDouble) -> ValueBounds {
    // Without a factor the bounds keep every bit.
    guard factor != ScaledDouble(1) else { return self }
    return ValueBounds(
      lower: (ScaledDouble(lower) / factor).double, upper: (ScaledDouble(upper) / factor).double)
  }
}
