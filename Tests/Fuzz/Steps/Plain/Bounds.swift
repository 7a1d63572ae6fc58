import Momentum

/// How far a result of the engine may be from that of the plain loop, first order; u is the unit roundoff of the
/// elements, d that of `Double`, w that of the plain loop.
///
/// | Result | Bound | Reason |
/// |---|---|---|
/// | 2-norm by BLAS | (2048/L + 8)/2 · u + 2 d; L = 16 (`Float`), 8 (`Double`) | one tile has 2048/L additions in a row in the narrowest kernels, 8 more for products and the tail; tiles add up exactly; the root halves it |
/// | 2-norm, portable, and units | the same | never worse |
/// | 1-norm | 70 d | magnitudes in `Double` on 32 lanes |
/// | p-norm | (4 + 2052/p) d | 2048 additions in a row, `pow` 2 d; the root divides by p |
/// | the plain norm | (200 + 4) w | three levels of 64 additions |
/// | a factor of a term | 1 u + 24 d | coefficients of tensor, group and whole 3 each, rule 6, products, loss scale, scale of the velocity in `Double`; rounded once |
/// | velocity, of the sum V of the magnitudes of its terms | 12 u + 24 d | folded 2, gradient scaled by units twice 4, two axpys with a factor, a product and a sum each 6 |
/// | parameter, of the sum P of the magnitudes of its terms | 25 u + 48 d | its velocity, three axpys 9, scaled by units 4 |
/// | velocity in `BFloat16` | 2⁻⁷ and 2⁻¹³³ times the scale more, in one pass twice that | rounded up or down once, after the parameter was computed, and once more by a correction |
/// | second moment | 10 u | the factor, its product, the square, β₂ and its product, the sum; each square counts a rounding twice |
/// | average, of the sum of the magnitudes of its terms | 31 u + 52 d | the parameter, folded 2, one axpy 3, overwriting 1 |
/// | in one pass | 8 u more | a correction is one more axpy of each vector, with room for the sum that it corrects |
/// | underflow | 16 times the least number, times what it is multiplied by later | every operation may lose half of one |
struct Bounds<Wide: WideNumber> {
  /// u and w together: the plain loop rounds no more often than the engine.
  let unit: Wide
  /// d in the same measure.
  private let double: Wide
  private let lanes: Wide
  private let plain: Wide
  /// The least number of the elements' type.
  let least: Wide
  /// The greatest.
  let greatest: Wide

  init<Scalar: BLASScalar>(_: Scalar.Type) {
    let plain = Wide.ulpOfOne / 2
    unit = Wide(Scalar.ulpOfOne) / 2 + plain
    double = Wide(Double.ulpOfOne) / 2
    lanes = Scalar.self == Float.self ? 16 : 8
    self.plain = plain
    least = Wide(Scalar.leastNonzeroMagnitude)
    greatest = Wide(Scalar.greatestFiniteMagnitude)
  }

  func norm(_ order: Double) -> Wide {
    let engine: Wide =
      switch order {
      case 0, .infinity: 2 * double
      case 1: 70 * double
      case 2: (Wide(Tile.count) / lanes + 8) / 2 * unit + 2 * double
      default: (4 + 2052 / Wide(order)) * double
      }
    return engine + 204 * plain
  }

  /// Of a coefficient, besides the norm's.
  var coefficient: Wide { 12 * double }

  func velocity(onePass: Bool) -> Wide { (onePass ? 20 : 12) * unit + 24 * double }
  func parameter(onePass: Bool) -> Wide { (onePass ? 33 : 25) * unit + 48 * double }
  var secondMoment: Wide { 10 * unit + 24 * double }
  func average(onePass: Bool) -> Wide { parameter(onePass: onePass) + 6 * unit + 4 * double }
  var underflow: Wide { 16 * least }

  /// What a velocity loses where it is stored: of its magnitude, and of the least numbers.
  func storage(of type: ElementType?, onePass: Bool) -> (relative: Wide, least: Wide) {
    guard type == .bfloat16 else { return (0, 0) }
    return onePass ? (0x1.02p-6, 0x1p-132) : (0x1.02p-7, 0x1p-133)
  }
}
