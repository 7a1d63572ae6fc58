/// The element loops of unit norms and unit factors. Like those of ``ElementLoops`` they are plain and work on one
/// tile.
enum UnitLoops {
  /// `Σ x²` in `Double`, of a run too short for BLAS. Element j goes to lane j mod 4.
  @inline(__always)
  static func sumOfSquares<S: BLASScalar>(_ x: UnsafePointer<S>, _ n: Int) -> Double {
    var (a, b, c, d) = (0.0, 0.0, 0.0, 0.0)
    var i = 0
    while i &+ 4 <= n {
      let (p, q, r, s) = (Double(x[i]), Double(x[i &+ 1]), Double(x[i &+ 2]), Double(x[i &+ 3]))
      a += p * p
      b += q * q
      c += r * r
      d += s * s
      i &+= 4
    }
    while i < n {
      let p = Double(x[i])
      a += p * p
      i &+= 1
    }
    return (a + b) + (c + d)
  }

  /// `sums[i] ← sums[i] + x[i]²`. The square of a `Float` is exact.
  @inline(__always)
  static func addSquares<S: BLASScalar>(_ x: UnsafePointer<S>, into sums: UnsafeMutablePointer<Double>, _ n: Int) {
    for i in 0..<n {
      let wide = Double(x[i])
      sums[i] += wide * wide
    }
  }

  /// `sums[i] + lost[i] ← sums[i] + lost[i] + x[i]²`, where `lost` gathers what `sums` rounds off (Knuth's TwoSum).
  @inline(__always)
  static func addSquares<S: BLASScalar>(
    _ x: UnsafePointer<S>, into sums: UnsafeMutablePointer<Double>, _ lost: UnsafeMutablePointer<Double>, _ n: Int
  ) {
    for i in 0..<n {
      let wide = Double(x[i])
      let (sum, square) = (sums[i], wide * wide)
      let next = sum + square
      let added = next - sum
      lost[i] += (sum - (next - added)) + (square - added)
      sums[i] = next
    }
  }

  /// `y ← a·x + b·z` in `Double`.
  @inline(__always)
  static func combine<S: BLASScalar>(
    _ a: Double, _ x: UnsafePointer<S>, _ b: Double, _ z: UnsafePointer<S>, into y: UnsafeMutablePointer<Double>,
    _ n: Int
  ) {
    for i in 0..<n { y[i] = a * Double(x[i]) + b * Double(z[i]) }
  }

  /// `y ← factor · x` by IEEE 754. `x` and `y` may be the same.
  @inline(__always)
  static func multiply<S: BLASScalar>(
    _ x: UnsafePointer<S>, by factor: S, into y: UnsafeMutablePointer<S>, _ n: Int
  ) {
    for i in 0..<n { y[i] = factor * x[i] }
  }

  /// `y[i] ← factors[i] · x[i]` by IEEE 754. `x` and `y` may be the same.
  @inline(__always)
  static func multiply<S: BLASScalar>(
    _ x: UnsafePointer<S>, by factors: UnsafePointer<S>, into y: UnsafeMutablePointer<S>, _ n: Int
  ) {
    for i in 0..<n { y[i] = factors[i] * x[i] }
  }
}
