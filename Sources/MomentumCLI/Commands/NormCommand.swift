import ArgumentParser
import Momentum
import MomentumFiles

struct NormCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "norm",
    abstract: "Measure the norm of the tensors in a file.",
    discussion: """
      The norm of the concatenation of all tensors: the same bits for any number of threads and any order of tensors. \
      Files are safetensors of F32 or of F64 tensors.
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
    switch tensors.dtype {
    case .f64: try run(tensors, as: Double.self)
    default: try run(tensors, as: Float.self)
    }
  }

  private func run<Scalar: BLASScalar & SafetensorsScalar>(_ file: TensorFile, as: Scalar.Type) throws {
    let buffers = try file.tensors.map { try file.file.unsafeBuffer(of: $0.name, as: Scalar.self) }
    func measure(_ buffers: [UnsafeBufferPointer<Scalar>]) throws -> NormReport {
      try file.naming { () throws(MomentumError) in
        try Gradients.norm(
          of: buffers, type: NormType(order: normType), algorithm: algorithm, threads: threading.threads)
      }
    }
    let total = try measure(buffers)
    var output = NormOutput(total, perTensor: perTensor)
    // One by one only where somebody wants to know, or has to.
    if perTensor || output.nonFiniteCount > 0 {
      for (tensor, buffer) in zip(file.tensors, buffers) {
        output.add(tensor.name, try measure([buffer]), of: buffer)
      }
    }
    try file.file.checkUnchanged()
    withExtendedLifetime(file) {}
    if json { try JSONOutput.print(output) } else { try StandardOutput.print(lines: output.lines) }
  }
}
