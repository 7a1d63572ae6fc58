/// The sign of the momentum: every element of the parameters moves by the learning rate, in the direction of the
/// velocity.
///
///     v ← m·v + g
///     p ← p - lr·(sign(v) + wd·p)         or, Nesterov:  sign(g + m·v) in place of sign(v)
///
/// with the gradient g after clipping; sign(±0) is 0, and the sign of NaN is NaN. Decay is decoupled. Without momentum
/// this is signSGD, which needs no velocity (Bernstein, Wang, Azizzadenesheli and Anandkumar, "signSGD: Compressed
/// Optimisation for Non-Convex Problems", arXiv:1802.04434). Their `v ← m·v + (1 - m)·g` has the same signs.
///
/// ```swift
/// let rule = try Signum(learningRate: 1e-4, momentum: 0.9)
/// var optimizer = try Optimizer<Float>(layout, rule: rule)
/// ```
///
/// A step moves what ``SGD`` with the same momentum moves. The convention decides about clipping alone. ``Lion`` is the
/// same with two decays, one for the step and one for the velocity.
public struct Signum: Sendable, Hashable, Codable {
  /// lr: finite, at least 0.
  public var learningRate: Double
  /// m: finite, at least 0.
  public var momentum: Double
  /// wd: finite, at least 0.
  public var weightDecay: Double
  /// Whether to use Nesterov's look-ahead.
  public var nesterov: Bool
  /// The convention to follow.
  public var convention: Convention

  /// Sets the hyper-parameters.
  ///
  /// - Parameters:
  ///   - learningRate: lr, finite, at least 0.
  ///   - momentum: m, finite, at least 0.
  ///   - weightDecay: wd, finite, at least 0.
  ///   - nesterov: Whether to use Nesterov's look-ahead; without momentum it changes nothing.
  ///   - convention: The convention to follow.
  /// - Throws: ``MomentumError/invalidSetting(_:)``.
  public init(
    learningRate: Double, momentum: Double = 0.9, weightDecay: Double = 0, nesterov: Bool = false,
    convention: Convention = .native
  ) throws(MomentumError) {
    self.learningRate = learningRate
    self.momentum = momentum
    self.weightDecay = weightDecay
    self.nesterov = nesterov
    self.convention = convention
    try validate()
  }
}

extension Signum: SchedulableRule {
  public var usesVelocity: Bool { momentum > 0 }
  public var keepsLearningRateInVelocity: Bool { false }
  public var dependsOnShape: Bool { false }

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

  public func compile(_ tensor: TensorState, into program: inout StepProgram) -> Double {
    program.decayParameters(by: learningRate * weightDecay)
    var scale = tensor.velocityScale
    if usesVelocity {
      scale = program.decayVelocity(of: tensor, by: momentum)
      let entering = tensor.gradientFactor / ScaledDouble(scale)
      program.append(.axpy(factor: entering, from: .gradient, into: .direction))
      program.append(.copy(from: .direction, into: .copy))
      // A positive factor does not change a sign: (g + m·v) / (m·s) instead of g + m·v.
      if nesterov { program.append(.axpy(factor: entering / ScaledDouble(momentum), from: .gradient, into: .copy)) }
    } else {
      program.append(.copy(from: .gradient, into: .copy))
      program.append(.scal(factor: tensor.gradientFactor, .copy))
    }
    program.append(.sign(.copy))
    program.append(.axpy(factor: ScaledDouble(-learningRate), from: .copy, into: .parameters))
    return scale
  }
}

extension Signum: CustomStringConvertible {
  /// The rule in words, for example `Signum, learning rate 0.0001, momentum 0.9`.
  public var description: String {
    var parts = ["Signum", "learning rate \(learningRate)"]
    if momentum > 0 {
      parts.append(RuleSettings.words(ofMomentum: momentum))
    }
    if weightDecay > 0 { parts.append("weight decay \(weightDecay)") }
    if nesterov { parts.append("Nesterov") }
    if convention != .native { parts.append("convention \(convention.rawValue)") }
    return parts.joined(separator: ", ")
  }
}
