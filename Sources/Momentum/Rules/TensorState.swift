/// What a rule must know of a tensor to compile a step.
///
/// ```swift
/// var program = StepProgram()
/// let state = TensorState(gradientFactor: ScaledDouble(0.5), velocityScale: 1, isFirstStep: true)
/// let scale = try SGD(learningRate: 0.1, momentum: 0.9).compile(state, into: &program)  // 1
/// // program.operations are two axpys: 0.5 of the gradient into the direction, -0.1 of the direction into the parameters
/// ```
public struct TensorState: Sendable, Hashable {
  /// What clipping multiplies the gradient with, times ``unitFactor``. The program folds it into its factors; the gradient is
  /// never written.
  public let gradientFactor: ScaledDouble
  /// The scale s of the velocity `s·u`.
  public let velocityScale: Double
  /// Whether the velocity is still the zero it started as.
  public let isFirstStep: Bool
  /// What ``UpdateRule/unitFactor(gradientNorm:parameterNorm:)`` said of the tensor, if it is one unit; otherwise 1. For what
  /// the factor must also multiply besides the gradient.
  public let unitFactor: ScaledDouble

  /// Describes a tensor before a step: an optimizer does it for its rules, a test of a rule does it by hand.
  public init(
    gradientFactor: ScaledDouble = ScaledDouble(1), velocityScale: Double = 1, isFirstStep: Bool,
    unitFactor: ScaledDouble = ScaledDouble(1)
  ) {
    self.gradientFactor = gradientFactor
    self.velocityScale = velocityScale
    self.isFirstStep = isFirstStep
    self.unitFactor = unitFactor
  }
}
