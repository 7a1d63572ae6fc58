/// An exact sum of non-negative numbers, as a very long fixed-point integer.
///
/// Integer addition is associative, so the sum depends neither on the order and the grouping of the summands nor on the
/// number of threads. 138 limbs of 64 bits carry 32 payload bits each; the lowest bit weighs 2⁻²²⁴⁰, so the square of
/// the smallest `Double` (2⁻²¹⁴⁸) fits at one end, with all digits of a sum rounded to 53 bits, and 2⁶³ squares of the
/// largest (2²¹¹¹) at the other.
///
/// Summands of similar size, as the tiles of one gradient have, are added in a window of 128 bits before they reach the
/// limbs. The limbs are allocated only when a summand does not fit the window. So adding a summand is usually one shift
/// and one addition.
///
/// Method: Kulisch's long accumulator with delayed carries (Kulisch and Miranker, SIAM Review 28, 1986).
struct ExactSum: Sendable {
  static let limbCount = 138
  /// The exponent of the weight of the lowest bit.
  static let lowestExponent = -2240

  /// The sum is `window · 2^windowExponent` plus the limbs.
  private var window: UInt128 = 0
  private var windowExponent = 0
  /// The number of summands added to the window. Each is below 2¹⁰⁵, so 2²² of them cannot overflow it.
  private var windowDeposits = 0
  /// Empty or ``limbCount`` limbs.
  private var limbs: [UInt64] = []
  /// The number of additions to the limbs since the last carry. Each adds less than 2³² to a limb, so 2³¹ of them
  /// cannot overflow it.
  private var pending = 0

  init() {}

  /// The sum of one non-negative finite number: what most norms of few tiles come to.
  @inline(__always)
  init(_ value: Double) {
    let (significand, exponent) = Self.parts(value)
    guard significand != 0 else { return }
    (window, windowExponent, windowDeposits) = (UInt128(significand), exponent, 1)
  }

  /// Adds a non-negative finite number times 2^exponent.
  @inline(__always)
  mutating func add(_ value: Double, exponent: Int = 0) {
    let (significand, lowest) = Self.parts(value)
    // The sum of a Float tile has 24 binary digits. Without the 29 zeros behind them, a window has room for more
    // different sizes.
    let isShort = significand & 0x1fff_ffff == 0
    add(isShort ? significand >> 29 : significand, exponent: exponent + lowest + (isShort ? 29 : 0))
  }

  /// Adds `significand · 2^exponent`, for a significand below 2⁵³.
  @inline(__always)
  mutating func add(_ significand: UInt64, exponent: Int) {
    let shift = exponent &- windowExponent
    if windowDeposits > 0, windowDeposits < 1 << 22, shift >= 0, shift <= 52 {
      window &+= UInt128(truncatingIfNeeded: significand) &<< UInt128(truncatingIfNeeded: shift)
      windowDeposits &+= 1
    } else {
      openWindow(significand, exponent: exponent)
    }
  }

  /// Adds the exact square of a finite number.
  @inline(__always)
  mutating func addSquare(_ value: Double) {
    let (significand, lowest) = Self.parts(value.magnitude)
    let (upper, lower) = significand.multipliedFullWidth(by: significand)
    addToLimbs(upper, lower, exponent: 2 * lowest)
  }

  /// Adds another sum.
  mutating func add(_ other: ExactSum) {
    if other.windowDeposits > 0 {
      addToLimbs(UInt64(other.window >> 64), UInt64(truncatingIfNeeded: other.window), exponent: other.windowExponent)
    }
    guard !other.limbs.isEmpty else { return }
    var other = other
    if pending + other.pending >= 1 << 31 {
      carry()
      other.carry()
    }
    makeLimbs()
    for limb in 0..<Self.limbCount { limbs[limb] &+= other.limbs[limb] }
    // A limb is below 2³² after a carry, so it counts as one addition.
    pending += other.pending + 1
  }

  /// A `Double` as an integer times 2^exponent.
  @inline(__always)
  private static func parts(_ value: Double) -> (significand: UInt64, exponent: Int) {
    let bits = value.bitPattern
    let biased = Int(truncatingIfNeeded: bits >> 52)
    let fraction = bits & 0xf_ffff_ffff_ffff
    // Subnormals have no implicit bit and the exponent of the smallest normal number.
    return biased == 0 ? (fraction, -1074) : (fraction | (1 << 52), biased - 1075)
  }

  /// Puts a summand that does not fit the window into a new one, with room for larger and smaller ones.
  @inline(never)
  private mutating func openWindow(_ significand: UInt64, exponent: Int) {
    // Digits below the lowest bit are less than the square of any element. Only a factor can produce them, data cannot.
    let excess = max(0, Self.lowestExponent - exponent)
    let (significand, exponent) = (significand >> UInt64(excess), exponent + excess)
    guard significand != 0 else { return }
    flushWindow()
    windowExponent = max(exponent - 26, Self.lowestExponent)
    window = UInt128(significand) << UInt128(exponent - windowExponent)
    windowDeposits = 1
  }

  private mutating func flushWindow() {
    guard windowDeposits > 0 else { return }
    addToLimbs(UInt64(window >> 64), UInt64(truncatingIfNeeded: window), exponent: windowExponent)
    (window, windowDeposits) = (0, 0)
  }
}

// MARK: - The limbs

extension ExactSum {
  private mutating func makeLimbs() {
    if limbs.isEmpty { limbs = Array(repeating: 0, count: Self.limbCount) }
  }

  /// Adds `(upper · 2⁶⁴ + lower) · 2^exponent`, in pieces of 32 bits.
  @inline(__always)
  private mutating func addToLimbs(_ upper: UInt64, _ lower: UInt64, exponent: Int) {
    makeLimbs()
    let position = exponent &- Self.lowestExponent
    let shift = UInt64(truncatingIfNeeded: position & 31)
    // Shifts by 64 - shift in two parts, because the masking shift by 64 is a shift by 0.
    let words = (
      lower &<< shift, upper &<< shift | (lower &>> 1) &>> (63 &- shift), (upper &>> 1) &>> (63 &- shift)
    )
    limbs.withUnsafeMutableBufferPointer { limbs in
      let limb = position >> 5
      precondition(limb >= 0 && limb + 4 < limbs.count, "a summand is out of the range of an exact sum")
      let base = limbs.baseAddress.unsafelyUnwrapped + limb
      base[0] &+= words.0 & 0xffff_ffff
      base[1] &+= words.0 &>> 32
      base[2] &+= words.1 & 0xffff_ffff
      base[3] &+= words.1 &>> 32
      base[4] &+= words.2
    }
    pending &+= 1
    if pending >= 1 << 31 { carry() }
  }

  /// Brings every limb below 2³². In this form equal sums have equal limbs.
  private mutating func carry() {
    pending = 0
    var carry: UInt64 = 0
    for limb in limbs.indices {
      let sum = limbs[limb] &+ carry
      limbs[limb] = sum & 0xffff_ffff
      carry = sum >> 32
    }
  }

  /// The canonical limbs, for comparing and sending. The limbs of up to 2³² sums, added word by word, are the (not
  /// canonical) limbs of the total.
  var words: [UInt64] {
    var canonical = self
    canonical.flushWindow()
    canonical.makeLimbs()
    canonical.carry()
    return canonical.limbs
  }

  /// Restores a sum from limbs; `nil` if there are not ``limbCount`` of them, or if they hold more than any sum can.
  init?(words: some Collection<UInt64>) {
    // The two top limbs must be zero, because a carry out of the highest limb would be lost.
    guard words.count == Self.limbCount, words.suffix(2).allSatisfy({ $0 == 0 }) else { return nil }
    limbs = Array(words)
    carry()
  }
}

extension ExactSum: Hashable {
  static func == (x: ExactSum, y: ExactSum) -> Bool { x.words == y.words }
  func hash(into hasher: inout Hasher) { hasher.combine(words) }
}

// MARK: - Rounding

extension ExactSum {
  /// The sum, rounded once to 53 bits, ties to even.
  @inline(__always)
  func rounded() -> ScaledDouble {
    // Up to 53 digits need no rounding.
    if limbs.isEmpty, window < 1 << 53 {
      return ScaledDouble(Double(UInt64(truncatingIfNeeded: window)), exponent: windowExponent)
    }
    return roundedLimbs()
  }

  @inline(never)
  private func roundedLimbs() -> ScaledDouble {
    let (value, exponent, sticky) = leading
    return Self.round(value, exponent: exponent, sticky: sticky)
  }

  /// The sum as two numbers: the digits of `low` follow those of `high`. Together they hold the sum up to 2⁻⁹⁶ of it.
  func split() -> (high: ScaledDouble, low: ScaledDouble) {
    let (value, exponent, _) = leading
    let cut = max(128 - value.leadingZeroBitCount - 53, 0)
    let high = UInt64(truncatingIfNeeded: value >> UInt128(cut))
    let rest = value & (1 << UInt128(cut) - 1)
    let cutAgain = max(128 - rest.leadingZeroBitCount - 53, 0)
    let low = UInt64(truncatingIfNeeded: rest >> UInt128(cutAgain))
    return (
      ScaledDouble(Double(high), exponent: exponent + cut), ScaledDouble(Double(low), exponent: exponent + cutAgain)
    )
  }

  /// The leading bits of the sum as `value · 2^exponent` (at least 97 of them if the sum has more than 128), and
  /// whether nonzero bits follow.
  private var leading: (value: UInt128, exponent: Int, sticky: Bool) {
    if limbs.isEmpty { return (window, windowExponent, false) }
    let words = words
    guard let top = words.lastIndex(where: { $0 != 0 }) else { return (0, 0, false) }
    // The top limb has at least one significant bit, so four limbs hold at least 97 bits: 53, a rounding bit, and more.
    var leading: UInt128 = 0
    for limb in stride(from: top, through: top - 3, by: -1) {
      leading = leading << 32 | UInt128(limb >= 0 ? words[limb] : 0)
    }
    let sticky = words.prefix(max(top - 3, 0)).contains { $0 != 0 }
    return (leading, Self.lowestExponent + 32 * (top - 3), sticky)
  }

  /// Rounds `value · 2^exponent`; `sticky` says that the true value is larger by less than 1 in the last bit of
  /// `value`.
  private static func round(_ value: UInt128, exponent: Int, sticky: Bool) -> ScaledDouble {
    let dropped = 128 - value.leadingZeroBitCount - 53
    guard dropped > 0 else { return ScaledDouble(Double(UInt64(value)), exponent: exponent) }
    let rest = value & (1 << UInt128(dropped) - 1)
    let half: UInt128 = 1 << UInt128(dropped - 1)
    var significand = UInt64(value >> UInt128(dropped))
    if rest > half || (rest == half && (sticky || significand & 1 == 1)) { significand += 1 }
    return ScaledDouble(Double(significand), exponent: exponent + dropped)
  }
}
