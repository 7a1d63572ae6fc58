public import Momentum

/// The two types of half precision by their definition, one number after the other, for judging fast conversions.
public enum HalfOracle {
  /// The number with these bits, as `Double`; NaN for every NaN.
  public static func value(_ bits: UInt16, _ type: ElementType) -> Double {
    let (digits, bias) = type == .bfloat16 ? (7, 127) : (10, 15)
    let fraction = Int(bits) & ((1 << digits) - 1)
    let exponent = Int(bits & 0x7fff) >> digits
    let sign = bits & 0x8000 == 0 ? 1.0 : -1.0
    if exponent == 2 * bias + 1 { return fraction == 0 ? sign * .infinity : .nan }
    let significand = Double(exponent == 0 ? fraction : fraction | 1 << digits)
    return sign * significand * Double(sign: .plus, exponent: max(exponent, 1) - bias - digits, significand: 1)
  }

  /// The bits of the nearest number, ties to even, found by comparing distances; of a NaN those that keep its payload.
  public static func bits(_ value: Float, _ type: ElementType) -> UInt16 {
    let sign = UInt16(truncatingIfNeeded: value.bitPattern >> 16) & 0x8000
    if value.isNaN {
      if type == .bfloat16 { return UInt16(truncatingIfNeeded: value.bitPattern >> 16) | 0x40 }
      return sign | 0x7e00 | UInt16(truncatingIfNeeded: value.bitPattern >> 13) & 0x3ff
    }
    let (magnitude, infinity) = (Double(value.magnitude), type == .bfloat16 ? UInt16(0x7f80) : 0x7c00)
    // The largest number that is not larger, by halving: magnitudes are ordered as their bits are.
    var (low, high) = (UInt16(0), infinity)
    while high - low > 1 {
      let middle = low + (high - low) / 2
      if Self.value(middle, type) <= magnitude { low = middle } else { high = middle }
    }
    // Infinity counts as the number that would follow the largest one.
    let last = Self.value(infinity - 1, type)
    let above = high == infinity ? last + (last - Self.value(infinity - 2, type)) : Self.value(high, type)
    let (down, up) = (magnitude - Self.value(low, type), above - magnitude)
    return sign | (up < down || (up == down && low & 1 == 1) ? high : low)
  }

  /// What a velocity of BFloat16 is rounded to: an element of a tensor, in a step. Away from 0 if what is cut off exceeds a
  /// threshold of 16 bits, which goes through multiples of fixed fractions of 1.
  public static func dithered(_ number: Float, step: Int, index: Int) -> Float {
    let bits = number.bitPattern
    guard bits & 0x7fff_ffff < 0x7f7f_0000 else {
      return Float(bitPattern: UInt32(self.bits(number, .bfloat16)) << 16)
    }
    let fraction: UInt32 = 1_572_067_139  // of 2³²: (√3 - 1) / 2
    let turn = UInt32(truncatingIfNeeded: step) &* fraction &+ UInt32(index % 2048 * 1545 % 2048) << 21
    let goesUp = bits & 0xffff + turn >> 16 > 0xffff
    return Float(bitPattern: bits & 0xffff_0000 + (goesUp ? 0x1_0000 : 0))
  }
}
