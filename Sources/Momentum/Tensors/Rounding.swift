/// How parameters in half precision are rounded after a step.
///
/// Rounded to nearest, a parameter of ``BFloat16`` does not move at all while its updates are below a 512th of it. Rounded
/// at random, up or down with the probability that makes the mean right, it follows the updates, with noise.
///
/// The random numbers depend on the seed, the name of the tensor, the place of the element in it and the number of the step,
/// and on nothing else: not on threads, the order of tensors, or interruptions of a run. They are those of Philox4x32-10
/// (Salmon, Moraes, Dror, Shaw 2011).
public enum Rounding: Sendable, Hashable {
  /// To the nearest number, ties to even.
  case nearest
  /// Up or down at random, in the mean to the number itself. Numbers that the type has stay what they are, and chance alone
  /// makes no number infinite.
  case stochastic(seed: UInt64)
}

extension Rounding {
  /// The key of a tensor's random numbers.
  static func key(seed: UInt64, tensor name: String) -> UInt64 {
    // FNV-1a of the name's bytes, and the finalizer of SplitMix64, which spreads close seeds.
    var digest: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in name.utf8 { digest = (digest ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return mix(seed &+ 0x9e37_79b9_7f4a_7c15) ^ mix(digest)
  }

  private static func mix(_ x: UInt64) -> UInt64 {
    var x = x
    x = (x ^ x >> 30) &* 0xbf58_476d_1ce4_e5b9
    x = (x ^ x >> 27) &* 0x94d0_49bb_1331_11eb
    return x ^ x >> 31
  }
}
