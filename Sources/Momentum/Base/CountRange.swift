/// The counts that may come from outside, of steps for example. Larger ones are damage: no run counts so far, `Double`
/// cannot hold them all, and adding to them could overflow.
package enum CountRange {
  package static let largest = 1 << 53

  /// Throws for a count out of range.
  static func check(_ count: Int, _ name: String, atLeast least: Int = 0) throws(MomentumError) {
    guard count >= least else {
      throw .invalidSetting(name: name, value: count, expected: .countAtLeast(least))
    }
    guard count <= largest else {
      throw .invalidSetting(name: name, value: count, expected: .words("at most 2^53"))
    }
  }
}
