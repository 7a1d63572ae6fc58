/// Adaptive moments with decoupled weight decay: each element moves by its momentum, divided by the root of the mean of
/// its squared gradients.
///
///     m ← β₁·m + (1 - β₁)·g
///     v ← β₂·v + (1 - β₂)·g²
///     p ← p - lr·(m̂ / (√v̂ + ε) + wd·p)            m̂ = m / (1 - β₁ᵗ),  v̂ = v / (1 - β₂ᵗ)
///
/// with the gradient g after clipping and the number t of this step, 1 for a tensor's first (Kingma and Ba, "Adam: A
/// Method for Stochastic Optimization", arXiv:1412.6980; Loshchilov and Hutter, "Decoupled Weight Decay
/// Regularization", arXiv:1711.05101). It is what tensors that are no matrices usually get beside a rule for matrices.
///
/// ```swift
/// let rule = try AdamW(learningRate: 1e-3, weightDecay: 0.01)
/// var optimizer = try Optimizer<Float>(layout, rule: rule, clipping: .byGlobalNorm(1))
/// ```
///
/// | convention | step | ε | wd by default | bias correction by default |
/// |---|---|--:|--:|---|
/// | native, pytorch | as above | 1e-8 | 0.01 | yes |
/// | optax | as above | 1e-8 | 0.0001 | yes |
/// | keras | `m̂ / (√v̂ + ε / √(1 - β₂ᵗ))`: ε is added to √v | 1e-7 | 0.004 | yes |
/// | mlx | as above, but m̂ = m and v̂ = v by default | 1e-8 | 0.01 | no |
///
/// All of them multiply the decay by lr. t counts the steps of each tensor, as PyTorch does; other libraries count
/// those of the optimizer, which is the same where every step has a gradient for every tensor. AMSGrad is not offered.
///
/// m is the velocity of the optimizer, v its second moment. A step reads gradient, velocity, second moment and
/// parameters, and writes the last three: 7 elements for each parameter, 8 with a norm to measure. An element of v
/// carries at most six roundings a step, all of positive terms; the quotient adds three more to those of m, and the
/// step one. A gradient whose square is below the range of the element type, about 1e-23 for `Float`, leaves v as it
/// is.
public struct AdamW: Sendable, Hashable, Codable {
  /// lr: finite, at least 0.
  public var learningRate: Double
  /// β₁, the decay of the momentum: at least 0, below 1.
  public var beta1: Double
  /// β₂, the decay of the mean of squares: at least 0, below 1.
  public var beta2: Double
  /// ε: finite, at least 0. With 0 an element that has had no gradient yet becomes NaN, as 0/0.
  public var epsilon: Double
  /// wd: finite, at least 0.
  public var weightDecay: Double
  /// Whether the means are divided by the sum of their weights, which is below 1 in the first steps.
  public var biasCorrection: Bool
  /// The convention to follow.
  public var convention: Convention

  /// Sets the hyper-parameters.
  ///
  /// - Parameters:
  ///   - learningRate: lr, finite, at least 0.
  ///   - beta1: β₁, at least 0, below 1.
  ///   - beta2: β₂, at least 0, below 1.
  ///   - epsilon: ε, finite, at least 0; by default as the convention has it.
  ///   - weightDecay: wd, finite, at least 0; by default as the convention has it.
  ///   - biasCorrection: Whether the means are divided by the sum of their weights; by default as the convention has it.
  ///   - convention: The convention to follow.
  /// - Throws: ``MomentumError/invalidSetting(_:)``.
  public init(
    learningRate: Double, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double? = nil,
    weightDecay: Double? = nil,
    biasCorrection: Bool? = nil, convention: Convention = .native
  ) throws(MomentumError) {
    self.learningRate = learningRate
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon ?? (convention == .keras ? 1e-7 : 1e-8)
    let decay =
      switch convention {
      case .native, .pytorch, .mlx: 0.01
      case .optax: 1e-4
      case .keras: 0.004
      }
    self.weightDecay = weightDecay ?? decay
    self.biasCorrection = biasCorrection ?? (convention != .mlx)
    self.convention = convention
    try validate()
  }
}

extension AdamW: SchedulableRule {
  /// β₁, as schedules and reports name it.
  public var momentum: Double {
    get { beta1 }
    set { beta1 = newValue }
  }

  public var usesVelocity: Bool { true }
  public var usesSecondMoment: Bool { true }
  public var keepsLearningRateInVelocity: Bool { false }
  public var gradientWeight: Double { 1 - beta1 }
  public var dependsOnShape: Bool { false }

  public func following(_ convention: Convention) -> (any UpdateRule)? {
    var rule = self
    rule.convention = convention
    return rule
  }

  public func validate() throws(MomentumError) {
    try RuleSettings.checkAtLeast0("learningRate", learningRate)
    try RuleSettings.checkAtLeast0("epsilon", epsilon)
    try RuleSettings.checkAtLeast0("weightDecay", weightDecay)
    try RuleSettings.checkDecay("beta1", beta1, below1: true)
    try RuleSettings.checkDecay("beta2", beta2, below1: true)
  }

  public func compile(_ tensor: TensorState, into program: inout StepProgram) -> Double {
    program.decayParameters(by: learningRate * weightDecay)
    let scale = program.decayVelocity(of: tensor, by: beta1)
    let entering = tensor.gradientFactor * (1 - beta1) / ScaledDouble(scale)
    program.append(.axpy(factor: entering, from: .gradient, into: .direction))
    // The square root of the weight is inside the square, so that no intermediate result leaves the range before the
    // mean does.
    program.append(
      .averageSquares(
        decay: beta2, factor: tensor.gradientFactor * (1 - beta2).squareRoot(), from: .gradient, into: .secondMoment))
    program.append(.copy(from: .direction, into: .copy))
    let (rate, epsilon) = corrected(step: tensor.secondMomentSteps + 1)
    program.append(.divideByRoot(of: .secondMoment, epsilon: ScaledDouble(epsilon), .copy))
    program.append(.axpy(factor: ScaledDouble(-rate) * scale, from: .copy, into: .parameters))
    return scale
  }

  /// The factor of `m / (√v + epsilon)`, and the epsilon: the correction of the means, taken out of the quotient.
  private func corrected(step: Int) -> (rate: Double, epsilon: Double) {
    guard biasCorrection else { return (learningRate, epsilon) }
    let root = Platform.complementOfPower(beta2, Double(step)).squareRoot()
    let rate = learningRate * root / Platform.complementOfPower(beta1, Double(step))
    return (rate, convention == .keras ? epsilon : epsilon * root)
  }
}

extension AdamW: CustomStringConvertible {
  /// The rule in words, for example `AdamW, learning rate 0.001, betas 0.9 and 0.999, epsilon 1e-08, weight decay
  /// 0.01`.
  public var description: String {
    var parts = ["AdamW", "learning rate \(learningRate)", "betas \(beta1) and \(beta2)", "epsilon \(epsilon)"]
    if weightDecay > 0 { parts.append("weight decay \(weightDecay)") }
    if !biasCorrection { parts.append("without bias correction") }
    if convention != .native { parts.append("convention \(convention.rawValue)") }
    return parts.joined(separator: ", ")
  }
}
