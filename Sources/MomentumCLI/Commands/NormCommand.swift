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
      """
  )

  @Argument(help: "Files, indices or folders.")
  var paths: [String]

  @OptionGroup
  var patterns: NamePatterns

  @Option(
    help: ArgumentHelp(
      "Which norm: 1, 2, inf, any p > 0, or 0 to count the elements that are not 0. (default: 2)", valueName: "p"),
    transform: NumberText.double)
  var normType = 2.0

  @Option(
    help: "How squares are summed: as BLAS dot products, or in a way that gives the same bits on every processor.")
  var algorithm = NormAlgorithm.blas

  @Flag(help: "Also print the norm of each tensor.")
  var perTensor = false

  @OptionGroup
  var threading: ThreadOptions

  @Flag(help: "Print one JSON object.")
  var json = false

  func validate() throws { _ = try orUsageError { () throws(MomentumError) in try NormType(order: normType) } }

  func run() throws {
    let checkpoint = try CheckpointTensors(paths, patterns)
    checkpoint.warn()
    let buffers = try checkpoint.tensorBuffers()
    var output = NormOutput(
      try norm(of: buffers, in: checkpoint), perTensor: perTensor, skipped: checkpoint.skipped)
    // One by one only where somebody wants to know, or has to.
    if output.listsTensors {
      for (place, buffer) in zip(checkpoint.tensors, buffers) {
        output.add(place.tensor.name, try norm(of: [buffer], in: checkpoint), of: buffer)
      }
    }
    try checkpoint.set.checkUnchanged()
    withExtendedLifetime(checkpoint) {}
    if json { try JSONOutput.print(output) } else { try StandardOutput.print(lines: output.lines) }
  }

  private func norm(of buffers: [TensorBuffer], in checkpoint: CheckpointTensors) throws -> NormReport {
    try checkpoint.naming { () throws(MomentumError) in
      try Gradients.norm(
        of: buffers, type: NormType(order: normType), algorithm: algorithm, threads: threading.threads)
    }
  }
}
