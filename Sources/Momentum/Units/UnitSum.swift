/// The sum of the squares of a unit, or of a part of one, with what rounding took off it (Neumaier).
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

  /// Adds the squares of a run that lies in one unit: BLAS dot products of whole pieces, and a loop for the rest.
  ///
  /// A dot product of `Float`s rounds every partial sum to 24 digits; over 128 elements, 8 to a lane, that stays below
  /// 2·10⁻⁷ of a norm. OpenBLAS adds the last elements that fill no vector one after another, so they are not given to it.
  @inline(__always)
  mutating func addSquares<S: BLASScalar>(_ x: UnsafePointer<S>, _ n: Int) {
    let isShort = S.significandBitCount < 50
    let piece = isShort ? 128 : 512
    var start = 0
    while n &- start >= 32 {
      let length = min(piece, (n &- start) & -32)
      let dot = TileSum.dot(x + start, length)
      if !isShort || TileSum.isTrusted(dot) {
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

/// The sum of squares of any finite numbers: adapts its unit, a power of two, to the largest one.
struct CarefulSum {
  private var sum = UnitSum()
  private var exponent = Int.min
  private var special = 0.0

  mutating func addSquare(of value: ScaledDouble) {
    guard value.significand != 0 else { return }
    guard value.significand.isFinite else {
      // NaN stays NaN, and an infinity infinite unless it meets one.
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
