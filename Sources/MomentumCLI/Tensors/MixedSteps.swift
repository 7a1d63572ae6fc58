import Momentum
import MomentumFiles

/// Steps of a file of parameters of both types: an optimizer for each, on a thread of its own, and one norm over all.
struct MixedSteps {
  private let parts: [any TypedSteps]

  /// - Parameter doublesFirst: Which type's tensor comes first in the file: of several errors that of this type counts.
  init(floats: StepsOfType<Float>, doubles: StepsOfType<Double>, doublesFirst: Bool) {
    parts = doublesFirst ? [doubles, floats] : [floats, doubles]
  }

  /// Takes a step of all parameters. If it fails, nothing has changed.
  func step() throws(MomentumError) -> StepReport {
    let parts = parts
    return try ThreadExchange.run(owners: parts.count) { owner, exchange throws(MomentumError) in
      try parts[owner].step(exchange)
    }[0]
  }

  /// Fails if a file of gradients has changed since it was opened.
  func checkUnchanged() throws {
    for part in parts { try part.checkUnchanged() }
  }
}

/// The parameters of one type.
protocol TypedSteps: AnyObject, Sendable {
  func step(_ exchange: any NormExchange) throws(MomentumError) -> StepReport
  func checkUnchanged() throws
}

/// The parameters of one type, their gradients and their optimizer.
final class StepsOfType<Scalar: ParameterScalar>: TypedSteps, @unchecked Sendable {  // one thread a step
  private var source: GradientSource<Scalar>
  private var optimizer: Optimizer<Scalar>
  private let parameters: [UnsafeMutableBufferPointer<Scalar>]

  init(
    _ parameters: [UnsafeMutableBufferPointer<Scalar>], _ source: consuming GradientSource<Scalar>,
    _ optimizer: consuming Optimizer<Scalar>
  ) {
    self.parameters = parameters
    self.source = source
    self.optimizer = optimizer
  }

  func step(_ exchange: any NormExchange) throws(MomentumError) -> StepReport {
    try source.step(&optimizer, parameters, exchange: exchange)
  }

  func checkUnchanged() throws { try source.checkUnchanged() }
}
