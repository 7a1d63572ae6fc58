/// The sum of a few non-negative numbers, rounded once: the same bits as an ``ExactSum`` has, for the price of additions.
///
/// Each addition in `Double` has an error that is a `Double`, too (Knuth, The Art of Computer Programming 2, section 4.2.2,
/// theorem B). The errors are added up by themselves. Where they leave no doubt about the last digit of the sum, that is known.
struct RoundedSum {
  private var sum = 0.0
  private var errors = 0.0

  init() {}

  /// The most numbers. The errors of so many are at most 2⁹ units of the sum's last place together, and what is rounded in
  /// their own sum 2⁻³⁵ of one.
  static var most: Int { 256 }

  /// Adds a number.
  @inline(__always)
  mutating func add(_ x: Double) {
    let next = sum + x
    let added = next - sum
    errors += (sum - (next - added)) + (x - added)
    sum = next
  }

  /// The sum, rounded to nearest; `nil` where that takes more digits: near the middle between two numbers, and where the sum is a
  /// power of two, below which the numbers lie closer, or not finite.
  @inline(__always)
  var value: Double? {
    // As sums of `Float`s have, which so need not wait for what follows.
    if errors == 0 { return sum }
    let value = sum + errors
    let left = (sum - value) + errors
    let power = Double(bitPattern: value.bitPattern & Double.infinity.bitPattern)
    // Written so that NaN fails it.
    guard left.magnitude < power * 0x1.fffp-54, value != power || left >= 0 else { return nil }
    return value
  }
}
