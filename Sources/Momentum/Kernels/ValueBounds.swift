/// Bounds for clipping by value.
struct ValueBounds: Sendable, Hashable {
  var lower: Double
  var upper: Double

  /// The bounds of what has yet to be multiplied by a factor.
  func divided(by factor: ScaledDouble) -> ValueBounds {
    // Without a factor to the last bit what they were.
    guard factor != ScaledDouble(1) else { return self }
    return ValueBounds(
      lower: (ScaledDouble(lower) / factor).double, upper: (ScaledDouble(upper) / factor).double)
  }
}
