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
  /// - Throws: ``MomentumError/invalidSetting(_:)``.
  func validate() throws(MomentumError)

  /// Whether the learning rate is part of the velocity; by default as the convention has it. A velocity of the one kind means
  /// something else to a rule of the other; see ``Optimizer/convertVelocity(toKeepLearningRate:learningRate:)``.
  var keepsLearningRateInVelocity: Bool { get }

  /// The rule with the settings of one step, if they change from step to step; by default `nil`: they do not. A rule that
  /// returns `nil` once is not asked again.
  ///
  /// - Parameter step: How many steps have been taken, 0 before the first.
  /// - Throws: ``MomentumError/invalidSetting(_:)``.
  func resolved(at step: Int) throws(MomentumError) -> (any UpdateRule)?

  /// The learning rate of the next step, at which a velocity of the other kind is converted
  /// (``Optimizer/convertVelocity(toKeepLearningRate:learningRate:)``); by default `nil`: the rule has none.
  var conversionRate: Double? { get }

  /// How the rule divides each tensor into units whose gradients it scales by factors of their own; by default `nil`: it
  /// does not.
  var units: TensorUnits? { get }

  /// Which multiple of the parameters is added to the gradient before its units are measured; by default 0.
  var unitDecay: Double { get }

  /// What the gradient of a unit is multiplied with, before the operations that ``compile(_:into:)`` appends; by default 1.
  ///
  /// - Parameters:
  ///   - gradientNorm: The 2-norm of the unit's gradient after clipping, ``UpdateRule/unitDecay`` times its parameters added.
  ///   - parameterNorm: The 2-norm of the unit's parameters.
  func unitFactor(gradientNorm: ScaledDouble, parameterNorm: ScaledDouble) -> ScaledDouble

  /// Appends the operations of one step of one tensor.
  ///
  /// - Parameters:
  ///   - tensor: The tensor's state before the step.
  ///   - program: May hold operations already that prepare the gradient.
  /// - Returns: The velocity's scale after the step.
  func compile(_ tensor: TensorState, into program: inout StepProgram) -> Double

  /// Appends the operations that turn a step taken with one gradient factor into the step with another, for
  /// ``StepMode/onePass``. Possible where the step is linear in the gradient.
  ///
  /// - Parameters:
  ///   - tensor: The tensor's state before the step.
  ///   - change: By how much the right factor differs from the one taken.
  ///   - scale: What ``compile(_:into:)`` returned for the step taken.
  ///   - program: May hold operations already that prepare the gradient.
  /// - Returns: Whether the rule can be corrected; by default it cannot.
  func compileCorrection(
    _ tensor: TensorState, change: ScaledDouble, scale: Double, into program: inout StepProgram
  ) -> Bool
}

extension UpdateRule {
  public var keepsLearningRateInVelocity: Bool { convention.keepsLearningRateInVelocity }
  public func resolved(at step: Int) throws(MomentumError) -> (any UpdateRule)? { nil }
  public var conversionRate: Double? { nil }
  public var units: TensorUnits? { nil }
  public var unitDecay: Double { 0 }
  public func unitFactor(gradientNorm: ScaledDouble, parameterNorm: ScaledDouble) -> ScaledDouble { ScaledDouble(1) }
  public func compileCorrection(
    _ tensor: TensorState, change: ScaledDouble, scale: Double, into program: inout StepProgram
  ) -> Bool { false }
}

/// A rule whose learning rate and momentum can follow a schedule.
public protocol SchedulableRule: UpdateRule {
  /// lr: finite, at least 0.
  var learningRate: Double { get set }
  /// m: finite, at least 0.
  var momentum: Double { get set }
}

extension SchedulableRule {
  public var conversionRate: Double? { learningRate }
}
