/// Momentum of normalised gradients: the gradient of each unit is divided by its norm before it enters the velocity.
///
///     ĝ = g / ‖g‖                                each unit; 0 if ‖g‖ is 0
///     v ← m·v + ĝ
///     p ← p - lr·(v + wd·p)                      or, Nesterov:  p ← p - lr·(ĝ + m·v + wd·p)
///
/// with the 2-norms of one unit, g after clipping. Decay is decoupled. The size of a gradient does not count, only its
/// direction: each unit moves by lr in the first step, and by lr / (1 - m) if its gradients keep their direction. So
/// layers whose gradients are small learn as fast as the others (Yu, Huang, Lin, Salakhutdinov and Carbonell,
/// "Block-Normalized Gradient Method: An Empirical Study for Training Deep Neural Network", arXiv:1707.04822). The
/// norm is that of the gradient; ``Muon`` does a like thing to the velocity.
///
/// ```swift
/// let rule = try NormalizedMomentum(learningRate: 0.01, momentum: 0.9)
/// var optimizer = try Optimizer<Float>(layout, rule: rule)
/// ```
///
/// Reads gradients and parameters once more than ``SGD`` does, the gradients of whole tensors only where clipping does
/// not measure them anyway. A limit of the norm changes nothing where it shortens whole units; leave the tensors of the
/// rule out of the limit of all (``ParameterGroup/exemptFromWhole``). Where tensors have several units, clipping and a
/// loss scale multiply the gradient after it is divided, so their factors together should not leave the range of the
/// element type. A NaN or an infinity in a unit's gradient makes all of it NaN if the policy lets it pass. The
/// convention decides about clipping alone.
public struct NormalizedMomentum: Sendable, Hashable, Codable {
  /// lr: finite, at least 0.
  public var learningRate: Double
  /// m: finite, at least 0.
  public var momentum: Double
  /// wd: finite, at least 0.
  public var weightDecay: Double
  /// Whether to use Nesterov's look-ahead.
  public var nesterov: Bool
  /// The division of tensors into units: ``TensorUnits/tensor`` divides each tensor by its norm,
  /// ``TensorUnits/firstAxis`` and ``TensorUnits/optax`` the weights of each output.
  public var normalizedUnits: TensorUnits
  /// The convention to follow.
  public var convention: Convention

  /// Sets the hyper-parameters.
  ///
  /// - Parameters:
  ///   - learningRate: lr, finite, at least 0.
  ///   - momentum: m, finite, at least 0.
  ///   - weightDecay: wd, finite, at least 0.
  ///   - nesterov: Whether to use Nesterov's look-ahead; without momentum it changes nothing.
  ///   - units: The division of tensors into units.
  ///   - convention: The convention to follow.
  /// - Throws: ``MomentumError/invalidSetting(_:)``.
  public init(
    learningRate: Double, momentum: Double = 0.9, weightDecay: Double = 0, nesterov: Bool = false,
    units: TensorUnits = .tensor, convention: Convention = .native
  ) throws(MomentumError) {
    self.learningRate = learningRate
    self.momentum = momentum
    self.weightDecay = weightDecay
    self.nesterov = nesterov
    normalizedUnits = units
    self.convention = convention
    try validate()
  }
}

extension NormalizedMomentum: SchedulableRule {
  public var usesVelocity: Bool { momentum > 0 }
  public var keepsLearningRateInVelocity: Bool { false }
  public var dependsOnShape: Bool { false }
  public var units: TensorUnits? { normalizedUnits }

  public func following(_ convention: Convention) -> (any UpdateRule)? {
    var rule = self
    rule.convention = convention
    return rule
  }

  public func validate() throws(MomentumError) {
    try RuleSettings.checkAtLeast0("learningRate", learningRate)
    try RuleSettings.checkAtLeast0("momentum", momentum)
    try RuleSettings.checkAtLeast0("weightDecay", weightDecay)
  }

  public func unitFactor(gradientNorm: ScaledDouble, parameterNorm: ScaledDouble) -> ScaledDouble {
    if gradientNorm.significand == 0 { return ScaledDouble(1) }
    return gradientNorm.significand.isFinite ? ScaledDouble(1) / gradientNorm : ScaledDouble(.nan)
  }

  public func compile(_ tensor: TensorState, into program: inout StepProgram) -> Double {
    program.decayParameters(by: learningRate * weightDecay)
    let rate = ScaledDouble(-learningRate)
    guard usesVelocity else {
      program.append(.axpy(factor: rate * tensor.gradientFactor, from: .gradient, into: .parameters))
      return tensor.velocityScale
    }
    let scale = program.decayVelocity(of: tensor, by: momentum)
    program.append(.axpy(factor: tensor.gradientFactor / ScaledDouble(scale), from: .gradient, into: .direction))
    if nesterov {
      program.append(.axpy(factor: rate * tensor.gradientFactor, from: .gradient, into: .parameters))
    }
    let reach = rate * scale * (nesterov ? momentum : 1)
    program.append(.axpy(factor: reach, from: .direction, into: .parameters))
    return scale
  }
}

extension NormalizedMomentum: CustomStringConvertible {
  /// The rule in words, for example `normalised momentum, learning rate 0.01, momentum 0.9`.
  public var description: String {
    var parts = ["normalised momentum", "learning rate \(learningRate)"]
    if momentum > 0 {
      parts.append(RuleSettings.words(ofMomentum: momentum))
    }
    if weightDecay > 0 { parts.append("weight decay \(weightDecay)") }
    if nesterov { parts.append("Nesterov") }
    if normalizedUnits != .tensor { parts.append("units \(normalizedUnits)") }
    if convention != .native { parts.append("convention \(convention.rawValue)") }
    return parts.joined(separator: ", ")
  }
}
