import Foundation

/// SplitMix64, with what scenarios draw from it: the same numbers for the same seed, everywhere.
struct Random: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) {
    // Neighbouring seeds, as those of one run are, start far apart.
    state = seed &* 0xD134_2543_DE82_EF95 &+ 0x2545_F491_4F6C_DD1D
    _ = next()
  }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  mutating func below(_ n: Int) -> Int { Int(next() >> 33) % n }
  mutating func within(_ range: ClosedRange<Int>) -> Int { range.lowerBound + below(range.count) }
  /// A number in 0..<1.
  mutating func unit() -> Double { Double(next() >> 11) * 0x1p-53 }
  mutating func chance(_ probability: Double) -> Bool { unit() < probability }
  mutating func pick<T>(_ items: [T]) -> T { items[below(items.count)] }

  /// A number between two positive ones, whose logarithm is evenly spread.
  mutating func logUniform(_ low: Double, _ high: Double) -> Double { low * exp2(unit() * log2(high / low)) }

  /// Other numbers. To draw from them leaves these as they are, and with them what a seed has drawn before.
  var others: Random { Random(seed: state) }

  /// One of some items, each with a weight.
  mutating func weighted<T>(_ items: [(Double, T)]) -> T {
    var rest = unit() * items.reduce(0) { $0 + $1.0 }
    for (weight, item) in items {
      if rest < weight { return item }
      rest -= weight
    }
    return items[items.count - 1].1
  }
}
