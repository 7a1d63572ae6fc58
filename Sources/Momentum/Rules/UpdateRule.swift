/// The way in which a gradient changes parameters. A rule compiles its hyper-parameters into a ``StepProgram`` for each
/// step.
///
/// The velocity v is stored as a scale times a direction, `v = s·u`. Then `v ← m·v + a·g` is one axpy,
///
///     s ← m·s;   u ← u + (a/s)·g
///
/// and no pass multiplies the velocity by m. A rule is a value without state of its own; the ``Optimizer`` keeps scale
/// and direction, and runs the program.
public protocol UpdateRule: Sendable {
  /// The convention that the rule and the clipping before it follow.
  var convention: Convention { get }

  /// Whether the rule keeps a velocity with these settings.
  var usesVelocity: Bool { get }

  /// Whether the rule keeps a second moment with these settings, as ``AdamW`` does; by default not.
  var usesSecondMoment: Bool { get }

  /// Checks the settings.
  ///
  /// - Throws: ``MomentumError/invalidSetting(_:)``.
  func validate() throws(MomentumError)

  /// Whether the learning rate is part of the velocity; by default as in the convention. A rule that keeps it there
  /// would misread the velocity of a rule that does not, and the reverse; see
  /// ``Optimizer/convertVelocity(toKeepLearningRate:learningRate:)``.
  var keepsLearningRateInVelocity: Bool { get }

  /// The factor with which a gradient enters the velocity, besides a learning rate: 1, which is the default, where the
  /// velocity is a sum of gradients, `v ← m·v + g`, and 1 - m where it is a mean. Velocities of one kind can be made those
  /// of the other; see ``Optimizer/convertVelocity(from:to:)``.
  var gradientWeight: Double { get }

  /// The rule as the library of a convention has it, for velocities that come from there; by default `nil`, which means
  /// that they are as those of ``SGD`` there.
  func following(_ convention: Convention) -> (any UpdateRule)?

  /// Whether what the rule compiles depends on the shape of the tensor (``TensorState/shape``); by default `true`.
  /// Neighbouring tensors share the program of a rule that says `false`, whatever their shapes are.
  var dependsOnShape: Bool { get }

  /// The rule with the settings of one step; by default `nil`, which means that the settings do not change from step to
  /// step. A rule that returns `nil` once is not asked again.
  ///
  /// - Parameter step: The number of steps taken so far, 0 before the first.
  /// - Throws: ``MomentumError/invalidSetting(_:)``.
  func resolved(at step: Int) throws(MomentumError) -> (any UpdateRule)?

  /// The learning rate of the next step: reports have it (``StepReport/learningRate``), and a velocity of the other
  /// kind is converted by it (``Optimizer/convertVelocity(toKeepLearningRate:learningRate:)``); by default `nil`: the
  /// rule has none.
  var conversionRate: Double? { get }

  /// The momentum of the next step, for reports (``StepReport/momentum``); by default `nil`: the rule has none.
  var reportedMomentum: Double? { get }

  /// The rule with its learning rate multiplied, for ``ParameterGroup/learningRateFactor``; by default `nil`: the rule
  /// has no learning rate. Asked of the rule of one step, which ``resolved(at:)`` returns.
  func scalingLearningRate(by factor: Double) -> (any UpdateRule)?

  /// The division of each tensor into units whose gradients the rule scales by factors of their own; by default `nil`:
  /// it scales no units.
  var units: TensorUnits? { get }

  /// The multiple of the parameters that is added to the gradient before its units are measured; by default 0.
  var unitDecay: Double { get }

  /// What the rule makes of the update of a whole tensor, where a program says ``StepOperation/transform``; by default
  /// `nil`: nothing.
  var transform: MatrixTransform? { get }

  /// The factor of the gradient of a unit, applied before the operations that ``compile(_:into:)`` appends; by
  /// default 1.
  ///
  /// - Parameters:
  ///   - gradientNorm: The 2-norm of the unit's gradient after clipping, to which ``UpdateRule/unitDecay`` times its
  ///     parameters is added.
  ///   - parameterNorm: The 2-norm of the unit's parameters.
  func unitFactor(gradientNorm: ScaledDouble, parameterNorm: ScaledDouble) -> ScaledDouble

  /// Appends the operations of one step of one tensor.
  ///
  /// - Parameters:
  ///   - tensor: The tensor's state before the step.
  ///   - program: The program to append to; it may already hold operations that clip or clear the gradient.
  /// - Returns: The velocity's scale after the step.
  func compile(_ tensor: TensorState, into program: inout StepProgram) -> Double

  /// Appends the operations that turn a step taken with one gradient factor into the step with another, for
  /// ``StepMode/onePass``. This is possible where the step is linear in the gradient.
  ///
  /// - Parameters:
  ///   - tensor: The tensor's state before the step.
  ///   - change: The difference of the right factor from the one used.
  ///   - scale: The scale that ``compile(_:into:)`` returned for the step taken.
  ///   - program: The program to append to; it may already hold operations that clip or clear the gradient.
  /// - Returns: Whether the rule can be corrected; by default it cannot.
  func compileCorrection(
    _ tensor: TensorState, change: ScaledDouble, scale: Double, into program: inout StepProgram
  ) -> Bool

  /// Whether ``compileCorrection(_:change:scale:into:)`` corrects every step, by valid operations whatever the change and the
  /// state of a tensor are; by default `false`: then it is asked before each step in one pass, which must not be taken if it
  /// cannot be corrected. Otherwise it is asked before the first one after settings have changed. A rule that breaks its word
  /// makes the first step that has to be corrected throw when parameters have been written.
  var correctsEveryStep: Bool { get }
}

extension UpdateRule {
  public var usesSecondMoment: Bool { false }
  public var keepsLearningRateInVelocity: Bool { convention.keepsLearningRateInVelocity }
  public var gradientWeight: Double { 1 }
  public var dependsOnShape: Bool { true }
  public func following(_ convention: Convention) -> (any UpdateRule)? { nil }
  public func resolved(at step: Int) throws(MomentumError) -> (any UpdateRule)? { nil }
  public var conversionRate: Double? { nil }
  public var reportedMomentum: Double? { nil }
  public func scalingLearningRate(by factor: Double) -> (any UpdateRule)? { nil }
  public var units: TensorUnits? { nil }
  public var transform: MatrixTransform? { nil }
  public var unitDecay: Double { 0 }
  public func unitFactor(gradientNorm: ScaledDouble, parameterNorm: ScaledDouble) -> ScaledDouble { ScaledDouble(1) }
  public func compileCorrection(
    _ tensor: TensorState, change: ScaledDouble, scale: Double, into program: inout StepProgram
  ) -> Bool { false }
  public var correctsEveryStep: Bool { false }
}
