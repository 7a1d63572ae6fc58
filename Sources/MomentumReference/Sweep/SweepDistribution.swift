/// The distribution of the elements of a sweep's vectors: those of gradients, and those that are hard for sums of
/// squares.
public enum SweepDistribution: String, Codable, CaseIterable, Sendable {
  /// Uniform in [-1, 1).
  case uniform = "random, uniform"
  /// Nearly normal, standard deviation 1.
  case normal = "random, normal"
  /// Magnitudes over 24 binary orders: small squares matter, but are lost when added to large ones.
  case wide = "wide-spread"
  /// Magnitudes over the whole range of the type: most tiles are out of the range of a plain dot product.
  case wholeRange = "wide-spread, whole range"
  /// Every addition rounds in the same direction, so that roundings add up instead of averaging out.
  case constant
  /// Squares overflow; in long vectors the norm itself does too.
  case nearOverflow = "near overflow"
  /// Squares underflow.
  case nearUnderflow = "near underflow"
  case subnormal
  /// One 1 in the middle; the squares of all others are below half an ulp of it.
  case giant = "one giant among dwarfs"

  /// Whether the tighter bounds of random data hold, because the roundings of a tile average out.
  var isRandom: Bool { self == .uniform || self == .normal }

  func recipe<Scalar: ReferenceScalar>(_ type: Scalar.Type) -> ElementRecipe {
    // The stored exponents of 1 and of the largest finite numbers.
    let bias = Int(Scalar.greatestFiniteMagnitude.exponent)
    let last = 2 * bias
    return switch self {
    case .uniform: .signed(exponent: 0)
    case .normal: .normal(exponent: 0)
    case .wide: .bits(fields: bias - 12...bias + 12)
    case .wholeRange: .bits(fields: 0...last)
    case .constant: .constant(0.1)
    case .nearOverflow: .bits(fields: last - 3...last)
    case .nearUnderflow: .bits(fields: 1...8)
    case .subnormal: .bits(fields: 0...0)
    // Dwarfs of ±[1, 2)·2^-13 for Float: squares below 2^-24.
    case .giant: .bits(fields: bias - (Scalar.precision + 1) / 2 - 1...bias - (Scalar.precision + 1) / 2 - 1)
    }
  }

  /// The value that replaces the middle element of a vector.
  var middle: Double? { self == .giant ? 1 : nil }

  var seed: UInt64 { 0x6D6F_6D65_6E74_756D &+ UInt64(Self.allCases.firstIndex(of: self)!) << 32 }
}

/// The lengths of a sweep.
enum SweepLengths {
  /// All small lengths, then those around the sizes at which something changes: the library's tiles of 2048 and its
  /// second thread, the vector widths and the threads of BLAS kernels, and the saturation of single-precision sums.
  static func upTo(_ largest: Int) -> [Int] {
    let edges = [
      256, 512, 1000, 2048, 4096, 8192, 10_000, 32_768, 65_536, 100_000, 1 << 20, 1_000_000, 10_000_000, 1 << 24,
      1 << 25, 100_000_000, 1 << 29, 1_000_000_000,
    ]
    var lengths = Set(1...130)
    for edge in edges { lengths.formUnion(edge < 1 << 20 ? [edge - 1, edge, edge + 1, edge + 33] : [edge, edge + 1]) }
    lengths.insert(largest)
    return lengths.filter { $0 <= largest }.sorted()
  }
}
