public import Momentum

/// One step after another by plain loops in a wide type: check, clip by value, by the norm of each tensor, by the norm of
/// all, sign, decay, momentum, update.
///
/// Settings are the library's values; all arithmetic is written again here, velocity unscaled. Beside every number runs
/// a bound: the sum of the magnitudes of all terms that were added to make it. Rounding errors are proportional to that,
/// and not to the number itself, which may have cancelled.
public struct ReferenceOptimizer<Wide: WideFloat> {
  public var rule: SGD
  public var clipping: GradientClipping
  public var policy: NonFinitePolicy
  public private(set) var parameters: [[Wide]]
  public private(set) var parameterBounds: [[Wide]]
  public private(set) var velocity: [[Wide]]
  public private(set) var velocityBounds: [[Wide]]
  public private(set) var stepCount = 0
  private var isFirstStep: [Bool]
  /// Rounds to the element type of the run under test: a bound for clipping by value is one of its numbers.
  private let narrow: (Double) -> Wide

  /// What a step saw and did.
  public struct Report {
    public var totalNorm: Wide = 0
    public var comparedNorm: Wide = 0
    public var clipCoefficient: Wide = 1
    public var nanCount = 0
    public var infinityCount = 0
    public var valueClippedCount = 0
    public var wasSkipped = false
    /// Whether the policy asks for an error.
    public var throwsError = false
  }

  public init<S: BinaryFloatingPoint>(
    _ parameters: [[S]], rule: SGD, clipping: GradientClipping = .none, policy: NonFinitePolicy = .throw
  ) {
    (self.rule, self.clipping, self.policy) = (rule, clipping, policy)
    self.parameters = parameters.map { $0.map { Wide($0) } }
    parameterBounds = self.parameters.map { $0.map(\.magnitude) }
    velocity = parameters.map { $0.map { _ in 0 } }
    velocityBounds = velocity
    isFirstStep = parameters.map { _ in true }
    narrow = { Wide(S($0)) }
  }

  /// Takes one step; a tensor without a gradient is skipped entirely.
  public mutating func step<S: BinaryFloatingPoint>(_ gradients: [[S]?]) -> Report {
    var wide = gradients.map { $0.map { $0.map { Wide($0) } } }
    let report = clip(&wide)
    guard !report.wasSkipped, !report.throwsError else { return report }
    for tensor in parameters.indices {
      guard let gradient = wide[tensor] else { continue }
      for i in gradient.indices { update(tensor, i, gradient[i]) }
      if rule.momentum > 0 { isFirstStep[tensor] = false }
    }
    stepCount += 1
    return report
  }

  /// Stages 3 to 6, in place.
  public func clip(_ gradients: inout [[Wide]?]) -> Report {
    var report = Report()
    for tensor in gradients.indices {
      for element in gradients[tensor] ?? [] {
        if element.isNaN { report.nanCount += 1 } else if element.isInfinite { report.infinityCount += 1 }
      }
    }
    let order = clipping.normType.order
    if report.nanCount + report.infinityCount > 0 {
      switch policy {
      case .throw: report.throwsError = true
      case .skipStep: report.wasSkipped = true
      case .propagate: break
      case .zero: gradients = gradients.map { $0.map { $0.map { $0.isFinite ? $0 : 0 } } }
      }
      if report.throwsError || report.wasSkipped { return report }
    }
    report.totalNorm = norm(gradients.flatMap { $0 ?? [] }, order)

    if let range = clipping.value {
      let (lower, upper) = (narrow(range.lowerBound), narrow(range.upperBound))
      for tensor in gradients.indices {
        guard let gradient = gradients[tensor] else { continue }
        gradients[tensor] = gradient.map { element in
          if element < lower || element > upper { report.valueClippedCount += 1 }
          if element < lower { return lower }
          return element > upper ? upper : element
        }
      }
    }
    if let limit = clipping.tensorNorm {
      for tensor in gradients.indices {
        guard let gradient = gradients[tensor] else { continue }
        let c = coefficient(norm(gradient, order), limit, isWhole: false)
        if c != 1 { gradients[tensor] = gradient.map { c * $0 } }
      }
    }
    report.comparedNorm = norm(gradients.flatMap { $0 ?? [] }, order)
    if let limit = clipping.globalNorm {
      let c = coefficient(report.comparedNorm, limit, isWhole: true)
      report.clipCoefficient = c
      if c != 1 { gradients = gradients.map { $0.map { $0.map { c * $0 } } } }
    }
    return report
  }

  /// Stages 7 to 10 for one element.
  private mutating func update(_ tensor: Int, _ i: Int, _ clipped: Wide) {
    let (lr, μ, wd) = (Wide(rule.learningRate), Wide(rule.momentum), Wide(rule.weightDecay))
    let old = parameters[tensor][i]
    let oldBound = parameterBounds[tensor][i]
    var (g, bound) = (rule.maximize ? -clipped : clipped, clipped.magnitude)
    if wd > 0, !rule.decoupledWeightDecay {
      g += wd * old
      bound += wd * oldBound
    }
    var p = old
    var pBound = oldBound
    if wd > 0, rule.decoupledWeightDecay {
      p -= lr * wd * old
      pBound += lr * wd * oldBound
    }
    guard μ > 0 else {
      parameters[tensor][i] = p - lr * g
      parameterBounds[tensor][i] = pBound + lr * bound
      return
    }
    let isInside = rule.convention == .keras
    let undamped = rule.convention == .pytorch && isFirstStep[tensor]
    let entering: Wide = isInside ? -lr : undamped ? 1 : 1 - Wide(rule.dampening)
    let v = (isFirstStep[tensor] ? 0 : μ * velocity[tensor][i]) + entering * g
    let vBound = (isFirstStep[tensor] ? 0 : μ * velocityBounds[tensor][i]) + entering.magnitude * bound
    switch (isInside, rule.nesterov) {
    case (true, false): (p, pBound) = (p + v, pBound + vBound)
    case (true, true): (p, pBound) = (p + (μ * v - lr * g), pBound + μ * vBound + lr * bound)
    case (false, false): (p, pBound) = (p - lr * v, pBound + lr * vBound)
    case (false, true): (p, pBound) = (p - lr * (g + μ * v), pBound + lr * (bound + μ * vBound))
    }
    (velocity[tensor][i], velocityBounds[tensor][i]) = (v, vBound)
    (parameters[tensor][i], parameterBounds[tensor][i]) = (p, pBound)
  }

  // MARK: Norms and coefficients

  /// The norm by its definition, with a scale so that nothing overflows.
  private func norm(_ x: [Wide], _ order: Double) -> Wide { ReferenceNorm.norm(x, order: order) }

  /// The table of conventions, row by row.
  private func coefficient(_ n: Wide, _ limit: Double, isWhole: Bool) -> Wide {
    let c = Wide(limit)
    // Rules that hold under every convention: an infinite limit measures only, and 0/0 is never formed.
    if limit == .infinity || n == 0 { return 1 }
    // Optax and MLX have no clip of single tensors, so the native rule holds there.
    let convention = !isWhole && [.optax, .mlx].contains(rule.convention) ? .native : rule.convention
    switch convention {
    case .native:
      if n.isNaN || n.isInfinite { return .nan }
      return n > c ? c / n : 1
    case .pytorch:
      let factor = c / (n + 1e-6)
      return factor > 1 ? 1 : factor
    case .keras:
      if c == 0 { return 1 }
      guard isWhole else { return n.isNaN ? .nan : c / (n > c ? n : c) }
      return n > c ? c * (1 / n) + (n - n) : n.isNaN ? .nan : 1
    case .optax:
      return n < c ? 1 : c / n
    case .mlx:
      return n < c ? 1 : c / (n + 1e-6)
    }
  }
}
