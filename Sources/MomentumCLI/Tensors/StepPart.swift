import Momentum
import MomentumFiles

/// What one optimizer steps: parameters of one file that are computed with in one type.
protocol StepPart: AnyObject, Sendable {
  /// Takes a step, together with the other parts if there is an exchange. If it fails, nothing has changed.
  func step(_ exchange: (any NormExchange)?) throws(MomentumError) -> StepReport

  /// The files of what the optimizer remembers, to be written while this part lives.
  ///
  /// - Parameter areOutlines: Whether they are the plans of files whose vectors other parts write.
  func stateWriters(_ state: StateOptions, areOutlines: Bool) throws -> [SafetensorsWriter]
}

/// Parameters that are computed with in one type, however they are stored.
final class OptimizerPart<Scalar: ParameterScalar>: StepPart, @unchecked Sendable {  // used by one thread at a time
  /// A step of the parameters with the gradients of a source.
  typealias Step = (
    inout GradientSource<Scalar>, inout Optimizer<Scalar>, (any NormExchange)?
  ) throws(MomentumError) -> StepReport

  private var source: GradientSource<Scalar>
  private var optimizer: Optimizer<Scalar>
  private let takeStep: Step

  init(
    _ source: consuming GradientSource<Scalar>, _ optimizer: consuming Optimizer<Scalar>, takeStep: @escaping Step
  ) {
    self.source = source
    self.optimizer = optimizer
    self.takeStep = takeStep
  }

  func step(_ exchange: (any NormExchange)?) throws(MomentumError) -> StepReport {
    try takeStep(&source, &optimizer, exchange)
  }

  func stateWriters(_ state: StateOptions, areOutlines: Bool) throws -> [SafetensorsWriter] {
    try state.writers(of: optimizer, areOutlines: areOutlines)
  }
}
