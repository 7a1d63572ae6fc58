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
    help: ArgumentHelp("Which norm: 1, 2, inf, any p > 0, or 0 to count the elements that are not 0.", valueName: "p"))
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
    var rows: [Output.Tensor]?
    if perTensor {
      rows = try zip(file.tensors, buffers).map { tensor, buffer in
        let norm = try measure([buffer]).norm
        return Output.Tensor(name: tensor.name, count: tensor.count, norm: norm, normHex: HexDouble.text(of: norm))
      }
    }
    try file.file.checkUnchanged()
    withExtendedLifetime(file) {}
    try show(
      Output(
        totalNorm: total.norm, totalNormHex: HexDouble.text(of: total.norm), normOverflowed: total.overflowed,
        nonFiniteCount: total.nanCount + total.infinityCount, tensors: rows))
  }

  private struct Output: Encodable {
    struct Tensor: Encodable {
      let name: String
      let count: Int
      let norm: Double
      let normHex: String
    }

    let totalNorm: Double
    let totalNormHex: String
    let normOverflowed: Bool
    let nonFiniteCount: Int
    let tensors: [Tensor]?
  }

  private func show(_ output: Output) throws {
    if json { return try JSONOutput.print(output) }
    for tensor in output.tensors ?? [] { print("\(tensor.name)  \(tensor.count) elements  norm \(tensor.norm)") }
    print("norm \(output.totalNorm)  \(output.totalNormHex)")
    if output.normOverflowed { print("all elements are finite; the norm exceeds Double") }
    if output.nonFiniteCount > 0 { print("\(output.nonFiniteCount) elements are not finite") }
  }
}
