public import Momentum

/// The engine's own arithmetic for one element at a time, to the bit: velocity as scale times direction, each factor
/// formed in `Double` and rounded once, and one multiply-add a term, fused or not as the loaded BLAS does it.
///
/// Covers factors in the normal range of the element type.
public struct ScalarOracle<S: BLASScalar> {
  public var rule: SGD
  public private(set) var parameters: [S]
  public private(set) var direction: [S]
  public private(set) var scale = 1.0
  private var isFirstStep = true
  private let fused: Bool

  public init(_ parameters: [S], rule: SGD, fused: Bool = Self.axpyIsFused) {
    (self.rule, self.parameters, self.fused) = (rule, parameters, fused)
    direction = parameters.map { _ in 0 }
  }

  /// Whether the axpy of the loaded BLAS rounds once.
  public static var axpyIsFused: Bool { axpyIsFused(count: 64) }

  /// Whether it does at the end of a call of some length: the product here needs more digits than the type has, and the
  /// sum cancels all but the last.
  public static func axpyIsFused(count: Int) -> Bool {
    let small = S(sign: .plus, exponent: -(S.significandBitCount / 2 + 1), significand: 1)
    let x = [S](repeating: 1 + small, count: count)
    var y = [S](repeating: -(1 + 2 * small), count: count)
    S._axpy(Int32(count), 1 + small, x, 1, &y, 1)
    return y[count - 1] == small * small
  }

  private func add(_ factor: S, _ x: S, to y: S) -> S {
    fused ? y.addingProduct(factor, x) : y + factor * x
  }

  /// One step with a gradient that is clipped by value already, and the coefficient that norm clips gave its tensor.
  public mutating func step(_ gradient: [S], coefficient: Double) {
    let (lr, μ, wd) = (rule.learningRate, rule.momentum, rule.weightDecay)
    let c = rule.maximize ? -coefficient : coefficient
    let old = parameters
    let decays = wd > 0 && (rule.decoupledWeightDecay || rule.nesterov || μ == 0)
    guard μ > 0 else {
      for i in parameters.indices {
        if decays { parameters[i] = add(S(-lr * wd), old[i], to: parameters[i]) }
        parameters[i] = add(S(c * -lr), gradient[i], to: parameters[i])
      }
      return
    }
    // The scale falls from 2¹² to 1, or grows from 1 to 2¹²; then the direction takes it in.
    let start = μ > 1 ? 1.0 : 4096
    let next = isFirstStep ? start : μ * scale
    if (1...4096).contains(next) {
      scale = next
    } else {
      for i in direction.indices { direction[i] *= S(next / start) }
      scale = start
    }
    let isInside = rule.convention == .keras
    let entering = isInside ? -lr : rule.convention == .pytorch && isFirstStep ? 1 : 1 - rule.dampening
    let leaving = isInside ? 1 : -lr
    isFirstStep = false
    for i in parameters.indices {
      direction[i] = add(S(c * entering / scale), gradient[i], to: direction[i])
      if wd > 0, !rule.decoupledWeightDecay {
        direction[i] = add(S(entering * wd / scale), old[i], to: direction[i])
      }
      if decays { parameters[i] = add(S(-lr * wd), old[i], to: parameters[i]) }
      if rule.nesterov { parameters[i] = add(S(c * -lr), gradient[i], to: parameters[i]) }
      let factor = rule.nesterov ? leaving * μ * scale : leaving * scale
      parameters[i] = add(S(factor), direction[i], to: parameters[i])
    }
  }
}
