import Momentum
import MomentumFiles
import MomentumMPI

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

  /// What the optimizer remembers, without the elements of its vectors, to be told to another process.
  func outline() throws -> [UInt8]

  /// Takes on what parts in other processes, each of some of the tensors, have told. One at least.
  func adopt(_ outlines: [[UInt8]]) throws

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
  /// `nil` also for a part of a file, whose whole has them.
  private let passed: PassedStates<Scalar>?
  private let takeStep: Step

  init(
    _ source: consuming GradientSource<Scalar>, _ optimizer: consuming Optimizer<Scalar>,
    passing passed: PassedStates<Scalar>?, takeStep: @escaping Step
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

  func outline() throws -> [UInt8] { try StateOutline(optimizer.stateOutline()).bytes }

  func adopt(_ outlines: [[UInt8]]) throws {
    var state = OptimizerState<Scalar>(optimizer.layout)
    for outline in outlines {
      let own = try StateOutline<Scalar>(bytes: outline).state
      (state.stepCount, state.lastStepClipped) = (own.stepCount, own.lastStepClipped)
      (state.lossScale, state.adaptiveLimit) = (own.lossScale, own.adaptiveLimit)
      for (index, tensor) in (own.layout?.tensors ?? []).enumerated() {
        guard let place = optimizer.layout.index(of: tensor.name) else { continue }
        (state.velocities[place], state.averages[place]) = (own.velocities[index], own.averages[index])
      }
    }
    try optimizer.restore(state, directions: [], averages: [], confirm: {})
  }
}
