/// The sum over one tile, with the numbers of elements that were left out of it because they are not finite.
struct TileSum: Sendable {
  /// The sum is `(value + rest) · 2^exponent`. Exponent and rest are 0 except in exact sums of a tile, where `rest`
  /// holds the digits after those of `value`: rounding each tile's sum would cost the portable norm of `Double`s its
  /// last digit.
  ///
  /// A sum of powers is `value · rest^p`; see ``scale``.
  var value: Double
  var rest = 0.0
  var exponent: Int32 = 0
  var nan: UInt16 = 0
  var infinity: UInt16 = 0

  /// - Parameter copy: Memory for a tile, aligned to a cache line, if the caller has some.
  @inline(__always)
  static func measure<S: BLASScalar>(
    _ x: UnsafePointer<S>, _ n: Int, _ measure: TileMeasure, copy: UnsafeMutablePointer<S>? = nil
  ) -> TileSum {
    switch measure {
    case .squares:
      return squares(x, n, copy: copy)
    case .portableSquares:
      return carefulSquares(x, n)
    case .magnitudes:
      let sum = S._wideMagnitudes(x, n)
      if sum < .infinity { return TileSum(value: sum) }
      return exactly(x, n) { $0.add($1.magnitude) }
    case .maximum:
      let maximum = S._maximumMagnitude(x, n)
      if maximum < .infinity { return TileSum(value: Double(maximum)) }
      return counting(x, n) { x, n in
        var maximum: S = 0
        for i in 0..<n where x[i].isFinite { maximum = max(maximum, x[i].magnitude) }
        return Double(maximum)
      }
    case .powers(let p):
      return powers(x, n, p)
    case .nonZeros:
      return counting(x, n) { x, n in
        var count = 0
        for i in 0..<n where x[i].isFinite && x[i] != 0 { count &+= 1 }
        return Double(count)
      }
    }
  }

  /// The sum of squares of a tile. The careful path is taken only where the dot product cannot be trusted.
  @inline(__always)
  static func squares<S: BLASScalar>(
    _ x: UnsafePointer<S>, _ n: Int, copy: UnsafeMutablePointer<S>? = nil
  ) -> TileSum {
    squares(dot(x, n, copy: copy), x, n)
  }

  /// The sum of squares of a tile whose dot product is known.
  @inline(__always)
  static func squares<S: BLASScalar>(_ dot: S, _ x: UnsafePointer<S>, _ n: Int) -> TileSum {
    isTrusted(dot) ? TileSum(value: Double(dot)) : carefulSquares(x, n)
  }

  /// The sum of some tiles by additions in `Double`, or `nil` if these might round: see ``PlainSum``.
  @inline(__always)
  static func plainSum(_ tiles: UnsafeBufferPointer<TileSum>) -> Double? {
    var (sum, smallest, digits, others) = (0.0, Double.infinity, UInt64(0), UInt64(0))
    for tile in tiles {
      sum += tile.value
      smallest = min(smallest, tile.value)
      digits |= tile.value.bitPattern
      others |= tile.others
    }
    return others == 0 && PlainSum.isExact(sum, smallest, digits) ? sum : nil
  }

  /// The sum of at most ``RoundedSum/most`` tiles, rounded once, or `nil` if additions in `Double` do not give it.
  @inline(__always)
  static func roundedSum(_ tiles: UnsafeBufferPointer<TileSum>) -> Double? {
    var (sum, others) = (RoundedSum(), UInt64(0))
    for tile in tiles {
      sum.add(tile.value)
      others |= tile.others
    }
    return others == 0 ? sum.value : nil
  }

  /// 0 for a tile of finite elements whose sum is its value.
  @inline(__always)
  private var others: UInt64 {
    rest.bitPattern | UInt64(UInt32(bitPattern: exponent)) | UInt64(nan) | UInt64(infinity)
  }

  /// Whether a sum of squares can be trusted: all elements are finite, and no square that matters was lost to
  /// underflow.
  @inline(__always)
  static func isTrusted<S: BLASScalar>(_ sum: S) -> Bool {
    // Written so that NaN fails it.
    sum >= S._leastTrustedSquares && sum < .infinity
  }

  /// The sum of squares of any finite elements, without overflow or underflow. Tiles of zeros, which fail the range
  /// guard, come here too.
  @inline(never)
  static func carefulSquares<S: BLASScalar>(_ x: UnsafePointer<S>, _ n: Int) -> TileSum {
    if S._hasExactSquares {
      // The square of a Float is exact in Double, so a sum that is not finite contains an element that is not.
      let sum = S._wideSquares(x, n)
      if sum < .infinity { return TileSum(value: sum) }
    }
    return exactly(x, n) { $0.addSquare($1) }
  }

  /// Sums the squares of the finite elements without error, and counts the other elements.
  @inline(__always)
  private static func exactly<S: BLASScalar>(
    _ x: UnsafePointer<S>, _ n: Int, _ add: (inout ExactSum, Double) -> Void
  ) -> TileSum {
    var sum = ExactSum()
    var (nan, infinity): (UInt16, UInt16) = (0, 0)
    for i in 0..<n {
      let value = x[i]
      if value.isFinite { add(&sum, Double(value)) } else if value.isNaN { nan &+= 1 } else { infinity &+= 1 }
    }
    let (high, low) = sum.split()
    return TileSum(
      value: high.significand, rest: ScaledDouble(low.significand, exponent: low.exponent - high.exponent).double,
      exponent: Int32(truncatingIfNeeded: high.exponent), nan: nan, infinity: infinity)
  }

  @inline(__always)
  private static func counting<S: BLASScalar>(
    _ x: UnsafePointer<S>, _ n: Int, _ value: (UnsafePointer<S>, Int) -> Double
  ) -> TileSum {
    let (nan, infinity) = ElementLoops.countNonFinite(x, n)
    return TileSum(
      value: value(x, n), nan: UInt16(truncatingIfNeeded: nan), infinity: UInt16(truncatingIfNeeded: infinity))
  }
}
