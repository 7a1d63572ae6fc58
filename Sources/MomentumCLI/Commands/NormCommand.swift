import ArgumentParser
import Momentum
import MomentumFiles

struct NormCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "norm",
    abstract: "Measure the norm of the tensors in a file.",
    discussion: """
      The norm of the concatenation of all tensors: the same bits for any number of threads and any order of tensors. \
      Files are safetensors of F32 and F64 tensors, which may stand in one file.
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
    let output: NormOutput
    switch tensors.dtypes {
    case [.f64]: output = try measure(tensors, as: Double.self)
    case [.f32]: output = try measure(tensors, as: Float.self)
    default: output = try measureBoth(tensors)
    }
    try tensors.file.checkUnchanged()
    withExtendedLifetime(tensors) {}
    if json { try JSONOutput.print(output) } else { try StandardOutput.print(lines: output.lines) }
  }

  /// Measures tensors of one type.
  private func measure<Scalar: BLASScalar & SafetensorsScalar>(
    _ file: TensorFile, as type: Scalar.Type
  ) throws -> NormOutput {
    let buffers = try file.buffers(as: type)
    var output = NormOutput(try norm(of: buffers, in: file), perTensor: perTensor)
    // One by one only where somebody wants to know, or has to.
    if output.listsTensors {
      for (tensor, buffer) in zip(file.tensors, buffers) {
        output.add(tensor.name, try norm(of: [buffer], in: file), of: buffer)
      }
    }
    return output
  }

  /// Measures tensors of both types.
  private func measureBoth(_ file: TensorFile) throws -> NormOutput {
    let floats = try file.part(Float.self).buffers(as: Float.self)
    let doubles = try file.part(Double.self).buffers(as: Double.self)
    let total = try file.naming { () throws(MomentumError) in
      try Gradients.norm(
        of: floats, doubles, type: NormType(order: normType), algorithm: algorithm, threads: threading.threads)
    }
    var output = NormOutput(total, perTensor: perTensor)
    guard output.listsTensors else { return output }
    for tensor in file.tensors {
      if tensor.dtype == .f64 {
        try add(tensor.name, of: file, as: Double.self, to: &output)
      } else {
        try add(tensor.name, of: file, as: Float.self, to: &output)
      }
    }
    return output
  }

  private func add<Scalar: BLASScalar & SafetensorsScalar>(
    _ name: String, of file: TensorFile, as type: Scalar.Type, to output: inout NormOutput
  ) throws {
    let buffer = try file.file.unsafeBuffer(of: name, as: type)
    output.add(name, try norm(of: [buffer], in: file), of: buffer)
  }

  private func norm<Scalar: BLASScalar>(
    of buffers: [UnsafeBufferPointer<Scalar>], in file: TensorFile
  ) throws -> NormReport {
    try file.naming { () throws(MomentumError) in
      try Gradients.norm(
        of: buffers, type: NormType(order: normType), algorithm: algorithm, threads: threading.threads)
    }
  }
}
