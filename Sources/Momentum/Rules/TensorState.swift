/// The state of a tensor that a rule needs to compile a step.
///
/// ```swift
/// var program = StepProgram()
/// let state = TensorState(gradientFactor: ScaledDouble(0.5), velocityScale: 1, isFirstStep: true)
/// let scale = try SGD(learningRate: 0.1, momentum: 0.9).compile(state, into: &program)  // 4096
/// // program.operations are two axpys: 0.5/4096 of the gradient into the direction,
/// // -0.1·4096 of the direction into the parameters
/// ```
public struct TensorState: Sendable, Hashable {
  /// The factor of clipping for the gradient, times ``unitFactor``. The program folds it into its factors; the gradient
  /// is never written.
  public let gradientFactor: ScaledDouble
  /// The scale s of the velocity `s·u`.
  public let velocityScale: Double
  /// Whether the velocity is still the initial zero.
  public let isFirstStep: Bool
  /// The result of ``UpdateRule/unitFactor(gradientNorm:parameterNorm:)`` for the tensor if it is one unit;
  /// otherwise 1. For rules that apply this factor to more than the gradient.
  public internal(set) var unitFactor: ScaledDouble
  /// The number of the tensor's steps whose squares have entered its second moment; 0 before the first.
  public let secondMomentSteps: Int
  /// The number of the optimizer's step, 1 for the first.
  public let step: Int
  /// The extent of the tensor along each axis; empty if nothing is known of it, and for a rule that says it does not look
  /// (``UpdateRule/dependsOnShape``).
  public let shape: [Int]

  /// Describes a tensor before a step. An optimizer calls this for its rules; a test of a rule calls it directly.
  public init(
    gradientFactor: ScaledDouble = ScaledDouble(1), velocityScale: Double = 1, isFirstStep: Bool,
    unitFactor: ScaledDouble = ScaledDouble(1), secondMomentSteps: Int = 0, step: Int = 1, shape: [Int] = []
  ) {
    self.gradientFactor = gradientFactor
    self.velocityScale = velocityScale
    self.isFirstStep = isFirstStep
    self.unitFactor = unitFactor
    self.secondMomentSteps = secondMomentSteps
    self.step = step
    self.shape = shape
  }
}

extension TensorState {
  /// The rows of the tensor as a matrix: the extent of its first axis, or 1 if it has less than two axes.
  public var rows: Int { shape.count < 2 ? 1 : shape[0] }
  /// The columns: the product of the other extents, at most `Int.max`.
  public var columns: Int { shape.count < 2 ? shape.first ?? 1 : ElementCount.product(shape[1...]) }
}
