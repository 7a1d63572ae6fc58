/// An exact sum of non-negative numbers, as a very long fixed-point integer.
///
/// Integer addition is associative, so the sum does not depend on the order of the summands, on how they were grouped, or
/// on how many threads added them. 136 limbs of 64 bits carry 32 payload bits each; the lowest bit weighs 2⁻²¹⁷⁶, so the
/// square of the smallest `Double` (2⁻²¹⁴⁸) fits at one end and 2⁶³ squares of the largest (2²¹¹¹) at the other.
///
/// Method: Kulisch's long accumulator with delayed carries (Kulisch and Miranker, SIAM Review 28, 1986).
struct ExactSum: Sendable {
  static let limbCount = 136
  /// The exponent of the weight of the lowest bit.
  static let lowestExponent = -2176

  private(set) var limbs = InlineArray<136, UInt64>(repeating: 0)
  /// The limbs that may be non-zero; empty if `low > high`.
  private var low = ExactSum.limbCount
  private var high = -1
  /// Deposits since the last carry. Each adds less than 2³² to a limb, so 2³¹ of them cannot overflow it.
  private var pending = 0

  init() {}

  /// Adds `significand · 2^exponent`.
  @inline(__always)
  mutating func add(_ significand: UInt64, exponent: Int) {
    guard significand != 0 else { return }
    let position = exponent - Self.lowestExponent
    guard position >= 0 else {
      // A tile's sum rounded to 53 bits may end below the lowest bit, in zeros; squares of tiny norms lose what is there.
      return add(significand >> UInt64(min(63, -position)), exponent: Self.lowestExponent)
    }
    let limb = position >> 5
    let shifted = UInt128(significand) << UInt128(position & 31)
    limbs[limb] &+= UInt64(truncatingIfNeeded: shifted) & 0xffff_ffff
    limbs[limb + 1] &+= UInt64(truncatingIfNeeded: shifted >> 32) & 0xffff_ffff
    limbs[limb + 2] &+= UInt64(truncatingIfNeeded: shifted >> 64)
    touched(limb, limb + 2)
  }

  /// Adds a non-negative finite number times 2^exponent.
  @inline(__always)
  mutating func add(_ value: Double, exponent: Int = 0) {
    let bits = value.bitPattern
    let biased = Int(truncatingIfNeeded: bits >> 52)
    let fraction = bits & 0xf_ffff_ffff_ffff
    // Subnormals have no implicit bit and the exponent of the smallest normal number.
    let significand = biased == 0 ? fraction : fraction | (1 << 52)
    add(significand, exponent: exponent + max(biased, 1) - 1075)
  }

  /// Adds the exact square of a finite number.
  @inline(__always)
  mutating func addSquare(_ value: Double) {
    let bits = value.magnitude.bitPattern
    let biased = Int(truncatingIfNeeded: bits >> 52)
    let fraction = bits & 0xf_ffff_ffff_ffff
    let significand = biased == 0 ? fraction : fraction | (1 << 52)
    let (upper, lower) = significand.multipliedFullWidth(by: significand)
    let exponent = 2 * (max(biased, 1) - 1075)
    // 106 bits, in two halves that each fit a deposit.
    add(lower, exponent: exponent)
    add(upper, exponent: exponent + 64)
  }

  /// Adds another sum.
  mutating func add(_ other: ExactSum) {
    guard other.low <= other.high else { return }
    if pending + other.pending >= 1 << 31 { carry() }
    var other = other
    if pending + other.pending >= 1 << 31 { other.carry() }
    for limb in other.low...other.high { limbs[limb] &+= other.limbs[limb] }
    (low, high) = (min(low, other.low), max(high, other.high))
    pending += other.pending + 1
  }

  /// Brings every limb below 2³², the form in which equal sums have equal limbs.
  mutating func carry() {
    pending = 0
    guard low <= high else { return }
    var carry: UInt64 = 0
    var limb = low
    while limb <= high || carry != 0 {
      let sum = limbs[limb] &+ carry
      limbs[limb] = sum & 0xffff_ffff
      carry = sum >> 32
      limb += 1
    }
    high = max(high, limb - 1)
  }

  /// The sum, rounded once to 53 bits, ties to even.
  func rounded() -> ScaledDouble {
    var canonical = self
    canonical.carry()
    return canonical.roundedCanonical()
  }

  private func roundedCanonical() -> ScaledDouble {
    var top = high
    while top >= low, limbs[top] == 0 { top -= 1 }
    guard top >= low else { return ScaledDouble(0) }
    // The top limb has at least one significant bit, so four limbs hold at least 97 of them: 53, a rounding bit, and more.
    var window: UInt128 = 0
    for offset in 0..<4 {
      let limb = top - offset
      window = window << 32 | UInt128(limb >= low ? limbs[limb] : 0)
    }
    var sticky = false
    if top - 4 >= low { for limb in low...(top - 4) where limbs[limb] != 0 { sticky = true } }

    let length = 128 - window.leadingZeroBitCount
    let dropped = length - 53
    var significand = window
    var exponent = Self.lowestExponent + 32 * (top - 3)
    if dropped > 0 {
      let rest = window & (1 << UInt128(dropped) - 1)
      let half: UInt128 = 1 << UInt128(dropped - 1)
      significand = window >> UInt128(dropped)
      exponent += dropped
      if rest > half || (rest == half && (sticky || significand & 1 == 1)) { significand += 1 }
    }
    return ScaledDouble(Double(UInt64(significand)), exponent: exponent)
  }

  @inline(__always)
  private mutating func touched(_ first: Int, _ last: Int) {
    low = min(low, first)
    high = max(high, last)
    pending &+= 1
    if pending >= 1 << 31 { carry() }
  }

  /// The canonical limbs, for comparing and sending. Word by word sums of the limbs of up to 2³² sums are the limbs
  /// (not canonical) of their sum.
  var words: [UInt64] {
    var canonical = self
    canonical.carry()
    return (0..<Self.limbCount).map { canonical.limbs[$0] }
  }

  /// Restores a sum from limbs; `nil` if there are not ``limbCount`` of them.
  init?(words: some Collection<UInt64>) {
    guard words.count == Self.limbCount else { return nil }
    for (limb, word) in words.enumerated() {
      limbs[limb] = word
      if word != 0 { (low, high) = (min(low, limb), max(high, limb)) }
    }
    // The top limb cannot pass on a carry; it is far above any sum of real data.
    guard high < Self.limbCount - 2 else { return nil }
    carry()
  }
}

extension ExactSum: Hashable {
  static func == (x: ExactSum, y: ExactSum) -> Bool { x.words == y.words }
  func hash(into hasher: inout Hasher) { hasher.combine(words) }
}
