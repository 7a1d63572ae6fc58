/// A number of 16 bits with the range of `Float` and 8 significant bits: the upper half of a `Float`.
///
/// ```swift
/// let third = BFloat16(1.0 / 3)  // 0.334
/// let wide = Float(third)  // 0.333984375, exact
/// let rounded = BFloat16(1 + wide)  // 1.336
/// ```
///
/// A type to store tensors in. Every operation computes in `Float`, which holds each number of this type, and rounds the
/// result once, to nearest, ties to even; a result beyond the largest number becomes infinite. Loops that compute should
/// widen once, compute in `Float`, and narrow once.
@frozen
public struct BFloat16: BitwiseCopyable, Sendable {
  /// The bits: a sign, 8 of exponent, 7 of significand.
  public var bitPattern: UInt16

  /// The number with these bits.
  @inlinable public init(bitPattern: UInt16) { self.bitPattern = bitPattern }

  /// The nearest number, ties to even. A NaN keeps the upper digits of its payload and becomes quiet.
  @inlinable
  public init(_ value: Float) {
    let bits = value.bitPattern
    guard value == value else {
      self.init(bitPattern: UInt16(truncatingIfNeeded: bits >> 16) | 0x40)
      return
    }
    self.init(bitPattern: UInt16(truncatingIfNeeded: (bits &+ 0x7fff &+ (bits >> 16 & 1)) >> 16))
  }

  /// The nearest number, ties to even, rounded once.
  @inlinable
  public init(_ value: Double) {
    var near = Float(value)
    // Rounded twice, a number that lies closely beside a tie could fall on it, and then to the wrong side. So the first
    // rounding goes towards 0, and its last bit says that it has lost something.
    if value.isFinite, Double(near) != value {
      let bits = near.magnitude > 0 && Double(near.magnitude) > value.magnitude ? near.bitPattern - 1 : near.bitPattern
      near = Float(bitPattern: bits | 1)
    }
    self.init(near)
  }

  /// The nearest number, ties to even, rounded once.
  @inlinable
  public init<Integer: BinaryInteger>(_ value: Integer) {
    var near = Double(value)
    // As above, the first rounding goes towards 0. What no integer of the type is lies beyond the largest of them.
    let back = Integer(exactly: near)
    if back != value {
      let isBeyond = back.map { $0.magnitude > value.magnitude } ?? true
      near = Double(bitPattern: (isBeyond ? near.bitPattern - 1 : near.bitPattern) | 1)
    }
    self.init(near)
  }

  /// Positive infinity.
  @inlinable public static var infinity: BFloat16 { BFloat16(bitPattern: 0x7f80) }
  /// A quiet NaN.
  @inlinable public static var nan: BFloat16 { BFloat16(bitPattern: 0x7fc0) }
  /// The largest finite number, about 3.39·10³⁸.
  @inlinable public static var greatestFiniteMagnitude: BFloat16 { BFloat16(bitPattern: 0x7f7f) }
  /// The least positive number that is not subnormal, 2⁻¹²⁶.
  @inlinable public static var leastNormalMagnitude: BFloat16 { BFloat16(bitPattern: 0x0080) }
  /// The least positive number, 2⁻¹³³.
  @inlinable public static var leastNonzeroMagnitude: BFloat16 { BFloat16(bitPattern: 0x0001) }
  /// The distance from 1 to the next number, 2⁻⁷.
  @inlinable public static var ulpOfOne: BFloat16 { BFloat16(bitPattern: 0x3c00) }

  /// Whether the number is NaN.
  @inlinable public var isNaN: Bool { bitPattern & 0x7fff > 0x7f80 }
  /// Whether the number is infinite.
  @inlinable public var isInfinite: Bool { bitPattern & 0x7fff == 0x7f80 }
  /// Whether the number is neither infinite nor NaN.
  @inlinable public var isFinite: Bool { bitPattern & 0x7f80 != 0x7f80 }
  /// The sign, also that of 0.
  @inlinable public var sign: FloatingPointSign { bitPattern & 0x8000 == 0 ? .plus : .minus }
}

extension Float {
  /// The same number.
  @inlinable public init(_ value: BFloat16) { self.init(bitPattern: UInt32(value.bitPattern) << 16) }
}

extension Double {
  /// The same number.
  @inlinable public init(_ value: BFloat16) { self.init(Float(value)) }
}
