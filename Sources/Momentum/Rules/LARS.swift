/// Layer-wise adaptive rate scaling: momentum whose learning rate adapts to the norms of each tensor.
///
///     r = η·‖p‖ / (‖g‖ + wd·‖p‖ + ε)             1 if ‖p‖ or ‖g‖ is 0
///     v ← m·v - lr·r·(g + wd·p)
///     p ← p + v                                  or, Nesterov:  p ← p + m·v - lr·r·(g + wd·p)
///
/// with 2-norms of whole tensors, g after clipping. The size of a step is then in proportion to the parameters of each
/// tensor, which keeps training with very large batches stable (You, Gitman and Ginsburg, "Large Batch Training of
/// Convolutional Networks", arXiv:1708.03888). Under the optax convention the denominator is that of Optax's `lars`,
/// `‖g + wd·p‖ + ε`.
///
/// ```swift
/// let biases = ParameterGroup("biases", ["*.bias"], rule: try LARS(learningRate: 0.1, momentum: 0.9, adapts: false))
/// var optimizer = try Optimizer<Float>(
///   layout, rule: LARS(learningRate: 2, momentum: 0.9, weightDecay: 1e-4), groups: [biases])
/// ```
///
/// Reads the parameters once more than ``SGD``. Reads the gradients once more unless clipping measures them anyway;
/// under the optax convention with decay, always. The learning rate is part of the velocity.
public struct LARS: Sendable, Hashable, Codable {
  /// lr: finite, at least 0.
  public var learningRate: Double
  /// m: finite, at least 0.
  public var momentum: Double
  /// wd: finite, at least 0.
  public var weightDecay: Double
  /// η: finite, at least 0.
  public var trustCoefficient: Double
  /// ε: finite, at least 0.
  public var epsilon: Double
  /// Whether to use Nesterov's look-ahead.
  public var nesterov: Bool
  /// Whether r is used; otherwise it is 1, as is usual for biases and the parameters of normalisation.
  public var adapts: Bool
  /// The convention to follow.
  public var convention: Convention

  /// Sets the hyper-parameters.
  ///
  /// - Parameters:
  ///   - learningRate: lr, finite, at least 0.
  ///   - momentum: m, finite, at least 0.
  ///   - weightDecay: wd, finite, at least 0.
  ///   - trustCoefficient: η, finite, at least 0.
  ///   - epsilon: ε, finite, at least 0.
  ///   - nesterov: Whether to use Nesterov's look-ahead; without momentum that is plain descent.
  ///   - adapts: Whether to use r.
  ///   - convention: The convention to follow.
  /// - Throws: ``MomentumError/invalidSetting(_:)``.
  public init(
    learningRate: Double, momentum: Double = 0.9, weightDecay: Double = 0, trustCoefficient: Double = 0.001,
    epsilon: Double = 0, nesterov: Bool = false, adapts: Bool = true, convention: Convention = .native
  ) throws(MomentumError) {
    self.learningRate = learningRate
    self.momentum = momentum
    self.weightDecay = weightDecay
    self.trustCoefficient = trustCoefficient
    self.epsilon = epsilon
    self.nesterov = nesterov
    self.adapts = adapts
    self.convention = convention
    try validate()
  }
}

extension LARS: SchedulableRule {
  public var usesVelocity: Bool { momentum > 0 }
  public var dependsOnShape: Bool { false }
  public var keepsLearningRateInVelocity: Bool { true }
  public var units: TensorUnits? { adapts ? .tensor : nil }
  public var unitDecay: Double { convention == .optax ? weightDecay : 0 }

  public func validate() throws(MomentumError) {
    let settings = [
      ("learningRate", learningRate), ("momentum", momentum), ("weightDecay", weightDecay),
      ("trustCoefficient", trustCoefficient), ("epsilon", epsilon),
    ]
    for (name, value) in settings where !(value >= 0 && value.isFinite) {
      throw .invalidSetting(name: name, value: value, expected: .finiteAtLeast(0))
    }
  }

  public func unitFactor(gradientNorm: ScaledDouble, parameterNorm: ScaledDouble) -> ScaledDouble {
    if gradientNorm.significand == 0 || parameterNorm.significand == 0 { return ScaledDouble(1) }
    var denominator = gradientNorm
    // Under the optax convention the measured norm includes the decay. Under the others both norms may exceed Double,
    // so the sum is formed from their ratio.
    if convention != .optax { denominator = parameterNorm * (gradientNorm / parameterNorm + weightDecay) }
    return parameterNorm * trustCoefficient / (denominator + epsilon)
  }

  public func compile(_ tensor: TensorState, into program: inout StepProgram) -> Double {
    // The factors of g and p as they enter the velocity.
    let gradient = tensor.gradientFactor * -learningRate
    let decay = weightDecay > 0 ? tensor.unitFactor * weightDecay * -learningRate : nil
    // The decay of a step uses the parameters for which the gradient was computed.
    let changesParametersFirst = !usesVelocity || nesterov
    if decay != nil, changesParametersFirst { program.append(.copy(from: .parameters, into: .copy)) }

    var scale = tensor.velocityScale
    if usesVelocity {
      scale = program.decayVelocity(of: tensor, by: momentum)
      program.append(.axpy(factor: gradient / ScaledDouble(scale), from: .gradient, into: .direction))
      if let decay {
        program.append(.axpy(factor: decay / ScaledDouble(scale), from: .parameters, into: .direction))
      }
    }
    if changesParametersFirst {
      program.append(.axpy(factor: gradient, from: .gradient, into: .parameters))
      if let decay { program.append(.axpy(factor: decay, from: .copy, into: .parameters)) }
    }
    if usesVelocity {
      let reach = ScaledDouble(scale) * (nesterov ? momentum : 1)
      program.append(.axpy(factor: reach, from: .direction, into: .parameters))
    }
    return scale
  }
}

extension LARS: CustomStringConvertible {
  /// The rule in words, for example `LARS, learning rate 2.0, momentum 0.9, weight decay 0.0001`.
  public var description: String {
    var parts = ["LARS", "learning rate \(learningRate)"]
    if momentum > 0 {
      parts.append(RuleSettings.words(ofMomentum: momentum))
    }
    if weightDecay > 0 { parts.append("weight decay \(weightDecay)") }
    parts.append(adapts ? "trust coefficient \(trustCoefficient)" : "without adapting")
    if nesterov { parts.append("Nesterov") }
    if convention != .native { parts.append("convention \(convention.rawValue)") }
    return parts.joined(separator: ", ")
  }
}
