import Momentum

/// A non-negative multiple of 2^-2304 below 2^2304: a plain long integer.
///
/// The range holds 2^64 squares of the largest `Double`. It also holds the square of any `Double` significand that is
/// the root of a square of the smallest `Double` (2^-2148 · 2^-104).
struct FixedPoint: Hashable {
  private static let lowestExponent = -2304
  /// The limbs, the least significant first.
  private var limbs = [UInt64](repeating: 0, count: 72)

  /// Adds `value · 2^exponent`.
  mutating func add(_ value: UInt128, exponent: Int) {
    guard value != 0 else { return }
    let position = exponent - Self.lowestExponent
    let shift = UInt64(position & 63)
    // The three limbs that a shifted value spans.
    let (low, high) = (UInt64(truncatingIfNeeded: value), UInt64(value >> 64))
    let over = { (limb: UInt64) in shift == 0 ? 0 : limb >> (64 - shift) }
    var carry = false
    var index = position >> 6
    for piece in [low << shift, high << shift | over(low), over(high)] {
      carry = Self.add(piece, carry, to: &limbs[index])
      index += 1
    }
    while carry {
      carry = Self.add(0, carry, to: &limbs[index])
      index += 1
    }
  }

  private static func add(_ piece: UInt64, _ carry: Bool, to limb: inout UInt64) -> Bool {
    let (sum, first) = limb.addingReportingOverflow(piece)
    let (result, second) = sum.addingReportingOverflow(carry ? 1 : 0)
    limb = result
    return first || second
  }

  /// The absolute value of the difference.
  func distance(to other: FixedPoint) -> FixedPoint {
    guard let top = limbs.indices.last(where: { limbs[$0] != other.limbs[$0] }) else { return FixedPoint() }
    guard limbs[top] > other.limbs[top] else { return other.distance(to: self) }
    var result = self
    var borrow: UInt64 = 0
    for index in limbs.indices {
      let (difference, first) = limbs[index].subtractingReportingOverflow(other.limbs[index])
      let (final, second) = difference.subtractingReportingOverflow(borrow)
      result.limbs[index] = final
      borrow = first || second ? 1 : 0
    }
    return result
  }

  /// The value, rounded to `Double` precision.
  var leading: ScaledDouble {
    guard let top = limbs.lastIndex(where: { $0 != 0 }) else { return ScaledDouble(0) }
    // At least 65 bits; the bits below them change the result by less than 2^-64 of it.
    let value = Double(limbs[top]) * 0x1p64 + (top > 0 ? Double(limbs[top - 1]) : 0)
    return ScaledDouble(value, exponent: Self.lowestExponent + 64 * (top - 1))
  }
}
