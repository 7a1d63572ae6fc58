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

  /// Two powers of two whose product is `2^exponent`, for an exponent that brings a number of the type into 1..<2. An element
  /// times both is rounded once at most, also one that becomes subnormal, which ``scale(_:byPowerOfTwo:into:_:)`` may round
  /// twice.
  static func powerOfTwo<S: BLASScalar>(_ exponent: Int, as _: S.Type) -> (S, S) {
    // A factor that makes numbers smaller is one power of two, and larger ones are exact.
    let most = Int(S.greatestFiniteMagnitude.exponent)
    func power(_ exponent: Int) -> S { S(sign: .plus, exponent: S.Exponent(exponent), significand: 1) }
    return (power(min(exponent, most)), power(max(exponent - most, 0)))
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
}
