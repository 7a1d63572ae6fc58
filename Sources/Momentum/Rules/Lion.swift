/// Evolved sign momentum: every element of the parameters moves by the learning rate, in the direction of an
/// interpolation of momentum and gradient.
///
///     c = β₁·m + (1 - β₁)·g
///     p ← p - lr·(sign(c) + wd·p)
///     m ← β₂·m + (1 - β₂)·g
///
/// with the gradient g after clipping; sign(±0) is 0, and the sign of NaN is NaN. Decay is decoupled. Because every
/// step has the same size, learning rates are three to ten times smaller than those of ``AdamW``, and decay as much
/// larger (Chen et al., "Symbolic Discovery of Optimization Algorithms", arXiv:2302.06675).
///
/// ```swift
/// let rule = try Lion(learningRate: 1e-4, weightDecay: 0.1)
/// var optimizer = try Optimizer<Float>(layout, rule: rule, clipping: .byGlobalNorm(1))
/// ```
///
/// Optax, Keras and MLX compute the same; the convention decides about clipping and about the default of the decay
/// alone. m is the velocity of the optimizer. A step moves what ``SGD`` with momentum moves: reads gradient, velocity
/// and parameters, writes velocity and parameters. The sign of a c that cancels almost entirely may differ from that of
/// another library, which rounds in another order.
public struct Lion: Sendable, Hashable, Codable {
  /// lr: finite, at least 0.
  public var learningRate: Double
  /// β₁, the weight of the momentum in the step: in 0...1.
  public var beta1: Double
  /// β₂, the decay of the momentum: in 0...1.
  public var beta2: Double
  /// wd: finite, at least 0.
  public var weightDecay: Double
  /// The convention to follow.
  public var convention: Convention

  /// Sets the hyper-parameters.
  ///
  /// - Parameters:
  ///   - learningRate: lr, finite, at least 0.
  ///   - beta1: β₁, in 0...1.
  ///   - beta2: β₂, in 0...1.
  ///   - weightDecay: wd, finite, at least 0; by default 0.001 under the optax convention and 0 under the others.
  ///   - convention: The convention to follow.
  /// - Throws: ``MomentumError/invalidSetting(_:)``.
  public init(
    learningRate: Double, beta1: Double = 0.9, beta2: Double = 0.99, weightDecay: Double? = nil,
    convention: Convention = .native
  ) throws(MomentumError) {
    self.learningRate = learningRate
    self.beta1 = beta1
    self.beta2 = beta2
    self.weightDecay = weightDecay ?? (convention == .optax ? 1e-3 : 0)
    self.convention = convention
    try validate()
  }
}

extension Lion: SchedulableRule {
  /// β₁, as schedules and reports name it.
  public var momentum: Double {
    get { beta1 }
    set { beta1 = newValue }
  }

  public var usesVelocity: Bool { true }
  public var keepsLearningRateInVelocity: Bool { false }
  public var gradientWeight: Double { 1 - beta2 }
  public var dependsOnShape: Bool { false }

  public func following(_ convention: Convention) -> (any UpdateRule)? {
    var rule = self
    rule.convention = convention
    return rule
  }

  public func validate() throws(MomentumError) {
    try RuleSettings.checkAtLeast0("learningRate", learningRate)
    try RuleSettings.checkAtLeast0("weightDecay", weightDecay)
    try RuleSettings.checkDecay("beta1", beta1)
    try RuleSettings.checkDecay("beta2", beta2)
  }

  public func compile(_ tensor: TensorState, into program: inout StepProgram) -> Double {
    program.decayParameters(by: learningRate * weightDecay)
    // A positive factor does not change a sign, so c is computed in units of the stored direction.
    if beta1 > 0 {
      program.append(.copy(from: .direction, into: .copy))
      let factor = tensor.gradientFactor * (1 - beta1) / (ScaledDouble(beta1) * tensor.velocityScale)
      program.append(.axpy(factor: factor, from: .gradient, into: .copy))
    } else {
      program.append(.copy(from: .gradient, into: .copy))
      program.append(.scal(factor: tensor.gradientFactor, .copy))
    }
    program.append(.sign(.copy))
    program.append(.axpy(factor: ScaledDouble(-learningRate), from: .copy, into: .parameters))
    let scale = program.decayVelocity(of: tensor, by: beta2)
    let entering = tensor.gradientFactor * (1 - beta2) / ScaledDouble(scale)
    program.append(.axpy(factor: entering, from: .gradient, into: .direction))
    return scale
  }
}

extension Lion: CustomStringConvertible {
  /// The rule in words, for example `Lion, learning rate 0.0001, betas 0.9 and 0.99, weight decay 0.1`.
  public var description: String {
    var parts = ["Lion", "learning rate \(learningRate)", "betas \(beta1) and \(beta2)"]
    if weightDecay > 0 { parts.append("weight decay \(weightDecay)") }
    if convention != .native { parts.append("convention \(convention.rawValue)") }
    return parts.joined(separator: ", ")
  }
}
