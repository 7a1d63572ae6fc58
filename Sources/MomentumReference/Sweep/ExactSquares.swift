import Momentum

/// The exact sum of squares of finite numbers, for measuring the error of norms.
///
/// A number is m·2^(f - b) with an integer m below 2^precision and its stored exponent f. So its square is an integer
/// of at most 106 bits times a power of two that depends on f alone. For each f, one integer of 192 bits can hold the
/// sum of more squares than memory has room for. Nothing is ever rounded, scaled or ordered, so there is no error to
/// bound, and no step is shared with the library's sums of dot products.
struct ExactSquares<Scalar: ReferenceScalar> {
  /// The sums for each stored exponent: the lower 128 bits, and the carries out of them.
  private var lower: [UInt128]
  private var upper: [UInt64]

  private static var fractionBits: UInt64 { UInt64(Scalar.precision - 1) }
  private static var exponentCount: Int { 1 << (Scalar.byteCount * 8 - Scalar.precision) }

  init() {
    lower = Array(repeating: 0, count: Self.exponentCount)
    upper = Array(repeating: 0, count: Self.exponentCount)
  }

  /// Adds the squares of some finite elements.
  mutating func add(_ x: UnsafeBufferPointer<Scalar>) {
    lower.withUnsafeMutableBufferPointer { lower in
      upper.withUnsafeMutableBufferPointer { upper in
        for element in x {
          let (field, square) = Self.square(element)
          let (sum, overflow) = lower[field].addingReportingOverflow(square)
          lower[field] = sum
          if overflow { upper[field] += 1 }
        }
      }
    }
  }

  mutating func add(_ other: ExactSquares) {
    for field in lower.indices {
      let (sum, overflow) = lower[field].addingReportingOverflow(other.lower[field])
      lower[field] = sum
      upper[field] += other.upper[field] + (overflow ? 1 : 0)
    }
  }

  /// Removes one element that was added, and adds another in its place.
  mutating func replace(_ old: Scalar, by new: Scalar) {
    let (field, square) = Self.square(old)
    let (difference, overflow) = lower[field].subtractingReportingOverflow(square)
    lower[field] = difference
    if overflow { upper[field] -= 1 }
    withUnsafePointer(to: new) { add(UnsafeBufferPointer(start: $0, count: 1)) }
  }

  /// The stored exponent and the square of the integer significand.
  @inline(__always)
  private static func square(_ element: Scalar) -> (field: Int, square: UInt128) {
    let bits = element.rawBits
    let field = Int(truncatingIfNeeded: bits >> fractionBits) & (exponentCount - 1)
    let fraction = bits & (1 << fractionBits - 1)
    // Subnormals have no implicit bit.
    let significand = field == 0 ? fraction : fraction | 1 << fractionBits
    let product = significand.multipliedFullWidth(by: significand)
    return (field, UInt128(product.high) << 64 | UInt128(product.low))
  }

  /// The sum as one number.
  var total: FixedPoint {
    var total = FixedPoint()
    for field in lower.indices where lower[field] != 0 || upper[field] != 0 {
      // Subnormals have the weight of the smallest normal numbers.
      let exponent = 2 * (max(field, 1) - exponentBias)
      total.add(lower[field], exponent: exponent)
      total.add(UInt128(upper[field]), exponent: exponent + 128)
    }
    return total
  }

  /// The stored exponent that an integer of `precision` bits with weight 1 would have.
  private var exponentBias: Int { Int(Scalar.greatestFiniteMagnitude.exponent) + Scalar.precision - 1 }
}

extension FixedPoint {
  /// The distance of a norm from the square root of this sum, in ulps of `Scalar` at that root.
  ///
  /// For the norm N and the sum S it is |N² - S| / (N + √S). The difference is exact; the three roundings in `Double`
  /// and the approximate root change the result by less than 2^-50 of itself.
  func error<Scalar: ReferenceScalar>(ofRoot norm: ScaledDouble, inUlpsOf type: Scalar.Type) -> Double {
    let (root, rootExponent) = approximateRoot
    guard root != 0 else { return norm.significand == 0 ? 0 : .infinity }
    let unit = max(rootExponent + 1 - Scalar.precision, Int(Scalar.leastNonzeroMagnitude.exponent))
    let rootInUnits = ScaledDouble(root, exponent: rootExponent - unit).double

    guard norm.significand.isFinite, norm.significand >= 0 else { return .infinity }
    // For a norm that is far off no squares are needed, and one that is much too small would not fit the fixed-point
    // range.
    guard norm.significand > 0, abs(norm.exponent - rootExponent) <= 1 else {
      return (ScaledDouble(norm.significand, exponent: norm.exponent - unit).double - rootInUnits).magnitude
    }
    let significand = UInt64(norm.significand * 0x1p52)
    let square = significand.multipliedFullWidth(by: significand)
    var squaredNorm = FixedPoint()
    squaredNorm.add(UInt128(square.high) << 64 | UInt128(square.low), exponent: 2 * (norm.exponent - 52))
    let difference = squaredNorm.distance(to: self).leading
    let normInRootUnits = ScaledDouble(norm.significand, exponent: norm.exponent - rootExponent).double
    return ScaledDouble(
      difference.significand / (normInRootUnits + root), exponent: difference.exponent - rootExponent - unit
    ).double
  }

  /// The square root's significand in [1, 2) and exponent, to `Double` precision; 0 of 0.
  private var approximateRoot: (significand: Double, exponent: Int) {
    let sum = leading
    let odd = sum.exponent & 1
    return ((odd == 1 ? sum.significand * 2 : sum.significand).squareRoot(), (sum.exponent - odd) / 2)
  }

  /// The square root's significand, in [1, 2) but for 0.
  var rootSignificand: Double { approximateRoot.significand }
}
