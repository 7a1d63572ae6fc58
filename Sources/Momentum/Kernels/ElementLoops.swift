/// The element loops that BLAS lacks. Each works on one tile; all are inlined into the specialised passes of the engine.
enum ElementLoops {
  /// Writes `min(max(x, lower), upper)` and returns how many elements changed. NaN passes; an infinity goes to its bound.
  @inline(__always)
  static func clamp<S: BLASScalar>(
    _ x: UnsafePointer<S>, to lower: S, _ upper: S, into y: UnsafeMutablePointer<S>, _ n: Int
  ) -> Int {
    var changed = 0
    for i in 0..<n {
      let value = x[i]
      // Comparisons with NaN are false, so NaN falls through both.
      let raised = value < lower ? lower : value
      let clamped = raised > upper ? upper : raised
      y[i] = clamped
      changed &+= (value < lower || value > upper) ? 1 : 0
    }
    return changed
  }

  /// Copies, with 0 in place of every NaN and infinity.
  @inline(__always)
  static func clearNonFinite<S: BLASScalar>(
    _ x: UnsafePointer<S>, into y: UnsafeMutablePointer<S>, _ n: Int
  ) {
    for i in 0..<n {
      let value = x[i]
      y[i] = value.magnitude <= S.greatestFiniteMagnitude ? value : 0
    }
  }

  /// `y ← 2^exponent · x`, exact but for elements that leave the normal range.
  @inline(__always)
  static func scale<S: BLASScalar>(
    _ x: UnsafePointer<S>, byPowerOfTwo exponent: Int, into y: UnsafeMutablePointer<S>, _ n: Int
  ) {
    // One power of two may be out of range where the product is not; three of a third each are not (|exponent| <= 3·1022).
    let limit = 3 * S.greatestFiniteMagnitude.exponent - 3
    let bounded = max(-limit, min(limit, exponent))
    let third = bounded / 3
    let a = S(sign: .plus, exponent: third, significand: 1)
    let b = S(sign: .plus, exponent: bounded - 2 * third, significand: 1)
    for i in 0..<n { y[i] = x[i] * a * b * a }
  }

  /// `x ← factor · x` by IEEE 754, for the factors that BLAS releases disagree about: 0, infinite and NaN.
  @inline(__always)
  static func multiply<S: BLASScalar>(_ x: UnsafeMutablePointer<S>, by factor: S, _ n: Int) {
    for i in 0..<n { x[i] *= factor }
  }

  /// `y ← y + factor · x` by IEEE 754, for the factors that BLAS does not look at x for.
  @inline(__always)
  static func multiplyAdd<S: BLASScalar>(
    _ factor: S, _ x: UnsafePointer<S>, into y: UnsafeMutablePointer<S>, _ n: Int
  ) {
    for i in 0..<n { y[i] += factor * x[i] }
  }

  /// The numbers of NaN and of infinite elements.
  @inline(__always)
  static func countNonFinite<S: BLASScalar>(_ x: UnsafePointer<S>, _ n: Int) -> (nan: Int, infinity: Int) {
    var (nan, infinity) = (0, 0)
    for i in 0..<n {
      let magnitude = x[i].magnitude
      nan &+= magnitude == magnitude ? 0 : 1
      infinity &+= magnitude == .infinity ? 1 : 0
    }
    return (nan, infinity)
  }

  /// The largest magnitude among the elements that are not NaN.
  @inline(__always)
  static func maximumMagnitude<S: BLASScalar>(_ x: UnsafePointer<S>, _ n: Int) -> S {
    var lanes = SIMD16<S>(repeating: 0)
    let body = n & -16
    let raw = UnsafeRawPointer(x)
    for i in stride(from: 0, to: body, by: 16) {
      let v = raw.loadUnaligned(fromByteOffset: i * MemoryLayout<S>.stride, as: SIMD16<S>.self)
      // `replacing` with a comparison keeps the lane where v is NaN; squaring or max instructions would not.
      let magnitude = v.replacing(with: 0 - v, where: v .< 0)
      lanes.replace(with: magnitude, where: magnitude .> lanes)
    }
    var maximum: S = 0
    for lane in 0..<16 where lanes[lane] > maximum { maximum = lanes[lane] }
    for i in body..<n where x[i].magnitude > maximum { maximum = x[i].magnitude }
    return maximum
  }

  /// `Σ x²` in `Double` on 32 fixed lanes that a fixed tree joins: the same bits on every processor.
  ///
  /// Element j goes to lane j mod 32. The square of a `Float` is exact in `Double`. Multiplication and addition are
  /// separate, never fused, as Swift guarantees.
  @inline(__always)
  static func sumOfSquares<S: BLASScalar>(_ x: UnsafePointer<S>, _ n: Int) -> Double {
    sumOverLanes(x, n) { $0 * $0 }
  }

  /// `Σ |x|` in `Double` on 32 fixed lanes, as ``sumOfSquares(_:_:)``.
  @inline(__always)
  static func sumOfMagnitudes<S: BLASScalar>(_ x: UnsafePointer<S>, _ n: Int) -> Double {
    sumOverLanes(x, n) { $0.replacing(with: 0 - $0, where: $0 .< 0) }
  }

  @inline(__always)
  private static func sumOverLanes<S: BLASScalar>(
    _ x: UnsafePointer<S>, _ n: Int, _ map: (SIMD8<Double>) -> SIMD8<Double>
  ) -> Double {
    var (a, b, c, d) = (SIMD8<Double>(), SIMD8<Double>(), SIMD8<Double>(), SIMD8<Double>())
    let body = n & -32
    for i in stride(from: 0, to: body, by: 32) {
      a += map(widen(x + i))
      b += map(widen(x + i + 8))
      c += map(widen(x + i + 16))
      d += map(widen(x + i + 24))
    }
    if body < n {
      withUnsafeTemporaryAllocation(of: S.self, capacity: 32) { rest in
        rest.initialize(repeating: 0)
        for i in body..<n { rest[i - body] = x[i] }
        let rest = UnsafePointer(rest.baseAddress!)
        a += map(widen(rest))
        b += map(widen(rest + 8))
        c += map(widen(rest + 16))
        d += map(widen(rest + 24))
      }
    }
    let eight = (a + b) + (c + d)
    let four = eight.lowHalf + eight.highHalf
    let two = four.lowHalf + four.highHalf
    return two.x + two.y
  }

  @inline(__always)
  private static func widen<S: BLASScalar>(_ x: UnsafePointer<S>) -> SIMD8<Double> {
    SIMD8(
      Double(x[0]), Double(x[1]), Double(x[2]), Double(x[3]), Double(x[4]), Double(x[5]), Double(x[6]), Double(x[7]))
  }
}
