/// Bounds for clipping by value.
struct ValueBounds: Sendable, Hashable {
  var lower: Double
  var upper: Double

  /// The bounds for elements that have yet to be multiplied by a factor.
  ///
  /// A finite bound beyond all numbers of their type becomes the largest of these, so that it holds for infinities too.
  func divided<Scalar: BLASScalar>(by factor: ScaledDouble, within _: Scalar.Type) -> ValueBounds {
    func bound(_ own: Double) -> Double {
      // Without a factor the bounds keep every bit.
      let divided = factor == ScaledDouble(1) ? own : (ScaledDouble(own) / factor).double
      guard own.isFinite, !Scalar(divided).isFinite else { return divided }
      return Double(divided < 0 ? -Scalar.greatestFiniteMagnitude : Scalar.greatestFiniteMagnitude)
    }
    return ValueBounds(lower: bound(lower), upper: bound(upper))
  }
}
