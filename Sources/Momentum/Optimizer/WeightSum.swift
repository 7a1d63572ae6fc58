/// The sum of the weights of accumulated gradients, and the unit in which the sum of the gradients is kept.
///
/// The unit is the power of two of the largest weight. Multiplying by it is exact, and in this unit no weight reaches 2,
/// so that weights as large or as small as they like make no element overflow or vanish.
struct WeightSum: Sendable {
  /// The exponent of the unit.
  private var exponent = 0
  /// The sum of the weights in the unit; without weights, the number of gradients.
  private(set) var inUnits = 0.0

  /// The unit.
  var scale: ScaledDouble { ScaledDouble(1, exponent: exponent) }

  /// The sum.
  var total: ScaledDouble { ScaledDouble(inUnits, exponent: exponent) }

  /// Adds the weights of another sum, which must have a positive one.
  ///
  /// - Returns: The powers of two that bring the other sum and this one to the unit that is in force from now on.
  mutating func merge(_ other: WeightSum) -> (other: Int, own: Int) {
    let unit = inUnits == 0 ? other.exponent : max(exponent, other.exponent)
    let (own, added) = (inUnits == 0 ? 0 : exponent - unit, other.exponent - unit)
    inUnits =
      ScaledDouble(inUnits, exponent: own).double + ScaledDouble(other.inUnits, exponent: added).double
    exponent = unit
    return (added, own)
  }

  /// Adds a positive weight.
  ///
  /// - Returns: The weight in the unit that is in force from now on, and the power of two that brings earlier sums to
  ///   that unit; 0 unless the weight is the largest so far.
  mutating func add(_ weight: ScaledDouble) -> (factor: ScaledDouble, rescale: Int) {
    let unit = inUnits == 0 ? weight.exponent : max(exponent, weight.exponent)
    let rescale = inUnits == 0 ? 0 : exponent - unit
    let factor = ScaledDouble(weight.significand, exponent: weight.exponent - unit)
    inUnits = ScaledDouble(inUnits, exponent: rescale).double + factor.double
    exponent = unit
    return (factor, rescale)
  }
}
