/// The criterion by which a segment stops updating: its squares are added piece by piece, and each piece is updated only
/// after its own squares have been added.
struct SpeculativeTrial<Scalar: BLASScalar>: Sendable {
  let measure: TileMeasure
  private let ignoresNonFinite: Bool
  /// The largest sum of squares of a segment that goes on.
  let largestSum: Double
  /// The number of elements of a piece. Part of the numeric contract: another length would change the bits of clipped
  /// steps.
  let piece: Int
  /// Whether pieces are summed as BLAS sums them.
  let sumsByDot: Bool

  /// - Parameter isHalf: Whether operands are stored in half precision.
  init(largestSum: Double, _ measure: TileMeasure, ignoresNonFinite: Bool, isHalf: Bool) {
    (self.measure, self.ignoresNonFinite) = (measure, ignoresNonFinite)
    if case .squares = measure { sumsByDot = !isHalf } else { sumsByDot = false }
    // So much of the next piece stays in a first-level cache, of 32 KiB or more, beside as much of each vector of this one.
    piece = sumsByDot ? min(Tile.count, 8192 / MemoryLayout<Scalar>.stride) : Tile.count
    // A dot product tells nothing about squares that underflow. Nothing is updated where they matter.
    self.largestSum = sumsByDot && largestSum < Double(Scalar._leastTrustedSquares) ? -1 : largestSum
  }

  /// Adds the next piece to the sum of a segment.
  ///
  /// - Returns: Whether the segment goes on updating.
  @inline(__always)
  func goesOn(after piece: TileSum, _ sum: inout Double) -> Bool {
    sum += piece.exponent == 0 ? piece.value : ScaledDouble(piece.value, exponent: Int(piece.exponent)).double
    // The comparison is written so that NaN stops the updates.
    return sum <= largestSum && (ignoresNonFinite || (piece.nan == 0 && piece.infinity == 0))
  }

  /// The same of n elements whose dot product is known.
  @inline(__always)
  func goesOn(after dot: Scalar, _ x: UnsafePointer<Scalar>, _ n: Int, _ sum: inout Double) -> Bool {
    guard dot < .infinity else { return goesOn(after: TileSum.carefulSquares(x, n), &sum) }
    sum += Double(dot)
    return sum <= largestSum
  }
}
