import Momentum
import MomentumFiles
import MomentumMPI

/// The source of gradients for steps: those of one file, those of several that are shards of one gradient, or those of
/// micro-batches added up, each times its weight.
struct GradientSource<Scalar: BLASScalar & SafetensorsScalar>: ~Copyable {
  private let files: [TensorFile]
  private let buffers: [[UnsafeBufferPointer<Scalar>?]]
  private let weights: [Double]
  private var accumulator: GradientAccumulator<Scalar>?

  /// Opens files and finds the tensors of the parameters in them.
  ///
  /// - Parameters:
  ///   - paths: At least one.
  ///   - meaning: What several files are.
  ///   - algorithm: How the steps measure norms.
  ///   - part: The pieces of the tensors that are stepped here, and their layout; `nil` for all tensors.
  init(
    _ paths: [String], _ meaning: GradientFiles, of parameters: TensorFile, _ algorithm: NormAlgorithm, threads: Int?,
    part: (pieces: [ShardPlan.Piece], layout: ParameterLayout)? = nil
  ) throws {
    let files = try paths.map { try TensorFile($0) }
    for file in files where file.tensors.isEmpty {
      throw DataFileError(file: file.path, cause: "has no tensor; expected gradients of tensors in \(parameters.path)")
    }
    let buffers = try files.map { try parameters.matching($0, as: Scalar.self) }
    var (gradients, weights, reduction) = (buffers, [1.0], Accumulation.mean)
    switch meaning {
    case .shards:
      gradients = [try Self.joined(buffers, files, parameters)]
    case .microBatches(let stated, let given, let isStated):
      try Self.checkCoverage(buffers, files, parameters, isStated)
      (weights, reduction) = (given ?? files.map { _ in 1 }, stated)
    }
    if let part {
      gradients = gradients.map { tensors in
        part.pieces.map { piece in tensors[piece.tensor].map { UnsafeBufferPointer(rebasing: $0[piece.range]) } }
      }
    }
    accumulator =
      weights == [1]
      ? nil
      : try GradientAccumulator(
        part?.layout ?? parameters.layout(), reduction: reduction == .mean ? .mean : .sum, algorithm: algorithm,
        threads: threads)
    self.files = files
    self.buffers = gradients
    self.weights = weights
  }

  /// The tensors of several files together.
  ///
  /// - Throws: ``DataFileError`` if a tensor is in two of them.
  private static func joined(
    _ buffers: [[UnsafeBufferPointer<Scalar>?]], _ files: [TensorFile], _ parameters: TensorFile
  ) throws -> [UnsafeBufferPointer<Scalar>?] {
    var whole = buffers[0]
    for (shard, file) in zip(buffers, files).dropFirst() {
      for (index, values) in shard.enumerated() where values != nil {
        guard whole[index] == nil else {
          let name = parameters.tensors[index].name
          let first = files[buffers.firstIndex { $0[index] != nil }!].path
          throw DataFileError(
            file: file.path, cause: "tensor '\(name)' is in \(first) too; expected shards of different tensors")
        }
        whole[index] = values
      }
    }
    return whole
  }

  /// Throws ``DataFileError`` unless all files are of the same tensors.
  private static func checkCoverage(
    _ buffers: [[UnsafeBufferPointer<Scalar>?]], _ files: [TensorFile], _ parameters: TensorFile, _ isStated: Bool
  ) throws {
    for (other, file) in zip(buffers, files).dropFirst() {
      guard let index = other.indices.first(where: { (other[$0] == nil) != (buffers[0][$0] == nil) }) else { continue }
      let isMissing = other[index] == nil
      let (lacking, having) = isMissing ? (file, files[0]) : (files[0], file)
      let expected =
        isStated
        ? "the same tensors in every micro-batch"
        : "--shards, if these files are parts of one gradient, or the same tensors in each, if they are micro-batches "
          + "to be added up as --accumulate says"
      throw DataFileError(
        file: lacking.path,
        cause: "has no tensor '\(parameters.tensors[index].name)', which \(having.path) has; expected \(expected)")
    }
  }

  /// The name of the gradients in errors.
  var name: String { files.map(\.path).joined(separator: ", ") }

  /// Takes a step.
  mutating func step(
    _ optimizer: inout Optimizer<Scalar>, _ parameters: [UnsafeMutableBufferPointer<Scalar>]
  ) throws(MomentumError) -> StepReport {
    guard accumulator != nil else { return try optimizer.step(parameters: parameters, gradients: buffers[0]) }
    try accumulate()
    return try optimizer.step(parameters: parameters, gradients: &accumulator!)
  }

  /// Takes a step together with the parameters of the other type.
  mutating func step(
    _ optimizer: inout Optimizer<Scalar>, _ parameters: [UnsafeMutableBufferPointer<Scalar>],
    exchange: some NormExchange
  ) throws(MomentumError) -> StepReport {
    guard accumulator != nil else {
      return try optimizer.step(parameters: parameters, gradients: buffers[0], exchange: exchange)
    }
    try accumulate()
    return try optimizer.step(parameters: parameters, gradients: &accumulator!, exchange: exchange)
  }

  private mutating func accumulate() throws(MomentumError) {
    for (gradients, weight) in zip(buffers, weights) { try accumulator!.add(gradients, weight: weight) }
  }

  /// Fails if a file has changed since it was opened. The buffers point into the files until then.
  func checkUnchanged() throws {
    for file in files { try file.file.checkUnchanged() }
  }
}

/// What several files of gradients are.
enum GradientFiles {
  /// Parts of one gradient.
  case shards
  /// Gradients of the same tensors, to be added up.
  ///
  /// - weights: One for each file; `nil` for 1 each.
  /// - isStated: Whether the command line says that they are micro-batches.
  case microBatches(Accumulation, weights: [Double]?, isStated: Bool)
}

/// The use of gradients of several micro-batches.
enum Accumulation: String, CaseIterable {
  case mean, sum
}
