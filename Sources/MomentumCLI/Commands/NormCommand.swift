import ArgumentParser
import Momentum
import MomentumFiles

struct NormCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "norm",
    abstract: "Measure the norm of the tensors of a checkpoint.",
    discussion: """
      The norm of the concatenation of all tensors: the same bits for any number of threads and any order of tensors. \
      Files are safetensors of F32, F64, BF16 and F16 tensors, which may stand in one file. Tensors of BF16 and F16 are \
      always summed as --algorithm portable says, which takes no longer there; tensors of integers and truth values are \
      passed by and named. A path is that of a file, of an index (model.safetensors.index.json), or of a folder with one of \
      them; several paths are parts of one checkpoint.

      The spectral norm is the largest singular value. Tensors are read as matrices for it, as --view says; those of fewer \
      than two axes as a single row. It is told between two bounds that are proven; the total is that of the largest matrix.
      """
  )

  @Argument(help: "Files, indices or folders.")
  var paths: [String]

  @OptionGroup
  var patterns: NamePatterns

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Which norm: 1, 2, inf, any p > 0, 0 to count the elements that are not 0, or spectral. (default: 2)",
      valueName: "p"),
    transform: NormChoice.init)
  var normType = NormChoice.order(2)

  @Option(
    help: "How squares are summed: as BLAS dot products, or in a way that gives the same bits on every processor.")
  var algorithm = NormAlgorithm.blas

  @Flag(help: "Also print the norm of each tensor.")
  var perTensor = false

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("With --per-tensor, also print the first singular values of each matrix.", valueName: "count"))
  var spectrum: Int?

  @Option(help: "How tensors of more than two axes are read as matrices, for singular values. (default: first-axis)")
  var view: MatrixReading?

  @OptionGroup
  var threading: ThreadOptions

  @Flag(help: "Print one JSON object.")
  var json = false

  func validate() throws {
    if case .order(let order) = normType {
      _ = try orUsageError { () throws(MomentumError) in try NormType(order: order) }
    }
    if let spectrum {
      guard spectrum >= 1 else { throw ValidationError("--spectrum is \(spectrum); expected at least 1") }
      guard perTensor else { throw ValidationError("--spectrum is for --per-tensor") }
    }
    if view != nil, normType != .spectral, spectrum == nil {
      throw ValidationError("--view is for --norm-type spectral and --spectrum")
    }
  }

  func run() throws {
    let checkpoint = try CheckpointTensors(paths, patterns)
    checkpoint.warn()
    let output = try normType == .spectral ? spectralOutput(checkpoint) : output(checkpoint)
    try checkpoint.set.checkUnchanged()
    withExtendedLifetime(checkpoint) {}
    if json { try JSONOutput.print(output) } else { try StandardOutput.print(lines: output.lines) }
  }

  private func output(_ checkpoint: CheckpointTensors) throws -> NormOutput {
    let buffers = try checkpoint.tensorBuffers()
    let progress = ShardProgress(checkpoint.set)
    let total = try norm(of: buffers, in: checkpoint, tell: progress.elements(of: checkpoint))
    progress.finish()
    var output = NormOutput(total, perTensor: perTensor, skipped: checkpoint.skipped)
    // One by one only where somebody wants to know, or has to.
    if output.listsTensors {
      for (place, buffer) in zip(checkpoint.tensors, buffers) {
        output.add(place.tensor.name, try norm(of: [buffer], in: checkpoint), of: buffer)
      }
    }
    if let spectrum {
      output.matrices = try checkpoint.naming {
        try matrixTensors(checkpoint).flatMap { try $0.spectra(most: spectrum) }
      }
    }
    return output
  }

  private func spectralOutput(_ checkpoint: CheckpointTensors) throws -> NormOutput {
    let buffers = try checkpoint.tensorBuffers()
    // For the elements that are not finite.
    let magnitudes = try Gradients.norm(of: buffers, type: .infinity, threads: threading.threads)
    let matrices = try checkpoint.naming {
      try matrixTensors(checkpoint).flatMap { try $0.norms(threads: threading.threads, spectrum) }
    }
    var output = NormOutput(
      magnitudes, spectral: matrices, perTensor: perTensor, skipped: checkpoint.skipped)
    if output.nonFiniteCount > 0 {
      for (place, buffer) in zip(checkpoint.tensors, buffers) {
        output.addNonFinite(
          place.tensor.name, try Gradients.norm(of: [buffer], type: .infinity, threads: threading.threads), of: buffer)
      }
    }
    return output
  }

  private func matrixTensors(_ checkpoint: CheckpointTensors) throws -> [MatrixTensor] {
    try checkpoint.tensors.map { try MatrixTensor($0, (view ?? .firstAxis).view) }
  }

  private func norm(
    of buffers: [TensorBuffer], in checkpoint: CheckpointTensors, tell: ((Int) -> Void)? = nil
  ) throws -> NormReport {
    try checkpoint.naming { () throws(MomentumError) in
      try Gradients.norm(
        of: buffers, type: NormType(order: normType.order ?? 2), algorithm: algorithm, threads: threading.threads,
        tell: tell)
    }
  }
}
