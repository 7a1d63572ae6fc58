import ArgumentParser
import Momentum
import MomentumFiles

struct ClipCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "clip",
    abstract: "Clip gradients in a tensor file.",
    discussion: "Files are safetensors of F32 or of F64 tensors. The output is written whole or not at all."
  )

  @Option(help: ArgumentHelp("The gradients.", valueName: "file"))
  var gradients: String

  @Option(help: ArgumentHelp("Where the clipped gradients go; - is standard output.", valueName: "file"))
  var output: String

  @OptionGroup(title: "Clipping")
  var clip: ClipOptions

  @OptionGroup
  var threading: ThreadOptions

  @Flag(help: "Print one JSON object.")
  var json = false

  func validate() throws {
    try StandardStream.checkOutputs([("--output", output)])
    _ = try clip.clipping()
  }

  func run() throws {
    let gradients = try TensorFile(gradients, access: .copyOnWrite)
    switch gradients.dtype {
    case .f64: try run(gradients, as: Double.self)
    default: try run(gradients, as: Float.self)
    }
  }

  private func run<Scalar: BLASScalar & SafetensorsScalar>(_ gradients: TensorFile, as: Scalar.Type) throws {
    let clipping = try clip.clipping()
    let buffers = try gradients.tensors.map { try gradients.file.unsafeMutableBuffer(of: $0.name, as: Scalar.self) }
    let report = try gradients.naming { () throws(MomentumError) in
      try Gradients.clip(
        buffers, by: clipping, names: gradients.tensors.map(\.name), shapes: gradients.tensors.map(\.shape),
        convention: clip.convention,
        nonFinitePolicy: clip.nonFinite?.policy, threads: threading.threads)
    }
    try gradients.file.checkUnchanged()
    var writer = SafetensorsWriter(path: output, metadata: gradients.file.metadata)
    for (tensor, values) in zip(gradients.tensors, buffers) {
      try writer.add(tensor.name, shape: tensor.shape, values: UnsafeBufferPointer(values))
    }
    try TensorOutput.write([writer], from: gradients)
    // The buffers point into the mapping.
    withExtendedLifetime(gradients) {}
    let row = StepRow(report, step: 0)
    if json { try JSONOutput.print(["steps": [row]]) } else { try StandardOutput.print(row.summary) }
  }
}
