public import Momentum

/// Every tolerance of the engine's tests, with its reason. u is the unit roundoff, half of `ulpOfOne`; first order,
/// barring underflow. Results that are defined to the bit have no row: their tests compare bits.
///
/// | Operation | Bound | Reason |
/// |---|---|---|
/// | norm 2, BLAS | (2048/L + 8)/2 · u + 1.5 u of `Double`; L = 16 for `Float`, 8 for `Double` | one tile has 2048/L additions in a row in the narrowest kernels (SSE), 8 more for products and the tail; tiles add up exactly; the root halves the error |
/// | norm 2, BLAS, random data of 10 000 elements or more | 1e-7 `Float`, 1e-15 `Double` | the errors of the tiles average out; a norm that is not tiled misses it |
/// | norm 2, portable | 0.5000002 ulp `Float` once rounded; 1 ulp `Double` | sums of exact squares in `Double` on 32 lanes; of `Double`s without any error |
/// | norm 1 | (2048/32 + 5) u of `Double` | magnitudes in `Double` on 32 lanes |
/// | max norm, counts, sums of exact integers | exact | no rounding |
/// | p-norm | 2 u + (2 + 2048)/p · u of `Double` | 2048 additions in a row in one tile, `pow` 2 u; the root divides by p |
/// | coefficient | norm's bound + 3 u of `Double` | one sum, one quotient, one product |
/// | clip in place, an element | coefficient's bound + 2 u | the coefficient rounded once, one product |
/// | step k, an element, relative to the sum of the magnitudes of all terms that were added to it | (4 k + 8) u, plus the norm's bound if a norm clips | every step rounds direction and parameter at most twice each; factors add 4 for the velocity's way in and 4 for its way out |
/// | gemv, gemm | (k + 4) u relative to the sum of magnitudes | k products and sums |
/// | hand tables, `Double` | 4 ulp | the tables state all digits of short decimals |
public enum AccuracyBounds {
  /// Of the norm, relative, in u of the element type.
  public static func norm<S: BLASScalar>(_ type: NormType, _: S.Type) -> Double {
    let ofDouble = unit(Double.self) / unit(S.self)
    switch type.order {
    case 2: return (2048 / (S.self == Float.self ? 16 : 8) + 8) / 2 + 1.5 * ofDouble
    case 1: return (2048 / 32 + 5) * ofDouble
    case .infinity: return 0
    case let p: return (2 + (2 + 2048) / p) * ofDouble
    }
  }

  /// Of the norm of 10 000 random elements or more, relative.
  public static func normGate<S: BLASScalar>(_: S.Type) -> Double { S.self == Float.self ? 1e-7 : 1e-15 }

  /// Of the portable norm rounded to the element type, in ulp.
  public static func portableNorm<S: BLASScalar>(_: S.Type) -> Double { S.self == Float.self ? 0.500_000_2 : 1 }

  /// Of the coefficient, relative, in u of the element type.
  public static func coefficient<S: BLASScalar>(_ type: NormType, _: S.Type) -> Double {
    norm(type, S.self) + 3 * unit(Double.self) / unit(S.self)
  }

  /// Of an element after clipping in place, relative, in u.
  public static func clip<S: BLASScalar>(_ clipping: GradientClipping, _: S.Type) -> Double {
    let count = [clipping.tensorNorm, clipping.globalNorm].count { $0 != nil }
    return Double(count) * coefficient(clipping.normType, S.self) + 2
  }

  /// Of an element after some steps, in u, relative to the sum of the magnitudes of its terms.
  public static func step<S: BLASScalar>(_ steps: Int, _ clipping: GradientClipping, _: S.Type) -> Double {
    Double(4 * steps + 8) + clip(clipping, S.self) - 2
  }

  /// Of an element of a matrix product with k terms, in u, relative to the sum of the magnitudes of its terms.
  public static func product(terms k: Int) -> Double { Double(k + 4) }

  /// Of the values of the hand tables in `Double`, in ulp.
  public static let handTable = 4.0

  /// The unit roundoff.
  public static func unit<S: BinaryFloatingPoint>(_: S.Type) -> Double { Double(S.ulpOfOne) / 2 }
}

/// Prints the largest error of an operation as a share of its bound, for the record.
public func record(_ operation: String, _ share: Double) {
  print("accuracy: \(operation): \(Double(Int(share * 1000)) / 1000) of the bound")
}
