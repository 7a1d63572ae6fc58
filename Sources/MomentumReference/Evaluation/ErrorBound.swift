import Momentum

/// The tolerances and their reasons, in one place. All are relative bounds in multiples of u, the unit roundoff of a
/// format (2^-24 for `Float`, 2^-53 for `Double`), derived from the roundings of the algorithm under test.
struct ErrorBound: Sendable {
  /// The bound, for a vector of `count` elements.
  var unitRoundoffs: @Sendable (_ count: Int) -> Double
  var reason: String
  /// Whether u is that of Double for every scalar, because Float data are summed in Double.
  var isInDouble: Bool

  init(_ reason: String, isInDouble: Bool = false, _ unitRoundoffs: @escaping @Sendable (_ count: Int) -> Double) {
    self.reason = reason
    self.isInDouble = isInDouble
    self.unitRoundoffs = unitRoundoffs
  }

  /// The bound in ulps of a value with this significand: one ulp is between u and 2u of the value.
  func ulps(count: Int, significand: Double = 2) -> Double { unitRoundoffs(count) * significand / 2 }

  private static func lanes(_ count: Int, _ width: Int) -> Double {
    Double((min(count, Tile.count) + width - 1) / width)
  }
}

extension ErrorBound {
  /// The 2-norm by one BLAS dot product a tile, tile sums added exactly.
  ///
  /// The stated 32 and 16 lanes are those of AVX2. Narrower kernels make more additions in a row; wider ones are held
  /// to the same bound.
  static func fastNorm<Scalar: ReferenceScalar>(_ type: Scalar.Type) -> ErrorBound {
    if Scalar.precision == 24 {
      let width = min(KernelLanes.float, 32)
      return ErrorBound(
        "(R/\(width) + 7)/2 + 1 roundings, R <= 2048: a tile's dot product in \(width) lanes, its tail, the root"
      ) { (lanes($0, width) + 7) / 2 + 1 }
    } else {
      let width = min(KernelLanes.double, 16)
      return ErrorBound(
        "(R/\(width) + 19)/2 + 1.5 roundings, R <= 2048: a tile's dot product in \(width) lanes, its tail, the root"
      ) { (lanes($0, width) + 19) / 2 + 1.5 }
    }
  }

  /// The error of random data, for which the errors of tiles average out: this gate detects a sum over the whole
  /// vector.
  static let randomGate = ErrorBound("1e-7 on random data of 10 000 elements or more: the errors of tiles average out")
  {
    _ in 1e-7 * 0x1p24
  }

  /// The portable 2-norm, and the 2-norm of tiles that are out of the range of a plain dot product: Float squares on 32
  /// lanes of Doubles, Double squares without error.
  static func carefulNorm<Scalar: ReferenceScalar>(_ type: Scalar.Type) -> ErrorBound {
    if Scalar.precision == 24 {
      ErrorBound("(R/32 + 5)/2 + 1.5 roundings in Double, R <= 2048: squares on 32 lanes, the root", isInDouble: true) {
        (lanes($0, 32) + 5) / 2 + 1.5
      }
    } else {
      ErrorBound("1.5 roundings: that of the exact sum, halved by the root, and the root's", isInDouble: true) { _ in
        1.5
      }
    }
  }

  /// A sum of absolute values on 32 lanes of Doubles; there is no root that would halve the bound.
  static let sumInDouble = ErrorBound(
    "R/32 + 6 roundings in Double, R <= 2048: 32 lanes, the final rounding", isInDouble: true
  ) { lanes($0, 32) + 6 }

  static let maximum = ErrorBound("exact: comparison and counting") { _ in 0 }

  /// Other p-norms: elements over a power of two or the largest one, powers, a plain sum of each tile, and its scale.
  static func power(_ p: Double) -> ErrorBound {
    ErrorBound("4 + (R + 4)/p roundings in Double, R <= 2048: scaling, power, a plain sum, the root", isInDouble: true)
    {
      4 + (Double(min($0, Tile.count)) + 4) / p
    }
  }

  /// The published rule of the reference BLAS tests, in multiples of eps·|size|.
  static let stest = ErrorBound("STEST rule: 1024 eps |size|; equality where the size is 0") { _ in 1024 }
}
