/// Stochastic gradient descent with momentum.
///
///     v ← m·v + (1 - d)·g
///     p ← p - lr·v                     or, Nesterov:  p ← p - lr·(g + m·v)
///
/// with the gradient g after clipping, plus `weightDecay · p` if decay is coupled. Momentum, a float >= 0, keeps an
/// exponentially decayed sum of past gradients: it speeds up descent along persistent directions and damps oscillation
/// across them (Polyak 1964; Nesterov 1983; Sutskever, Martens, Dahl and Hinton 2013).
///
/// ```swift
/// let rule = try SGD(learningRate: 0.02, momentum: 0.9)
/// var optimizer = try Optimizer<Float>(layout, rule: rule, clipping: .byGlobalNorm(1))
/// ```
///
/// With momentum a step is two axpys for each tile. The properties may be changed between steps (``Optimizer/rule``);
/// every step checks them before it writes anything.
public struct SGD: Sendable, Hashable, Codable {
  /// lr: finite, at least 0.
  public var learningRate: Double
  /// m: finite, at least 0. With 1 the velocity is the plain sum of all gradients; above 1 it grows geometrically, which
  /// is allowed, as in other libraries (but Keras), and which ``description`` says: 9 is sometimes 0.9 mistyped.
  public var momentum: Double
  /// d: in 0...1.
  public var dampening: Double
  /// The weight decay: finite, at least 0.
  public var weightDecay: Double
  /// Whether decay shrinks the parameters directly, `p ← p - lr·weightDecay·p`, instead of entering the velocity.
  public var decoupledWeightDecay: Bool
  /// Whether to use Nesterov's look-ahead, the step along `g + m·v`.
  public var nesterov: Bool
  /// Whether to ascend instead of descend.
  public var maximize: Bool
  /// The convention to follow.
  public var convention: Convention

  /// Sets the hyper-parameters.
  ///
  /// - Parameters:
  ///   - learningRate: lr, finite, at least 0.
  ///   - momentum: m, finite, at least 0.
  ///   - dampening: d, in 0...1; 0 under the conventions keras and optax.
  ///   - weightDecay: The weight decay: finite, at least 0.
  ///   - decoupledWeightDecay: Whether decay bypasses the velocity; by default as the convention does.
  ///   - nesterov: Needs momentum above 0 and dampening 0 (keras and optax: without momentum it is plain descent).
  ///   - maximize: Whether to ascend instead of descend.
  ///   - convention: The convention to follow.
  /// - Throws: ``MomentumError/invalidSetting(_:)``.
  public init(
    learningRate: Double, momentum: Double = 0, dampening: Double = 0, weightDecay: Double = 0,
    decoupledWeightDecay: Bool? = nil, nesterov: Bool = false, maximize: Bool = false, convention: Convention = .native
  ) throws(MomentumError) {
    self.learningRate = learningRate
    self.momentum = momentum
    self.dampening = dampening
    self.weightDecay = weightDecay
    self.decoupledWeightDecay = decoupledWeightDecay ?? convention.decouplesWeightDecay
    self.nesterov = nesterov
    self.maximize = maximize
    self.convention = convention
    try validate()
  }
}

extension SGD: SchedulableRule {
  public var usesVelocity: Bool { momentum > 0 }
  public var gradientWeight: Double { 1 - dampening }
  public var dependsOnShape: Bool { false }
  public var correctsEveryStep: Bool { true }

  public func validate() throws(MomentumError) {
    // Called one by one, not over an array: every step checks the settings, and an array would take longer than the
    // step of a small tensor.
    func check(_ name: String, _ value: Double) throws(MomentumError) {
      guard value >= 0, value.isFinite else {
        throw .invalidSetting(name: name, value: value, expected: .finiteAtLeast(0))
      }
    }
    try check("learningRate", learningRate)
    try check("momentum", momentum)
    try check("weightDecay", weightDecay)
    guard dampening >= 0, dampening <= 1 else {
      throw .invalidSetting(name: "dampening", value: dampening, expected: .between(0, 1))
    }
    let fixed = convention == .keras || convention == .optax
    if fixed, dampening != 0 {
      throw .invalidSetting(
        name: "dampening", value: dampening, expected: .words("0 under the \(convention.rawValue) convention"))
    }
    if convention == .keras, momentum > 1 {
      throw .invalidSetting(name: "momentum", value: momentum, expected: .words("at most 1 under the keras convention"))
    }
    if nesterov, dampening != 0 || (momentum == 0 && !fixed) {
      throw .invalidSetting(
        name: "nesterov", value: "true with momentum \(momentum) and dampening \(dampening)",
        expected: "momentum > 0 and dampening 0")
    }
  }

  public func compile(_ tensor: TensorState, into program: inout StepProgram) -> Double {
    let clipped = maximize ? -tensor.gradientFactor : tensor.gradientFactor
    let coupled = weightDecay > 0 && !decoupledWeightDecay
    // Decay uses the parameters for which the gradient was computed, so they are copied before they change. Adding the
    // decay by an axpy loses no digits; a scal by 1 - lr·weightDecay would round the decay itself to a multiple of the
    // unit roundoff.
    let decaysDirectly = weightDecay > 0 && (decoupledWeightDecay || nesterov || !usesVelocity)
    if decaysDirectly { program.append(.copy(from: .parameters, into: .copy)) }

    guard usesVelocity else {
      if decaysDirectly { program.append(.axpy(factor: decay, from: .copy, into: .parameters)) }
      program.append(.axpy(factor: clipped * -learningRate, from: .gradient, into: .parameters))
      return tensor.velocityScale
    }

    let scale = program.decayVelocity(of: tensor, by: momentum)
    let (entering, leaving) = factors(tensor)
    program.append(.axpy(factor: clipped * entering / ScaledDouble(scale), from: .gradient, into: .direction))
    if coupled {
      let factor = ScaledDouble.product(entering, weightDecay) / ScaledDouble(scale)
      program.append(.axpy(factor: factor, from: .parameters, into: .direction))
    }
    if decaysDirectly { program.append(.axpy(factor: decay, from: .copy, into: .parameters)) }
    if nesterov {
      program.append(.axpy(factor: clipped * -learningRate, from: .gradient, into: .parameters))
      program.append(
        .axpy(factor: .product(leaving, momentum) * scale, from: .direction, into: .parameters))
    } else {
      program.append(.axpy(factor: .product(leaving, scale), from: .direction, into: .parameters))
    }
    return scale
  }

  public func compileCorrection(
    _ tensor: TensorState, change: ScaledDouble, scale: Double, into program: inout StepProgram
  ) -> Bool {
    // The step used f·g where (f + change)·g was right, so the effect of change·g is missing.
    let change = maximize ? -change : change
    let (entering, leaving) = factors(tensor)
    if usesVelocity {
      program.append(.axpy(factor: change * entering / ScaledDouble(scale), from: .gradient, into: .direction))
    }
    let reach = if !usesVelocity { -learningRate } else { leaving * entering * (nesterov ? momentum : 1) }
    let ahead = usesVelocity && nesterov ? -learningRate : 0
    program.append(.axpy(factor: change * (reach + ahead), from: .gradient, into: .parameters))
    return true
  }

  /// The factor of the gradient as it enters the velocity, and that of the velocity as it enters the parameters.
  private func factors(_ tensor: TensorState) -> (entering: Double, leaving: Double) {
    if convention.keepsLearningRateInVelocity { return (-learningRate, 1) }
    return (tensor.isFirstStep && convention.leavesFirstStepUndamped ? 1 : 1 - dampening, -learningRate)
  }

  private var decay: ScaledDouble { .product(-learningRate, weightDecay) }
}

extension SGD: CustomStringConvertible {
  /// The rule in words, for example `SGD, learning rate 0.1, momentum 0.9, Nesterov`.
  public var description: String {
    var parts = ["SGD", "learning rate \(learningRate)"]
    if momentum > 0 {
      parts.append(RuleSettings.words(ofMomentum: momentum))
    }
    if dampening > 0 { parts.append("dampening \(dampening)") }
    if weightDecay > 0 { parts.append("\(decoupledWeightDecay ? "decoupled " : "")weight decay \(weightDecay)") }
    if nesterov { parts.append("Nesterov") }
    if maximize { parts.append("ascending") }
    if convention != .native { parts.append("convention \(convention.rawValue)") }
    return parts.joined(separator: ", ")
  }
}
