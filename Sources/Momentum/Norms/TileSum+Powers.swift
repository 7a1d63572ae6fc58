// Sums of powers, for norms of other orders than 1, 2 and infinity.
//
// Powers of elements may lie far outside of the range of `Double`, so that each tile has a scale of its own. It depends on
// nothing but the tile: tensors that are far smaller than others keep all their digits, and elements are read once.
extension TileSum {
  /// The divisor of the elements of a tile before their powers were summed; 0 for a tile of zeros.
  var scale: Double { rest }

  /// The scale of elements whose largest is known: a power of two, by which a division is exact. Only for powers so high that
  /// the largest element might overflow or vanish beside it, it is the largest itself.
  static func scale(_ largest: Double, _ p: Double) -> Double { p <= 512 && largest > 0 ? largest.binade : largest }

  /// Sums the powers of a tile.
  static func powers<S: BLASScalar>(_ x: UnsafePointer<S>, _ n: Int, _ p: Double) -> TileSum {
    var sum = measure(x, n, .maximum)
    let scale = scale(sum.value, p)
    (sum.value, sum.rest) = (0, scale)
    guard scale > 0 else { return sum }
    for i in 0..<n where x[i].isFinite { sum.value += power(Double(x[i].magnitude), scale, p) }
    return sum
  }

  /// The sum of the powers of a tile on another scale, at least its own.
  func powers(_ p: Double, on other: ScaledDouble) -> ScaledDouble {
    guard scale > 0 else { return ScaledDouble(0) }
    let quotient = ScaledDouble(scale) / other
    guard quotient.double.isNormal else { return quotient.power(p) * value }
    return ScaledDouble(Self.power(quotient.double, 1, p) * value)
  }

  /// `(magnitude / scale)^p` for a quotient below 2. For a small whole p it is computed by multiplication, so that the bits are
  /// the same on every host.
  @inline(__always)
  private static func power(_ magnitude: Double, _ scale: Double, _ p: Double) -> Double {
    let base = magnitude / scale
    guard p <= 16, p == p.rounded() else {
      // A root of what has vanished beside the largest element may still count.
      if p < 1, magnitude > 0, !base.isNormal { return (ScaledDouble(magnitude) / ScaledDouble(scale)).power(p).double }
      return Platform.power(base, p)
    }
    var result = base
    for _ in 1..<Int(p) { result *= base }
    return result
  }
}
