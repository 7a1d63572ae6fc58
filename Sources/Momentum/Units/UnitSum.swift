/// The sum of the squares of a unit, or of a part of one, with its rounding error (Neumaier).
struct UnitSum: Sendable {
  var sum = 0.0
  var lost = 0.0

  @inline(__always)
  mutating func add(_ term: Double) {
    let next = sum + term
    lost += sum >= term ? (sum - next) + term : (term - next) + sum
    sum = next
  }

  @inline(__always)
  mutating func add(_ other: UnitSum) {
    add(other.sum)
    lost += other.lost
  }

  /// The sum; NaN if a term was NaN, else infinite if one was infinite.
  var value: Double { sum.isFinite ? sum + lost : sum }

  /// Adds the squares of a run that lies in one unit: by BLAS dot products of whole pieces, and by a loop for the rest.
  ///
  /// A dot product of `Float`s rounds every partial sum to 24 binary digits. Over 128 elements, 8 to a lane, the error
  /// stays below 2·10⁻⁷ of a norm. OpenBLAS adds the last elements, which do not fill a vector, one after another; so
  /// they are left to the loop.
  @inline(__always)
  mutating func addSquares<S: BLASScalar>(_ x: UnsafePointer<S>, _ n: Int) {
    var start = 0
    while n &- start >= 32 {
      let length = min(S._unitDotCount, (n &- start) & -32)
      let dot = TileSum.dot(x + start, length)
      if !S._hasExactSquares || TileSum.isTrusted(dot) {
        add(Double(dot))
      } else {
        // Squares of Floats neither overflow nor underflow in Double.
        add(UnitLoops.sumOfSquares(x + start, length))
      }
      start &+= length
    }
    if start < n { add(UnitLoops.sumOfSquares(x + start, n &- start)) }
  }
}
