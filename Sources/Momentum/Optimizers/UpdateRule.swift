/// How a gradient changes parameters: compiles its hyper-parameters into a ``StepProgram`` for each step.
///
/// The velocity v is stored as a scale times a direction, `v = s·u`. Then `v ← m·v + a·g` is one axpy,
///
///     s ← m·s;   u ← u + (a/s)·g
///
/// and no pass multiplies the velocity by m. A rule is a value without state of its own; the ``Optimizer`` keeps scale and
/// direction, and runs the program.
public protocol UpdateRule: Sendable {
  /// Whose formulas the rule and the clipping before it follow.
  var convention: Convention { get }

  /// Whether the rule keeps a velocity with these settings.
  var usesVelocity: Bool { get }

  /// Checks the settings.
  ///
  /// - Throws: ``MomentumError/invalidSetting(name:value:expected:)``.
  func validate() throws(MomentumError)

  /// Appends the operations of one step of one tensor.
  ///
  /// - Parameters:
  ///   - tensor: The tensor's state before the step.
  ///   - program: May hold operations already that prepare the gradient.
  /// - Returns: The velocity's scale after the step.
  func compile(_ tensor: TensorState, into program: inout StepProgram) -> Double

  /// Appends the operations that turn a step taken with the gradient factor 1 into the step with another factor, for
  /// ``StepMode/onePass``. Possible where the step is linear in the gradient.
  ///
  /// - Parameters:
  ///   - tensor: The tensor's state before the step, with the right factor.
  ///   - scale: What ``compile(_:into:)`` returned for the step taken.
  ///   - program: May hold operations already that prepare the gradient.
  /// - Returns: Whether the rule can be corrected; by default it cannot.
  func compileCorrection(_ tensor: TensorState, scale: Double, into program: inout StepProgram) -> Bool
}

extension UpdateRule {
  public func compileCorrection(_ tensor: TensorState, scale: Double, into program: inout StepProgram) -> Bool { false }
}

/// What a rule must know of a tensor to compile a step.
public struct TensorState: Sendable, Hashable {
  /// What clipping multiplies the gradient with. The program folds it into its factors; the gradient is never written.
  public let gradientFactor: ScaledDouble
  /// The scale s of the velocity `s·u`.
  public let velocityScale: Double
  /// Whether the velocity is still the zero it started as.
  public let isFirstStep: Bool
}
