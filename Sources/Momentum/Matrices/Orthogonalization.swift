/// How ``Muon`` makes a matrix orthogonal.
///
/// ```swift
/// let rule = try Muon(learningRate: 0.02, method: .polarExpress(steps: 8))
/// ```
public enum Orthogonalization: Sendable, Hashable {
  /// Nearly: by products of matrices.
  case newtonSchulz(NewtonSchulz)
  /// Up to rounding: the polar factor `U Vᵀ` of the singular value decomposition `U S Vᵀ`, by LAPACK.
  ///
  /// Its routines are not in this module but in `MomentumLAPACK`: a program calls `LAPACK.supplyPolarFactors()` once,
  /// before it makes such a rule or reads such a configuration. Without that they are refused.
  ///
  /// Singular values that are 0 up to rounding, at most `ulpOfOne·max(rows, columns)` times the largest one, become 0, the
  /// others 1: directions in which a matrix has nothing get no step, and a matrix of zeros stays one. A NaN or an infinity
  /// makes every element NaN. No divisor enters, so conventions do not differ here, and a matrix of any scale gives the
  /// same bits as the matrix times a power of two.
  ///
  /// Takes about as long as five steps of ``NewtonSchulz``, more for small matrices; `momentum bench --matrices 768x768
  /// --polar` measures both. Decomposes one matrix after the other, however many threads the step has: their number
  /// changes no bits. That of OpenBLAS does, which LAPACK lets work on products of any size: set `OPENBLAS_NUM_THREADS` to
  /// the same number where bits have to be the same. (The command asks for one thread, unless that variable is set.)
  case polar

  /// Newton-Schulz steps with the factors of Keller Jordan; see ``NewtonSchulz/jordan(steps:restarts:)``.
  public static func jordan(steps: Int = 5, restarts: [Int]? = nil) -> Orthogonalization {
    .newtonSchulz(.jordan(steps: steps, restarts: restarts))
  }

  /// Newton-Schulz steps with the factors of Polar Express; see ``NewtonSchulz/polarExpress(steps:restarts:)``.
  public static func polarExpress(steps: Int = 5, restarts: [Int]? = nil) -> Orthogonalization {
    .newtonSchulz(.polarExpress(steps: steps, restarts: restarts))
  }

  /// Newton-Schulz steps with the factors of Dion; see ``NewtonSchulz/dion``.
  public static var dion: Orthogonalization { .newtonSchulz(.dion) }

  /// Refuses what cannot be computed.
  ///
  /// - Throws: ``MomentumError/invalidSetting(_:)`` as ``NewtonSchulz/validate()`` does, and for ``polar`` in a program that
  ///   has not been supplied with its routines.
  public func validate() throws(MomentumError) {
    switch self {
    case .newtonSchulz(let method): try method.validate()
    case .polar: try PolarRoutines.check()
    }
  }

  /// What enters the divisor of a matrix beside its norm.
  var epsilon: Double { if case .newtonSchulz(let method) = self { method.epsilon } else { 0 } }
}
