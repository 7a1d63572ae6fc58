/// A factor rounded once to the element type; outside the type's normal range it is split into a number and a power of
/// two.
struct RoundedFactor<Scalar: BLASScalar> {
  let value: Scalar
  /// The power of two that elements are multiplied by first if the type cannot hold the whole factor; usually 0.
  let prescale: Int

  @inline(__always)
  init(_ factor: ScaledDouble) {
    let value = Scalar(factor.double)
    (self.value, prescale) = value.isNormal ? (value, 0) : Self.split(factor)
  }

  /// Kept apart from the usual case, which is so short that it is inlined.
  @inline(never)
  private static func split(_ factor: ScaledDouble) -> (value: Scalar, prescale: Int) {
    if factor.significand == 0 || !factor.significand.isFinite { return (Scalar(factor.significand), 0) }
    return (Scalar(factor.significand), factor.exponent)
  }
}

extension ScaledDouble {
  /// Whether the factor rounds to 1 in the element type, so that multiplying by it would change no element.
  @inline(__always)
  func roundsToOne<Scalar: BLASScalar>(in _: Scalar.Type) -> Bool { Scalar(double) == 1 }
}
