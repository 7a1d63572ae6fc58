import Momentum
import MomentumFiles

/// The source of gradients for steps: those of one file, or those of several added up, each times its weight.
struct GradientSource<Scalar: BLASScalar & SafetensorsScalar>: ~Copyable {
  private let files: [TensorFile]
  private let buffers: [[UnsafeBufferPointer<Scalar>?]]
  private let weights: [Double]
  private var accumulator: GradientAccumulator<Scalar>?

  /// Opens files and finds the tensors of the parameters in them.
  ///
  /// - Parameters:
  ///   - paths: At least one.
  ///   - weights: One for each path.
  ///   - reduction: What becomes of several, or of weighted ones.
  ///   - algorithm: How the steps measure norms.
  init(
    _ paths: [String], weights: [Double], of parameters: TensorFile,
    _ reduction: GradientAccumulator<Scalar>.Reduction, _ algorithm: NormAlgorithm, threads: Int?
  ) throws {
    let files = try paths.map { try TensorFile($0) }
    let buffers = try files.map { try parameters.matching($0, as: Scalar.self) }
    if weights != [1] {
      accumulator = try GradientAccumulator(
        parameters.layout(), reduction: reduction, algorithm: algorithm, threads: threads)
    }
    self.files = files
    self.buffers = buffers
    self.weights = weights
  }

  /// The name of the gradients in errors.
  var name: String { files.map(\.path).joined(separator: ", ") }

  /// Takes a step.
  mutating func step(
    _ optimizer: inout Optimizer<Scalar>, _ parameters: [UnsafeMutableBufferPointer<Scalar>]
  ) throws(MomentumError) -> StepReport {
    guard accumulator != nil else { return try optimizer.step(parameters: parameters, gradients: buffers[0]) }
    for (gradients, weight) in zip(buffers, weights) { try accumulator!.add(gradients, weight: weight) }
    return try optimizer.step(parameters: parameters, gradients: &accumulator!)
  }

  /// Fails if a file has changed since it was opened. The buffers point into the files until then.
  func checkUnchanged() throws {
    for file in files { try file.file.checkUnchanged() }
  }
}

/// The use of gradients of several files.
enum Accumulation: String, CaseIterable {
  case mean, sum

  func reduction<Scalar>() -> GradientAccumulator<Scalar>.Reduction { self == .mean ? .mean : .sum }
}
