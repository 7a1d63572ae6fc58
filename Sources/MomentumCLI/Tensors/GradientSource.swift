import Momentum
import MomentumFiles
import MomentumMPI

/// The source of gradients for steps: those of one file, those of several that are shards of one gradient, or those of
/// micro-batches added up, each times its weight.
struct GradientSource<Scalar: ParameterScalar>: ~Copyable {
  private let files: [TensorFile]
  private let buffers: [GradientBuffers<Scalar>]
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
    let buffers = try files.map { try GradientBuffers<Scalar>($0, of: parameters) }
    var (gradients, weights, reduction) = (buffers, [1.0], Accumulation.mean)
    switch meaning {
    case .shards:
      gradients = [try Self.joined(buffers, files, parameters)]
    case .microBatches(let stated, let given, let isStated):
      try Self.checkCoverage(buffers, files, parameters, isStated)
      (weights, reduction) = (given ?? files.map { _ in 1 }, stated)
    }
    if let part { gradients = gradients.map { $0.pieces(part.pieces) } }
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
    _ buffers: [GradientBuffers<Scalar>], _ files: [TensorFile], _ parameters: TensorFile
  ) throws -> GradientBuffers<Scalar> {
    var whole = buffers[0]
    for (shard, file) in zip(buffers, files).dropFirst() {
      for (index, isHere) in shard.presence.enumerated() where isHere && whole.presence[index] {
        let name = parameters.tensors[index].name
        let first = files[buffers.firstIndex { $0.presence[index] }!].path
        throw DataFileError(
          file: file.path, cause: "tensor '\(name)' is in \(first) too; expected shards of different tensors")
      }
      guard let joined = whole.joined(with: shard) else {
        throw DataFileError(
          file: file.path, cause: "is of another type than \(files[0].path); expected shards of one type")
      }
      whole = joined
    }
    return whole
  }

  /// Throws ``DataFileError`` unless all files are of the same tensors.
  private static func checkCoverage(
    _ buffers: [GradientBuffers<Scalar>], _ files: [TensorFile], _ parameters: TensorFile, _ isStated: Bool
  ) throws {
    let first = buffers[0].presence
    for (buffers, file) in zip(buffers, files).dropFirst() {
      let other = buffers.presence
      guard let index = other.indices.first(where: { other[$0] != first[$0] }) else { continue }
      let isMissing = !other[index]
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
    guard accumulator == nil else {
      try accumulate()
      return try optimizer.step(parameters: parameters, gradients: &accumulator!)
    }
    switch buffers[0] {
    case .plain(let gradients): return try optimizer.step(parameters: parameters, gradients: gradients)
    case .half(let gradients): return try Scalar.step(&optimizer, parameters, gradients, nil)
    }
  }

  /// Takes a step together with the parameters of the other type.
  mutating func step(
    _ optimizer: inout Optimizer<Scalar>, _ parameters: [UnsafeMutableBufferPointer<Scalar>],
    exchange: any NormExchange
  ) throws(MomentumError) -> StepReport {
    guard accumulator == nil else {
      try accumulate()
      return try optimizer.step(parameters: parameters, gradients: &accumulator!, exchange: exchange)
    }
    switch buffers[0] {
    case .plain(let gradients):
      return try optimizer.step(parameters: parameters, gradients: gradients, exchange: exchange)
    case .half(let gradients): return try Scalar.step(&optimizer, parameters, gradients, exchange)
    }
  }

  private mutating func accumulate() throws(MomentumError) {
    for (gradients, weight) in zip(buffers, weights) {
      switch gradients {
      case .plain(let gradients): try accumulator!.add(gradients, weight: weight)
      case .half(let gradients): try Scalar.add(gradients, weight: weight, to: &accumulator!)
      }
    }
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
