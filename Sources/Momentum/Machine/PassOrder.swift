/// The order in which each thread goes through its elements.
///
/// An update begins where the pass before it has ended, because caches still hold what that one used last. Vectors that a cache
/// does not quite hold would otherwise come from behind it in every step, from the first element to the last. No bits depend on
/// the order: neither elements nor the sums of tiles depend on each other.
enum PassOrder: Sendable {
  case forwards, backwards

  var opposite: PassOrder { self == .forwards ? .backwards : .forwards }

  /// The numbers of a range in this order.
  @inline(__always)
  func numbers(in range: Range<Int>) -> StrideTo<Int> {
    switch self {
    case .forwards: stride(from: range.lowerBound, to: range.upperBound, by: 1)
    case .backwards: stride(from: range.upperBound - 1, to: range.lowerBound - 1, by: -1)
    }
  }

  /// Calls `body` for the blocks of a range in this order. They end at multiples of their length.
  ///
  /// - Parameter count: The number of elements of a block, a power of two; see ``blockCount(of:)``.
  @inline(__always)
  func forEachBlock(of range: Range<Int>, _ count: Int, _ body: (Range<Int>) -> Void) {
    switch self {
    case .forwards:
      var start = range.lowerBound
      while start < range.upperBound {
        let end = min(range.upperBound, (start | (count &- 1)) &+ 1)
        body(Range(uncheckedBounds: (start, end)))
        start = end
      }
    case .backwards:
      var end = range.upperBound
      while end > range.lowerBound {
        let start = max(range.lowerBound, (end &- 1) & -count)
        body(Range(uncheckedBounds: (start, end)))
        end = start
      }
    }
  }

  /// The length of a block where so many elements are updated. Blocks are short where a second-level cache holds the whole
  /// run, so that a step soon reaches the elements that the pass before used last. Otherwise they are long enough for the
  /// processor to recognise a stream and fetch ahead; and where a last-level cache holds the smaller part of the run, so long
  /// that their number does not matter.
  @inline(__always)
  static func blockCount(of count: Int) -> Int {
    count <= 1 << 17 ? 1 << 13 : count <= 1 << 22 ? 1 << 16 : 1 << 20
  }
}
