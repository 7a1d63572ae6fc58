/// A `Double` with a wider exponent range: `significand · 2^exponent`.
///
/// The norm of finite elements can exceed the largest `Double`, and a clip coefficient can be below the smallest one;
/// both are ordinary numbers here. Arithmetic rounds as `Double` does; NaN, infinity and zero are kept in the
/// significand.
public struct ScaledDouble: BitwiseCopyable, Sendable, Hashable {
  /// The significand: in ±[1, 2), or 0, infinite or NaN.
  public let significand: Double
  /// The exponent: 0 if the significand is 0, infinite or NaN.
  public let exponent: Int

  /// The value `significand · 2^exponent`, normalised.
  @inline(__always)
  public init(_ significand: Double, exponent: Int = 0) {
    let bits = significand.bitPattern
    let biased = Int(truncatingIfNeeded: bits >> 52) & 0x7ff
    if biased != 0, biased != 0x7ff {
      self.significand = Double(bitPattern: bits & ~(0x7ff << 52) | 1023 << 52)
      self.exponent = exponent &+ biased &- 1023
    } else if significand == 0 || !significand.isFinite {
      (self.significand, self.exponent) = (significand, 0)
    } else {
      (self.significand, self.exponent) = Self.normalized(subnormal: significand, exponent)
    }
  }

  /// Kept apart from the usual case, which is so short that it is inlined.
  @inline(never)
  private static func normalized(subnormal: Double, _ exponent: Int) -> (significand: Double, exponent: Int) {
    (Double(sign: subnormal.sign, exponent: 0, significand: subnormal.significand), exponent &+ Int(subnormal.exponent))
  }

  /// The nearest `Double`: infinite, subnormal or 0 where the value is out of the normal range.
  public var double: Double { @inline(__always) get { Self.scale(significand, exponent) } }

  /// Whether the value is finite but larger than every `Double`.
  public var overflowsDouble: Bool { significand.isFinite && double.isInfinite }

  /// `value · 2^exponent` with one rounding, for a value in ±[1, 2), 0, infinite or NaN and every exponent.
  @inline(__always)
  private static func scale(_ value: Double, _ exponent: Int) -> Double {
    // The product with a normal power of two is exact if the product is normal as well.
    if exponent >= -1022, exponent <= 1023 { return value * Double(bitPattern: UInt64(1023 &+ exponent) &<< 52) }
    return Platform.scale(value, byPowerOfTwo: exponent)
  }

  /// The same magnitude with the other sign.
  public static prefix func - (x: ScaledDouble) -> ScaledDouble {
    ScaledDouble(-x.significand, exponent: x.exponent)
  }

  /// The product, with one rounding to 53 bits.
  @inline(__always)
  public static func * (x: ScaledDouble, y: ScaledDouble) -> ScaledDouble {
    // Most factors of a step are 1, and one of its products waits for the other.
    if y.isOne { return x }
    if x.isOne { return y }
    return ScaledDouble(x.significand * y.significand, exponent: x.exponent + y.exponent)
  }

  @inline(__always)
  private var isOne: Bool { significand == 1 && exponent == 0 }

  /// The product, with one rounding to 53 bits.
  @inline(__always)
  public static func * (x: ScaledDouble, y: Double) -> ScaledDouble { x * ScaledDouble(y) }

  /// The product of two numbers, with one rounding to 53 bits.
  @inline(__always)
  static func product(_ x: Double, _ y: Double) -> ScaledDouble {
    // Where it is a normal number before it is rounded, and not too large, `Double` has it.
    let product = x * y
    if product.magnitude > .leastNormalMagnitude, product.magnitude < .infinity { return ScaledDouble(product) }
    return ScaledDouble(x) * ScaledDouble(y)
  }

  /// The product, with one rounding to 53 bits.
  public static func * (x: Double, y: ScaledDouble) -> ScaledDouble { ScaledDouble(x) * y }

  /// The quotient, with one rounding to 53 bits.
  @inline(__always)
  public static func / (x: ScaledDouble, y: ScaledDouble) -> ScaledDouble {
    ScaledDouble(x.significand / y.significand, exponent: x.exponent - y.exponent)
  }

  /// The sum, rounded as in `Double`; if `x` exceeds `Double`, the sum is `x`.
  public static func + (x: ScaledDouble, y: Double) -> ScaledDouble {
    let y = ScaledDouble(y)
    guard x.significand != 0, x.significand.isFinite, y.significand != 0, y.significand.isFinite else {
      return y.significand == 0 ? x : ScaledDouble(x.significand + y.significand, exponent: y.exponent)
    }
    // Scaled by the exponent of the larger one, both numbers are exact `Double`s, unless the smaller one is too small
    // to change the sum.
    let top = max(x.exponent, y.exponent)
    return ScaledDouble(
      scale(x.significand, x.exponent - top) + scale(y.significand, y.exponent - top), exponent: top)
  }

  /// The sum, rounded to 53 bits.
  func adding(_ other: ScaledDouble) -> ScaledDouble {
    guard significand != 0, significand.isFinite, other.significand != 0, other.significand.isFinite else {
      if significand.isFinite, other.significand.isFinite { return significand == 0 ? other : self }
      return ScaledDouble(significand + other.significand)
    }
    // Scaled by the exponent of the larger one, both numbers are exact `Double`s, unless the smaller one is too small
    // to change the sum.
    let top = max(exponent, other.exponent)
    return ScaledDouble(
      Self.scale(significand, exponent - top) + Self.scale(other.significand, other.exponent - top), exponent: top)
  }

  var magnitude: ScaledDouble { ScaledDouble(significand.magnitude, exponent: exponent) }

  /// IEEE 754 order: every comparison with NaN is false.
  public static func < (x: ScaledDouble, y: ScaledDouble) -> Bool {
    // The significands decide alone where the exponents are equal or have no meaning, and where the signs differ. Otherwise their
    // product is in [1, 4).
    let product = x.significand * y.significand
    guard x.exponent != y.exponent, product >= 1, product < .infinity else { return x.significand < y.significand }
    return (x.exponent < y.exponent) == (x.significand > 0)
  }

  /// IEEE 754 order: every comparison with NaN is false.
  public static func <= (x: ScaledDouble, y: ScaledDouble) -> Bool {
    x < y || (x.significand == y.significand && x.exponent == y.exponent)
  }

  /// The largest of the numbers that are positive and finite; `nil` if none is.
  static func largest(_ numbers: [ScaledDouble]) -> ScaledDouble? {
    numbers.reduce(nil) { largest, number in
      guard number.significand > 0, number.significand.isFinite else { return largest }
      return largest.map { $0 < number ? number : $0 } ?? number
    }
  }

  /// The square root, rounded as `Double.squareRoot`.
  func squareRoot() -> ScaledDouble {
    let odd = exponent & 1
    return ScaledDouble((odd == 1 ? significand * 2 : significand).squareRoot(), exponent: (exponent - odd) / 2)
  }

  /// `value^power` for a positive value. Logarithms are used only where `Double` overflows or underflows.
  func power(_ power: Double) -> ScaledDouble {
    let direct = Platform.power(double, power)
    if direct.isNormal || significand == 0 || !significand.isFinite { return ScaledDouble(direct) }
    let logarithm = (Platform.binaryLogarithm(significand) + Double(exponent)) * power
    guard logarithm.isFinite, logarithm.magnitude < 1e15 else { return ScaledDouble(Platform.powerOfTwo(logarithm)) }
    let whole = logarithm.rounded(.down)
    return ScaledDouble(Platform.powerOfTwo(logarithm - whole), exponent: Int(whole))
  }
}

extension ScaledDouble: CustomStringConvertible {
  /// The number as `Double` prints it; where it is out of the normal range, as `1.5·2^2000`.
  public var description: String {
    double.isNormal || significand == 0 || !significand.isFinite ? "\(double)" : "\(significand)·2^\(exponent)"
  }
}
