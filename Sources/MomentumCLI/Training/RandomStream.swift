import Foundation
import MomentumReference

/// Seeded random numbers: the same on every machine and in every Swift release, which the generators and `shuffle` of
/// the standard library do not promise.
struct RandomStream {
  private var generator: SplitMix64

  /// A stream of its own for each list of parts, for example a seed, a purpose and an epoch.
  init(_ parts: UInt64...) {
    var seed: UInt64 = 0
    for part in parts {
      var mixer = SplitMix64(seed: seed ^ part &* 0x9E37_79B9_7F4A_7C15)
      seed = mixer.next()
    }
    generator = SplitMix64(seed: seed)
  }

  private mutating func next() -> UInt64 { generator.next() }

  /// A number in (0, 1], from the upper 53 bits.
  mutating func uniform() -> Double { Double((next() >> 11) + 1) * 0x1p-53 }

  /// A standard normal number (Box and Muller; the second of the pair is not kept).
  mutating func normal() -> Double {
    let radius = (-2 * log(uniform())).squareRoot()
    return radius * cos(2 * Double.pi * uniform())
  }

  /// The numbers below `count` in random order (Fisher and Yates). The bias of the multiplication is below 2⁻⁵⁰.
  mutating func permutation(_ count: Int) -> [Int] {
    var order = Array(0..<count)
    for last in stride(from: count - 1, to: 0, by: -1) {
      let other = Int(next().multipliedFullWidth(by: UInt64(last + 1)).high)
      order.swapAt(last, other)
    }
    return order
  }
}
