/// The generator of the reference inputs: 64 bits of state, integer operations only, and the same numbers in any
/// language.
///
/// Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (OOPSLA 2014).
public struct SplitMix64: RandomNumberGenerator, Sendable {
  private var state: UInt64

  /// Starts the sequence of `seed`.
  public init(seed: UInt64) { state = seed }

  /// Starts the sequence of `seed` behind its first `count` numbers, which is possible because the state grows by equal
  /// steps.
  init(seed: UInt64, skipping count: Int) { state = seed &+ Self.step &* UInt64(count) }

  private static let step: UInt64 = 0x9E37_79B9_7F4A_7C15

  public mutating func next() -> UInt64 {
    state &+= Self.step
    var z = state
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z >> 31
  }
}
