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
  /// (|x| / scale)^p, with a scale that the largest magnitude of the tile decides.
  case powers(p: Double)
  /// 1 for every x ≠ 0.
  case nonZeros
}

extension TileMeasure {
  /// The quantity that is summed for a norm.
  init(_ type: NormType, _ algorithm: NormAlgorithm) {
    switch type.form {
    case .l2: self = algorithm == .blas ? .squares : .portableSquares
    case .l1: self = .magnitudes
    case .infinity: self = .maximum
    case .nonZeros: self = .nonZeros
    case .p(let p): self = .powers(p: p)
    }
  }
}
