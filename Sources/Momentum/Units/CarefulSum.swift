/// The sum of squares of any finite numbers. It scales them by a power of two that follows the largest number.
struct CarefulSum {
  private var sum = UnitSum()
  private var exponent = Int.min
  private var special = 0.0

  mutating func addSquare(of value: ScaledDouble) {
    guard value.significand != 0 else { return }
    guard value.significand.isFinite else {
      // The magnitudes add up to NaN if one of the values is NaN, otherwise to infinity.
      special += value.significand.magnitude
      return
    }
    if value.exponent > exponent {
      if exponent != .min {
        let factor = ScaledDouble(1, exponent: 2 * (exponent - value.exponent)).double
        sum = UnitSum(sum: sum.sum * factor, lost: sum.lost * factor)
      }
      exponent = value.exponent
    }
    let scaled = ScaledDouble(value.significand, exponent: value.exponent - exponent).double
    sum.add(scaled * scaled)
  }

  /// The square root of the sum.
  var norm: ScaledDouble {
    if special != 0 { return ScaledDouble(special) }
    guard exponent != .min else { return ScaledDouble(0) }
    return ScaledDouble(sum.value).squareRoot() * ScaledDouble(1, exponent: exponent)
  }
}
