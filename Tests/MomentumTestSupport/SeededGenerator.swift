/// SplitMix64 (Steele, Lea, Flood 2014): the same numbers for the same seed, everywhere.
public struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  public init(seed: UInt64) { state = seed }

  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}

extension SeededGenerator {
  /// A number in -1..<1 with at most 24 significant bits, so that `Float` and `Double` get the same one.
  public mutating func uniform() -> Double { Double(Int32(truncatingIfNeeded: next() >> 32) >> 8) * 0x1p-23 }

  /// Numbers in -1..<1 with all bits of their type in use.
  public mutating func numbers<S: BinaryFloatingPoint>(_ count: Int, as _: S.Type = S.self) -> [S] {
    (0..<count).map { _ in S(Double(Int64(bitPattern: next()) >> 11) * 0x1p-52) }
  }

  /// Numbers of either sign whose exponents spread evenly over a range.
  public mutating func numbers<S: BinaryFloatingPoint>(
    _ count: Int, exponents: ClosedRange<Int>, as _: S.Type = S.self
  ) -> [S] {
    (0..<count).map { _ in
      let exponent = Int.random(in: exponents, using: &self)
      let significand = 1 + Double(next() >> 12) * 0x1p-52
      let magnitude = S(sign: .plus, exponent: S.Exponent(exponent), significand: S(significand))
      return next() & 1 == 0 ? magnitude : -magnitude
    }
  }

  /// Positive `Double`s whose exponents spread evenly over a range.
  public mutating func magnitudes(_ count: Int, exponents: ClosedRange<Int>) -> [Double] {
    numbers(count, exponents: exponents, as: Double.self).map { $0.magnitude }
  }
}
