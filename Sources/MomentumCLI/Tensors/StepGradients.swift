import Momentum
import MomentumFiles

/// The gradients of steps: those of one checkpoint, or of micro-batches to be added up, each times its weight.
struct StepGradients {
  /// One for each micro-batch.
  let checkpoints: [CheckpointTensors]
  let weights: [Double]
  let reduction: Accumulation

  /// Opens the gradients of some parameters.
  ///
  /// - Parameters:
  ///   - paths: At least one: of files, indices or folders.
  ///   - meaning: What several of them are.
  ///   - patterns: Which tensors are asked for.
  init(_ paths: [String], _ meaning: GradientFiles, of parameters: CheckpointTensors, _ patterns: NamePatterns?) throws
  {
    var (groups, weights, reduction) = ([paths], [1.0], Accumulation.mean)
    var isStated = false
    if case .microBatches(let stated, let given, let isGiven) = meaning {
      groups = paths.map { [$0] }
      (weights, reduction, isStated) = (given ?? paths.map { _ in 1 }, stated, isGiven)
    }
    // A pattern may match parameters only.
    checkpoints = try groups.map { try CheckpointTensors($0, patterns, needsAllPatterns: false) }
    (self.weights, self.reduction) = (weights, reduction)
    for checkpoint in checkpoints {
      if let file = checkpoint.set.files.first(where: \.tensors.isEmpty) {
        throw DataFileError(
          file: file.path, cause: "has no tensor; expected gradients of tensors in \(parameters.name)")
      }
      try parameters.check(checkpoint)
    }
    try Self.checkCoverage(checkpoints, parameters, isStated)
  }

  /// Throws ``DataFileError`` unless all micro-batches are of the same tensors.
  private static func checkCoverage(
    _ checkpoints: [CheckpointTensors], _ parameters: CheckpointTensors, _ isStated: Bool
  ) throws {
    let first = checkpoints[0]
    for other in checkpoints.dropFirst() {
      for place in parameters.tensors {
        let name = place.tensor.name
        let (isHere, isThere) = (first.place(of: name) != nil, other.place(of: name) != nil)
        guard isHere != isThere else { continue }
        let (lacking, having) = isHere ? (other, first) : (first, other)
        let expected =
          isStated
          ? "the same tensors in every micro-batch"
          : "--shards, if these files are parts of one gradient, or the same tensors in each, if they are micro-batches "
            + "to be added up as --accumulate says"
        throw DataFileError(
          file: lacking.name, cause: "has no tensor '\(name)', which \(having.name) has; expected \(expected)")
      }
    }
  }

  /// The names of the files in errors.
  var name: String { checkpoints.map(\.name).joined(separator: ", ") }

  /// The tensors of integers and truth values in all of them.
  var skipped: [CheckpointTensors.Skipped] {
    var known: Set<CheckpointTensors.Skipped> = []
    return checkpoints.flatMap(\.skipped).filter { known.insert($0).inserted }
  }

  /// The types that the gradient of a parameter has in the micro-batches; `nil` if it has none.
  func types(of name: String) -> [SafetensorsDtype]? {
    let types = checkpoints.compactMap { $0.place(of: name)?.tensor.dtype }
    return types.isEmpty ? nil : types
  }

  /// Whether some are in half precision, so that all norms are to be measured portably. The engine measures so all tensors
  /// that it steps together with one in half precision, and how a checkpoint is cut must not matter.
  var haveHalves: Bool { checkpoints.contains { $0.dtypes.contains(where: \.isHalf) } }

  /// Whether a step takes a sum, and not the gradients of one checkpoint as they are.
  var isSum: Bool { weights != [1] }

  /// Fails if a file has changed since it was opened.
  func checkUnchanged() throws { for checkpoint in checkpoints { try checkpoint.set.checkUnchanged() } }
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
