/// Makes the singular values of a matrix nearly equal by products of matrices: `X ← a·X + b·(X Xᵀ) X + c·(X Xᵀ)² X`, some
/// times.
///
/// With the singular value decomposition `X = U S Vᵀ` the result is `U p(S) Vᵀ`, where p is the composition of the
/// polynomials `a·s + b·s³ + c·s⁵` of the steps. The factors are chosen such that p lies near 1 for all but the smallest
/// singular values; so the result is near `U Vᵀ`, the orthogonal matrix that is nearest to X.
///
/// ```swift
/// var matrix: [Float] = [3, 0, 0, 0, 0, 4]
/// try matrix.withUnsafeMutableBufferPointer {
///   try NewtonSchulz.jordan().orthogonalize(BLAS.MutableMatrix($0.baseAddress, rows: 2, columns: 3))
/// }
/// // the first and the last element are near 1, the others are 0
/// ```
///
/// X is divided by its Frobenius norm first, which rounds none of its elements: a matrix of any scale gives the same bits as
/// the matrix times a power of two.
public struct NewtonSchulz: Sendable, Hashable {
  /// The factors of one step.
  public struct Step: Sendable, Hashable {
    /// The factor of X.
    public var a: Double
    /// The factor of `(X Xᵀ) X`.
    public var b: Double
    /// The factor of `(X Xᵀ)² X`.
    public var c: Double

    /// A step with these factors.
    public init(_ a: Double, _ b: Double, _ c: Double) { (self.a, self.b, self.c) = (a, b, c) }

    /// The polynomial of the step at a singular value.
    public func value(at s: Double) -> Double { s * (a + s * s * (b + s * s * c)) }
  }

  /// How ``epsilon`` enters the divisor of the matrix.
  public enum EpsilonUse: String, Sendable, Hashable, Codable {
    /// The divisor is norm + epsilon, as in Optax, Keras and MLX.
    case added
    /// The divisor is max(norm, epsilon), as in PyTorch.
    case least
  }

  /// On which matrices ``restarts`` are taken.
  public enum RestartUse: String, Sendable, Hashable, Codable {
    /// On all.
    case always
    /// On those that lose digits without: whose smallest singular value is small beside the largest.
    ///
    /// A matrix does without if its larger side is at least twice the other, and every eigenvalue of its Gram matrix is
    /// larger than an eighth of the norm of every row of that. Then rounding that matrix changes no singular value by more
    /// than a few units of the last place, and with restarts the result is as far from the exact one as without. Random
    /// numbers of one variance in 1 to 3 and longer are such matrices, gradients of low rank are not.
    case whereNeeded
  }

  /// The factors of the steps, in their order.
  public var steps: [Step]
  /// Keeps the divisor of the matrix from 0. Not needed for that, and 0 by default: a matrix of zeros stays one, whatever
  /// epsilon is.
  public var epsilon: Double
  /// How ``epsilon`` is used.
  public var epsilonUse: EpsilonUse
  /// The steps after which the Gram matrix is computed anew from the matrix as it then is: numbers in `1..<steps.count`,
  /// rising.
  ///
  /// Between restarts the steps work on `X Xᵀ`, which has the squares of the singular values, and so loses the smallest
  /// ones to rounding sooner. A restart costs `3·r²·(c - r)` operations for r × c elements, r the smaller side. With Jordan's
  /// and Dion's factors it is taken where digits need it, unless ``restartUse`` says otherwise. Where time counts more than
  /// they do, an empty list is fastest on every matrix.
  ///
  /// It costs nothing for square matrices, and next to nothing for small ones. So for those whose larger side is at most a
  /// sixteenth longer, or at most 64, the Gram matrix is computed in every step, whatever the list says.
  public var restarts: [Int]
  /// On which matrices restarts are taken.
  public var restartUse: RestartUse

  /// Steps with these factors.
  ///
  /// - Parameters:
  ///   - steps: The factors of each step.
  ///   - epsilon: See ``epsilon``.
  ///   - epsilonUse: See ``epsilonUse``.
  ///   - restarts: See ``restarts``; by default after steps 2, 3, 5, 7 and so on, as far as others follow.
  ///   - restartUse: See ``restartUse``; by default always, because what restarts mend depends on the factors.
  public init(
    _ steps: [Step], epsilon: Double = 0, epsilonUse: EpsilonUse = .added, restarts: [Int]? = nil,
    restartUse: RestartUse = .always
  ) {
    self.steps = steps
    self.epsilon = epsilon
    self.epsilonUse = epsilonUse
    self.restartUse = restartUse
    self.restarts = restarts ?? ([2] + Self.oddSteps(before: steps.count)).filter { $0 < steps.count }
  }

  /// The factors of a step on a matrix that lacks a factor. Those of the last step give the result that factor, too.
  func step(_ index: Int, _ rest: Double) -> Step {
    let (factors, square, all) = (steps[index], rest * rest, index + 1 == steps.count ? rest : 1)
    return Step(factors.a * all, factors.b * square * all, factors.c * square * square * all)
  }

  /// The steps 3, 5, 7 and so on, as far as others follow.
  static func oddSteps(before count: Int) -> [Int] { Array(stride(from: 3, to: count, by: 2)) }

  /// Refuses what cannot be computed.
  ///
  /// - Throws: ``MomentumError/invalidSetting(_:)`` without steps, for factors that are not finite, for a negative or
  ///   infinite epsilon, and for restarts that are not between two steps.
  public func validate() throws(MomentumError) {
    guard !steps.isEmpty else { throw .invalidSetting(name: "steps", value: 0, expected: .countAtLeast(1)) }
    for (index, step) in steps.enumerated() {
      for (name, factor) in [("a", step.a), ("b", step.b), ("c", step.c)] where !factor.isFinite {
        throw .invalidSetting(name: "steps[\(index)].\(name)", value: factor, expected: .words("a finite number"))
      }
    }
    guard epsilon >= 0, epsilon.isFinite else {
      throw .invalidSetting(name: "epsilon", value: epsilon, expected: .finiteAtLeast(0))
    }
    var last = 0
    for restart in restarts {
      guard restart > last, restart < steps.count else {
        throw .invalidSetting(
          name: "restarts", value: "\(restarts)", expected: "rising numbers in 1..<\(steps.count)")
      }
      last = restart
    }
  }

  /// The additions and multiplications of the products of a matrix: with r the smaller side, c the larger and n steps
  /// `(4·n - 3)·r³ + 3·r²·c`, and `3·r²·(c - r)` for each restart. Of symmetric products half is counted.
  ///
  /// - Parameter restarts: What ``orthogonalizeCountingRestarts(_:threads:)`` returns for the matrix.
  package func operationCount(rows: Int, columns: Int, restarts: Int) -> Double {
    let (r, c) = (Double(min(rows, columns)), Double(max(rows, columns)))
    return r * r * (Double(4 * steps.count - 3) * r + 3 * c + 3 * Double(restarts) * (c - r))
  }

  /// The composition of the polynomials of all steps at a singular value of the divided matrix.
  public func value(at s: Double) -> Double { steps.reduce(s) { $1.value(at: $0) } }
}
