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

/// Parameters stored in the type that is computed with, and gradients stored in one type.
final class PlainPart<Scalar: ParameterScalar>: StepPart, @unchecked Sendable {  // used by one thread at a time
  private let parameters: [UnsafeMutableBufferPointer<Scalar>]
  private var source: GradientSource<Scalar>
  private var optimizer: Optimizer<Scalar>

  init(
    _ parameters: [UnsafeMutableBufferPointer<Scalar>], _ source: consuming GradientSource<Scalar>,
    _ optimizer: consuming Optimizer<Scalar>
  ) {
    self.parameters = parameters
    self.source = source
    self.optimizer = optimizer
  }

  func step(_ exchange: (any NormExchange)?) throws(MomentumError) -> StepReport {
    try source.step(&optimizer, parameters, exchange)
  }

  func stateWriters(_ state: StateOptions, areOutlines: Bool) throws -> [SafetensorsWriter] {
    try state.writers(of: optimizer, areOutlines: areOutlines)
  }
}

/// Parameters and gradients of which each tensor is stored in its own way, computed with as Floats.
final class StoredPart: StepPart, @unchecked Sendable {  // used by one thread at a time
  private let parameters: [ParameterBuffer]
  private let gradients: [TensorBuffer?]
  private var optimizer: Optimizer<Float>

  init(_ parameters: [ParameterBuffer], _ gradients: [TensorBuffer?], _ optimizer: consuming Optimizer<Float>) {
    (self.parameters, self.gradients) = (parameters, gradients)
    self.optimizer = optimizer
  }

  func step(_ exchange: (any NormExchange)?) throws(MomentumError) -> StepReport {
    guard let exchange else { return try optimizer.step(parameters: parameters, gradients: gradients) }
    return try optimizer.step(parameters: parameters, gradients: gradients, exchange: exchange)
  }

  func stateWriters(_ state: StateOptions, areOutlines: Bool) throws -> [SafetensorsWriter] {
    try state.writers(of: optimizer, areOutlines: areOutlines)
  }
}

/// Parameters each of which is stored in its own way, computed with as Floats, and sums of micro-batches.
final class SummedPart: StepPart, @unchecked Sendable {  // used by one thread at a time
  private let parameters: [ParameterBuffer]
  private var source: GradientSource<Float>
  private var optimizer: Optimizer<Float>

  init(
    _ parameters: [ParameterBuffer], _ source: consuming GradientSource<Float>, _ optimizer: consuming Optimizer<Float>
  ) {
    self.parameters = parameters
    self.source = source
    self.optimizer = optimizer
  }

  func step(_ exchange: (any NormExchange)?) throws(MomentumError) -> StepReport {
    try source.step(&optimizer, parameters, exchange)
  }

  func stateWriters(_ state: StateOptions, areOutlines: Bool) throws -> [SafetensorsWriter] {
    try state.writers(of: optimizer, areOutlines: areOutlines)
  }
}
