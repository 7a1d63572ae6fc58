import Momentum
import MomentumFiles

/// The source of gradients for the steps of some parameters, which are computed with in one type: the gradients of one
/// checkpoint, or those of micro-batches added up.
struct GradientSource<Scalar: ParameterScalar>: ~Copyable {
  private let buffers: [GradientBuffers<Scalar>]
  private let weights: [Double]
  private var accumulator: GradientAccumulator<Scalar>?

  /// Finds the tensors of the parameters in the files.
  ///
  /// - Parameters:
  ///   - gradients: The files, which must be kept.
  ///   - parameters: The parameters of this source.
  ///   - algorithm: How the steps measure norms.
  init(
    _ gradients: StepGradients, of parameters: CheckpointTensors, _ algorithm: NormAlgorithm, threads: Int?
  ) throws {
    let buffers = try gradients.checkpoints.map { try GradientBuffers<Scalar>($0, of: parameters) }
    accumulator =
      !gradients.isSum
      ? nil
      : try GradientAccumulator(
        parameters.layout(), reduction: gradients.reduction == .mean ? .mean : .sum,
        algorithm: algorithm, threads: threads)
    (self.buffers, weights) = (buffers, gradients.weights)
  }

  /// Takes a step, together with other parameters if there is an exchange.
  mutating func step(
    _ optimizer: inout Optimizer<Scalar>, _ parameters: [UnsafeMutableBufferPointer<Scalar>],
    _ exchange: (any NormExchange)? = nil
  ) throws(MomentumError) -> StepReport {
    guard accumulator == nil else {
      try accumulate()
      guard let exchange else { return try optimizer.step(parameters: parameters, gradients: &accumulator!) }
      return try optimizer.step(parameters: parameters, gradients: &accumulator!, exchange: exchange)
    }
    switch buffers[0] {
    case .plain(let gradients):
      guard let exchange else { return try optimizer.step(parameters: parameters, gradients: gradients) }
      return try optimizer.step(parameters: parameters, gradients: gradients, exchange: exchange)
    case .typed(let gradients): return try Scalar.step(&optimizer, parameters, gradients, exchange)
    }
  }

  /// Adds up all micro-batches.
  private mutating func accumulate() throws(MomentumError) {
    for (gradients, weight) in zip(buffers, weights) {
      switch gradients {
      case .plain(let gradients): try accumulator!.add(gradients, weight: weight)
      case .typed(let gradients): try Scalar.add(gradients, weight: weight, to: &accumulator!)
      }
    }
  }
}

extension GradientSource<Float> {
  /// Takes a step of parameters of which each is stored in its own way.
  mutating func step(
    _ optimizer: inout Optimizer<Float>, _ parameters: [ParameterBuffer], _ exchange: (any NormExchange)? = nil
  ) throws(MomentumError) -> StepReport {
    guard accumulator == nil else {
      try accumulate()
      guard let exchange else { return try optimizer.step(parameters: parameters, gradients: &accumulator!) }
      return try optimizer.step(parameters: parameters, gradients: &accumulator!, exchange: exchange)
    }
    let gradients = buffers[0].tensorBuffers
    guard let exchange else { return try optimizer.step(parameters: parameters, gradients: gradients) }
    return try optimizer.step(parameters: parameters, gradients: gradients, exchange: exchange)
  }
}
