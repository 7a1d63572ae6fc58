/// The last norms of a run, in the order in which they came; never more than its capacity.
struct NormWindow: Sendable, Hashable {
  let capacity: Int
  private(set) var norms: [Double] = []

  var isFull: Bool { norms.count == capacity }

  init(capacity: Int) { self.capacity = capacity }

  /// Adds a norm, for which ``accepts(_:)`` must be true.
  ///
  /// - Returns: The oldest norm, which was removed, if the window was full.
  /// - Complexity: O(capacity): it moves 8 bytes for each norm, which takes no time compared with a step.
  @discardableResult
  mutating func append(_ norm: Double) -> Double? {
    let oldest = isFull ? norms.removeFirst() : nil
    norms.append(norm)
    return oldest
  }

  /// Whether a norm may enter the statistics. The bound keeps the sum of the squares of a full window finite.
  static func accepts(_ norm: Double) -> Bool { norm >= 0 && norm <= 0x1p500 }

  /// The largest capacity, which takes 8 MB.
  static let largestCapacity = 1 << 20

  static func check(capacity: Int, least: Int) throws(MomentumError) {
    guard capacity >= least, capacity <= largestCapacity else {
      throw .invalidSetting(
        name: "window", value: capacity, expected: .words("a number in \(least)...\(largestCapacity)"))
    }
  }

  /// Takes over the norms of a saved state.
  mutating func restore(_ saved: [Double]) throws(MomentumError) {
    guard saved.count <= capacity else {
      throw .countMismatch(what: "norms", count: saved.count, expected: capacity)
    }
    if let bad = saved.first(where: { !Self.accepts($0) }) {
      throw .invalidSetting(name: "saved norm", value: bad, expected: .words("a number in 0...2^500"))
    }
    norms = saved
  }
}
