/// Adaptive gradient clipping around any update rule: limits the gradient of each unit in proportion to its parameters.
///
///     M = λ · max(‖p‖, ε)
///     g ← g · M/‖g‖    where ‖g‖ > M
///
/// with the 2-norms of one unit, g after all other clipping. A step then changes a unit by at most a fixed share of its
/// norm. This made it possible to train networks without normalisation in large batches (Brock, De, Smith and Simonyan,
/// "High-Performance Large-Scale Image Recognition Without Normalization", arXiv:2102.06171). Under the optax
/// convention the rule is Optax's `adaptive_grad_clip`: `g · M/max(‖g‖, 10⁻⁶)` unless `‖g‖ < M`.
///
/// ```swift
/// let rule = try AdaptiveGradientClipping(SGD(learningRate: 0.1, momentum: 0.9), factor: 0.01)
/// var optimizer = try Optimizer<Float>(layout, rule: rule)
/// ```
///
/// Reads gradients and parameters once more than the base rule does. Final layers are usually not clipped: give them
/// the base rule in a ``ParameterGroup``. A NaN in a unit's parameters makes the unit's gradient NaN; so does a NaN in
/// its gradient if the policy lets it pass.
public struct AdaptiveGradientClipping: Sendable {
  /// The rule that takes the step with the clipped gradient. It must not scale units itself.
  public var base: any UpdateRule
  /// λ: finite, at least 0.
  public var factor: Double
  /// ε, finite, at least 0. It lets parameters that are 0 move.
  public var epsilon: Double
  /// The division of tensors into units: ``TensorUnits/firstAxis`` for PyTorch's layouts, ``TensorUnits/optax`` for
  /// JAX's.
  public var clippedUnits: TensorUnits

  /// Adds clipping before a rule.
  ///
  /// - Parameters:
  ///   - base: The rule that takes the step.
  ///   - factor: λ, finite, at least 0.
  ///   - epsilon: ε, finite, at least 0.
  ///   - units: The division of tensors into units.
  /// - Throws: ``MomentumError/invalidSetting(_:)``.
  public init(
    _ base: any UpdateRule, factor: Double = 0.01, epsilon: Double = 1e-3, units: TensorUnits = .firstAxis
  ) throws(MomentumError) {
    self.base = base
    self.factor = factor
    self.epsilon = epsilon
    clippedUnits = units
    try validate()
  }
}

extension AdaptiveGradientClipping: UpdateRule {
  public var convention: Convention { base.convention }
  public var usesVelocity: Bool { base.usesVelocity }
  public var usesSecondMoment: Bool { base.usesSecondMoment }
  public var keepsLearningRateInVelocity: Bool { base.keepsLearningRateInVelocity }
  public var gradientWeight: Double { base.gradientWeight }
  public var dependsOnShape: Bool { base.dependsOnShape }
  public var conversionRate: Double? { base.conversionRate }
  public var reportedMomentum: Double? { base.reportedMomentum }
  public var units: TensorUnits? { clippedUnits }
  public var transform: MatrixTransform? { base.transform }
  public func following(_ convention: Convention) -> (any UpdateRule)? { base.following(convention) }

  public func validate() throws(MomentumError) {
    for (name, value) in [("factor", factor), ("epsilon", epsilon)] where !(value >= 0 && value.isFinite) {
      throw .invalidSetting(
        name: "\(name) of adaptive clipping", value: value, expected: .finiteAtLeast(0))
    }
    if base.units != nil {
      throw .invalidSetting(
        name: "base of adaptive clipping", value: "\(type(of: base))", expected: "a rule that does not scale units")
    }
    try base.validate()
  }

  public func resolved(at step: Int) throws(MomentumError) -> (any UpdateRule)? {
    guard let resolved = try base.resolved(at: step) else { return nil }
    var rule = self
    rule.base = resolved
    return rule
  }

  public func scalingLearningRate(by factor: Double) -> (any UpdateRule)? {
    guard let scaled = base.scalingLearningRate(by: factor) else { return nil }
    var rule = self
    rule.base = scaled
    return rule
  }

  public func unitFactor(gradientNorm: ScaledDouble, parameterNorm: ScaledDouble) -> ScaledDouble {
    let (one, least) = (ScaledDouble(1), ScaledDouble(epsilon))
    // Comparisons with NaN are false; these lines are written so that the result is then NaN.
    let limit = (parameterNorm < least ? least : parameterNorm) * factor
    if convention == .optax {
      let divisor = gradientNorm < ScaledDouble(1e-6) ? ScaledDouble(1e-6) : gradientNorm
      return gradientNorm < limit ? one : limit / divisor
    }
    if gradientNorm <= limit { return one }
    return gradientNorm.significand.isFinite ? limit / gradientNorm : ScaledDouble(.nan)
  }

  public func compile(_ tensor: TensorState, into program: inout StepProgram) -> Double {
    // The factor clips the gradient, and is in its factor already. It is none of the base rule's, which might apply it
    // to more.
    var state = tensor
    state.unitFactor = ScaledDouble(1)
    return base.compile(state, into: &program)
  }
}

extension AdaptiveGradientClipping: CustomStringConvertible {
  /// The base rule and the limits, for example `SGD, learning rate 0.1, adaptive gradient clipping 0.01`.
  public var description: String { "\(base), adaptive gradient clipping \(factor)" }
}
