/// The element loops that BLAS lacks and that no usual step needs. Each works on one tile, and is inlined into the
/// specialised passes of the engine. Loops whose speed matters are requirements of ``BLASScalar`` instead, written for
/// the processor's widest vectors.
enum ElementLoops {
  // The loops below are plain on purpose: one operation an element, no short circuits, 32-bit counters. The compiler
  // turns them into vector instructions. Explicit SIMD types with masks were taken apart into single elements (Swift
  // 6.3.1: 30 times slower).

  /// `y ← 2^exponent · x`, exact except for elements that leave the normal range.
  @inline(__always)
  static func scale<S: BLASScalar>(
    _ x: UnsafePointer<S>, byPowerOfTwo exponent: Int, into y: UnsafeMutablePointer<S>, _ n: Int
  ) {
    // A single power of two may be out of range although the product is not; three factors of a third of the exponent
    // each are in range (|exponent| <= 3·1022).
    let limit = 3 * S.greatestFiniteMagnitude.exponent - 3
    let bounded = max(-limit, min(limit, exponent))
    let third = bounded / 3
    let a = S(sign: .plus, exponent: third, significand: 1)
    let b = S(sign: .plus, exponent: bounded - 2 * third, significand: 1)
    for i in 0..<n { y[i] = x[i] * a * b * a }
  }

  /// `x ← 2^exponent · x` in place, for an exponent that brings a number of the type into 1..<2. Each element is rounded once at
  /// most, also one that becomes subnormal, which ``scale(_:byPowerOfTwo:into:_:)`` may round twice.
  @inline(__always)
  static func multiply<S: BLASScalar>(_ x: UnsafeMutablePointer<S>, byPowerOfTwo exponent: Int, _ n: Int) {
    // A factor that makes numbers smaller is one power of two, and larger ones are exact.
    let most = Int(S.greatestFiniteMagnitude.exponent)
    let first = S(sign: .plus, exponent: S.Exponent(min(exponent, most)), significand: 1)
    let second = S(sign: .plus, exponent: S.Exponent(max(exponent - most, 0)), significand: 1)
    for i in 0..<n { x[i] = x[i] * first * second }
  }

  /// `x ← factor · x` by IEEE 754, for the factors that BLAS releases disagree about: 0, infinite and NaN.
  @inline(__always)
  static func multiply<S: BLASScalar>(_ x: UnsafeMutablePointer<S>, by factor: S, _ n: Int) {
    for i in 0..<n { x[i] *= factor }
  }

  /// `y ← y + factor · x` by IEEE 754, for the factors with which BLAS does not read x.
  @inline(__always)
  static func multiplyAdd<S: BLASScalar>(
    _ factor: S, _ x: UnsafePointer<S>, into y: UnsafeMutablePointer<S>, _ n: Int
  ) {
    for i in 0..<n { y[i] += factor * x[i] }
  }

  /// The numbers of NaN and of infinite elements.
  @inline(__always)
  static func countNonFinite<S: BLASScalar>(_ x: UnsafePointer<S>, _ n: Int) -> (nan: Int, infinity: Int) {
    var (nan, infinity): (Int32, Int32) = (0, 0)
    for i in 0..<n {
      let magnitude = x[i].magnitude
      nan &+= magnitude == magnitude ? 0 : 1
      infinity &+= magnitude == .infinity ? 1 : 0
    }
    return (Int(nan), Int(infinity))
  }

  /// The largest magnitude; NaN if an element is NaN.
  ///
  /// Compares the bits without the sign as integers. Their order is that of the magnitudes, with infinity above all
  /// numbers and NaN above infinity. So the result is exact in any order, and no NaN is missed.
  @inline(__always)
  static func maximumMagnitude<S: BLASScalar>(_ x: UnsafePointer<S>, _ n: Int) -> S {
    let bits = UnsafeRawPointer(x).assumingMemoryBound(to: S._MagnitudeBits.self)
    var largest: S._MagnitudeBits = 0
    for i in 0..<n { largest = max(largest, bits[i] & .max) }
    return S._number(ofMagnitude: largest)
  }

  /// `Σ x²` in `Double` on 32 fixed lanes that a fixed tree joins: the same bits on every processor.
  ///
  /// Element j goes to lane j mod 32. The square of a `Float` is exact in `Double`. Multiplication and addition are
  /// separate, never fused, as Swift guarantees.
  @inline(__always)
  static func sumOfSquares<S: BLASScalar>(_ x: UnsafePointer<S>, _ n: Int) -> Double {
    sumOverLanes(x, n) { x in
      let wide = Double(x)
      return wide * wide
    }
  }

  /// `Σ |x|` in `Double` on 32 fixed lanes, as ``sumOfSquares(_:_:)``.
  @inline(__always)
  static func sumOfMagnitudes<S: BLASScalar>(_ x: UnsafePointer<S>, _ n: Int) -> Double {
    sumOverLanes(x, n) { Double($0.magnitude) }
  }

  @inline(__always)
  private static func sumOverLanes<S: BLASScalar>(_ x: UnsafePointer<S>, _ n: Int, _ term: (S) -> Double) -> Double {
    var (a, b, c, d) = (SIMD8<Double>(), SIMD8<Double>(), SIMD8<Double>(), SIMD8<Double>())
    @inline(__always)
    func eight(_ x: UnsafePointer<S>) -> SIMD8<Double> {
      SIMD8(term(x[0]), term(x[1]), term(x[2]), term(x[3]), term(x[4]), term(x[5]), term(x[6]), term(x[7]))
    }
    @inline(__always)
    func add(_ x: UnsafePointer<S>) {
      a += eight(x)
      b += eight(x + 8)
      c += eight(x + 16)
      d += eight(x + 24)
    }
    let body = n & -32
    for i in stride(from: 0, to: body, by: 32) { add(x + i) }
    if body < n {
      withUnsafeTemporaryAllocation(of: S.self, capacity: 32) { rest in
        rest.initialize(repeating: 0)
        for i in body..<n { rest[i - body] = x[i] }
        add(UnsafePointer(rest.baseAddress!))
      }
    }
    let eight = (a + b) + (c + d)
    let four = eight.lowHalf + eight.highHalf
    let two = four.lowHalf + four.highHalf
    return two.x + two.y
  }
}
