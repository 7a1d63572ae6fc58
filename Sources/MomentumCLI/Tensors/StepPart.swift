import Momentum
import MomentumFiles

/// What one optimizer steps: parameters of one file that are computed with in one type.
protocol StepPart: AnyObject, Sendable {
  /// Takes a step, together with the other parts if there is an exchange. If it fails, nothing has changed.
  func step(_ exchange: (any NormExchange)?) throws(MomentumError) -> StepReport

  /// The files of what the optimizer remembers, and of what they hold of tensors that are passed by, to be written while this
  /// part lives.
  ///
  /// - Parameter areOutlines: Whether they are the plans of files whose vectors other parts write.
  func stateWriters(_ state: StateOptions, areOutlines: Bool) throws -> [SafetensorsWriter]

  /// The same files with the tensors alone that are passed by.
  func passedWriters(_ state: StateOptions) throws -> [SafetensorsWriter]

  /// To be called when the tensors that are passed by have been written: fails if their files have changed.
  func finishPassed() throws
}

/// Parameters that are computed with in one type, however they are stored.
final class OptimizerPart<Scalar: ParameterScalar>: StepPart, @unchecked Sendable {  // used by one thread at a time
  /// A step of the parameters with the gradients of a source.
  typealias Step = (
    inout GradientSource<Scalar>, inout Optimizer<Scalar>, (any NormExchange)?
  ) throws(MomentumError) -> StepReport

  private var source: GradientSource<Scalar>
  private var optimizer: Optimizer<Scalar>
  /// `nil` for a part of a file, whose whole has them.
  private let passed: StoredStates<Scalar>?
  private let takeStep: Step

  init(
    _ source: consuming GradientSource<Scalar>, _ optimizer: consuming Optimizer<Scalar>,
    passing passed: StoredStates<Scalar>?, takeStep: @escaping Step
  ) {
    self.source = source
    self.optimizer = optimizer
    self.passed = passed
    self.takeStep = takeStep
  }

  func step(_ exchange: (any NormExchange)?) throws(MomentumError) -> StepReport {
    try takeStep(&source, &optimizer, exchange)
  }

  func stateWriters(_ state: StateOptions, areOutlines: Bool) throws -> [SafetensorsWriter] {
    try state.writers(of: optimizer, passing: passed, areOutlines: areOutlines)
  }

  func passedWriters(_ state: StateOptions) throws -> [SafetensorsWriter] {
    try state.outputFiles.compactMap { try passed?.passed($0.parts).writer(parts: $0.parts) }
  }

  func finishPassed() throws { try passed?.finish() }
}
