/// The sum of a few non-negative numbers, rounded once: the same bits as an ``ExactSum`` has, for the price of additions.
///
/// Each addition in `Double` has an error that is a `Double`, too (Knuth, The Art of Computer Programming 2, section 4.2.2,
/// theorem B). The errors are added up by themselves. Where nothing is lost of those, or too little to leave a doubt about the
/// last digit of the sum, that is known.
struct RoundedSum {
  private var sum = 0.0
  private var errors = 0.0
  /// What was lost when errors were added, as magnitudes.
  private var lost = 0.0

  init() {}

  /// The most numbers. The errors of so many are at most 2⁹ units of the sum's last place together, and what is lost of them
  /// 2⁻³⁵ of one.
  static var most: Int { 256 }

  /// Adds a number.
  @inline(__always)
  mutating func add(_ x: Double) {
    let (next, error) = Self.sum(sum, x)
    let (all, rest) = Self.sum(errors, error)
    (sum, errors, lost) = (next, all, lost + rest.magnitude)
  }

  /// A sum as it is rounded, and the rest.
  @inline(__always)
  private static func sum(_ x: Double, _ y: Double) -> (Double, rest: Double) {
    let sum = x + y
    let added = sum - x
    return (sum, (x - (sum - added)) + (y - added))
  }

  /// The sum, rounded to nearest; `nil` where that takes more digits, or if it is not finite.
  @inline(__always)
  var value: Double? {
    let value = sum + errors
    if lost == 0, value < .infinity { return value }
    // Half the distance to the next number; below a power of two they lie closer.
    let left = (sum - value) + errors
    let power = Double(bitPattern: value.bitPattern & Double.infinity.bitPattern)
    // Written so that NaN fails it.
    guard left.magnitude < power * 0x1.fffp-54, value != power || left >= 0 else { return nil }
    return value
  }
}
