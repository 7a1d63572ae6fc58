/// A sum of positive numbers of 24 binary digits, such as the sums of tiles of `Float`s, by additions in `Double` that do not
/// round.
///
/// Every sum of such numbers is a multiple of the last digit of the smallest one. As long as it is below 2⁵³ of these digits,
/// `Double` holds it: the same bits as an ``ExactSum`` has, in a tenth of the time.
struct PlainSum {
  private(set) var value = 0.0
  private var smallest = Double.infinity

  init() {}
  init(_ value: Double) { (self.value, smallest) = (value, value) }

  /// Adds a number.
  ///
  /// - Returns: `false`, and nothing is added, where that might round.
  @inline(__always)
  mutating func add(_ x: Double) -> Bool {
    let (next, least) = (value + x, min(smallest, x))
    guard Self.isExact(next, least, 0) else { return false }
    (value, smallest) = (next, least)
    return true
  }

  /// Whether numbers were added without rounding, judged by their sum, the smallest of them and the union of their bits.
  @inline(__always)
  static func isExact(_ sum: Double, _ smallest: Double, _ digits: UInt64) -> Bool {
    // The smallest one times 2²⁹ is less than 2⁵³ times its last digit. A zero fails the test, because it would hide
    // the smallest other number.
    digits & 0x1fff_ffff == 0 && sum < smallest * 0x1p29
  }
}
