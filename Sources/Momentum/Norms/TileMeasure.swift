/// The quantity that is summed over a tile.
enum TileMeasure: Sendable {
  /// x², by a BLAS dot product.
  case squares
  /// x², by fixed lanes or exact sums.
  case portableSquares
  /// |x|.
  case magnitudes
  /// max |x|.
  case maximum
  /// (|x| / divisor)^p, with the largest magnitude as divisor.
  case powers(p: Double, divisor: Double)
  /// 1 for every x ≠ 0.
  case nonZeros
}

extension TileMeasure {
  /// The quantity that is summed for a norm.
  ///
  /// - Parameter divisor: The largest magnitude; used for a general p only, whose powers could overflow without it.
  init(_ type: NormType, _ algorithm: NormAlgorithm, divisor: Double = 1) {
    switch type.form {
    case .l2: self = algorithm == .blas ? .squares : .portableSquares
    case .l1: self = .magnitudes
    case .infinity: self = .maximum
    case .nonZeros: self = .nonZeros
    case .p(let p): self = .powers(p: p, divisor: divisor)
    }
  }
}
