import ArgumentParser
import Momentum
import MomentumFiles

struct NormCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "norm",
    abstract: "Measure the norm of the tensors in a file.",
    discussion: """
      The norm of the concatenation of all tensors: the same bits for any number of threads and any order of tensors. \
      Files are safetensors of F32, F64, BF16 and F16 tensors, which may stand in one file. Tensors of BF16 and F16 are \
      always summed as --algorithm portable says, which takes no longer there.
      """
  )

  @Argument(help: "The tensors.")
  var file: String

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
    let tensors = try TensorFile(file)
    let buffers = try tensors.tensorBuffers()
    var output = NormOutput(try norm(of: buffers, in: tensors), perTensor: perTensor)
    // One by one only where somebody wants to know, or has to.
    if output.listsTensors {
      for (tensor, buffer) in zip(tensors.tensors, buffers) {
        output.add(tensor.name, try norm(of: [buffer], in: tensors), of: buffer)
      }
    }
    try tensors.file.checkUnchanged()
    withExtendedLifetime(tensors) {}
    if json { try JSONOutput.print(output) } else { try StandardOutput.print(lines: output.lines) }
  }

  private func norm(of buffers: [TensorBuffer], in file: TensorFile) throws -> NormReport {
    try file.naming { () throws(MomentumError) in
      try Gradients.norm(
        of: buffers, type: NormType(order: normType), algorithm: algorithm, threads: threading.threads)
    }
  }
}
