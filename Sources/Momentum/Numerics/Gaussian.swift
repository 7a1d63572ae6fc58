/// Random numbers with the normal distribution.
enum Gaussian {
  /// Two normal numbers from 128 random bits (Box and Muller 1958); none exceeds 8.6 in magnitude.
  static func pair(_ a: UInt64, _ b: UInt64) -> (Double, Double) {
    // In (0, 1], so that the logarithm is finite.
    let radius = (-2 * Platform.logarithm(Double((a >> 11) + 1) * 0x1p-53)).squareRoot()
    let angle = 2 * Double.pi * (Double(b >> 11) * 0x1p-53)
    return (radius * Platform.cosine(angle), radius * Platform.sine(angle))
  }
}
