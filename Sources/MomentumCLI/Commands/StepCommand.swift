import ArgumentParser
import Momentum
import MomentumFiles

struct StepCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "step",
    abstract: "Clip gradients and take steps of SGD with momentum on tensor files.",
    discussion: """
      Files are safetensors of F32 or of F64 tensors, matched by name. A parameter without a gradient is left alone; a \
      gradient without a parameter, or of another shape or type, is an error. Outputs are written whole or not at all.
      """
  )

  @Option(help: ArgumentHelp("The parameters.", valueName: "file"))
  var parameters: String

  @Option(help: ArgumentHelp("The gradients.", valueName: "file"))
  var gradients: String

  @Option(help: ArgumentHelp("The velocity that an earlier step wrote. (default: zero)", valueName: "file"))
  var velocity: String?

  @Option(help: ArgumentHelp("Where the new parameters go.", valueName: "file"))
  var outputParameters: String

  @Option(help: ArgumentHelp("Where the new velocity goes.", valueName: "file"))
  var outputVelocity: String?

  @Option(help: ArgumentHelp("The learning rate.", valueName: "x"))
  var learningRate: Double

  @Option(help: ArgumentHelp("The momentum, at least 0.", valueName: "x"))
  var momentum = 0.0

  @Option(help: ArgumentHelp("What the gradient loses on entering the velocity, in 0...1.", valueName: "x"))
  var dampening = 0.0

  @Option(help: ArgumentHelp("The weight decay, at least 0.", valueName: "x"))
  var weightDecay = 0.0

  @Flag(help: "Decay the parameters directly, not through the velocity.")
  var decoupledWeightDecay = false

  @Flag(help: "Step along Nesterov's look-ahead.")
  var nesterov = false

  @Flag(help: "Ascend.")
  var maximize = false

  @OptionGroup(title: "Clipping")
  var clip: ClipOptions

  @Flag(
    help: """
      Read the gradients once while nothing is clipped. Needs --non-finite propagate or zero, and no other clip than \
      --clip-global-norm.
      """)
  var onePass = false

  @Option(help: ArgumentHelp("How many steps to take with the same gradients.", valueName: "k"))
  var steps = 1

  @OptionGroup
  var threading: ThreadOptions

  @Flag(help: "Print one JSON object.")
  var json = false

  func validate() throws {
    guard steps >= 0 else { throw ValidationError("--steps is \(steps); expected at least 0") }
    guard outputParameters != outputVelocity else {
      throw ValidationError("--output-parameters and --output-velocity name the same file")
    }
    let (rule, clipping) = (try rule(), try clip.clipping())
    _ = try orUsageError { () throws(MomentumError) in
      _ = try Optimizer<Float>(
        ParameterLayout(count: 0), rule: rule, clipping: clipping, nonFinitePolicy: clip.nonFinite?.policy, mode: mode)
    }
  }

  private var mode: StepMode { onePass ? .onePass : .twoPass }

  func run() throws {
    // A private mapping: the tensors are updated where they are, and the file stays as it is.
    let parameters = try TensorFile(parameters, access: .copyOnWrite)
    switch parameters.dtype {
    case .f64: try run(parameters, as: Double.self)
    default: try run(parameters, as: Float.self)
    }
  }

  private func run<Scalar: BLASScalar & SafetensorsScalar>(_ parameters: TensorFile, as: Scalar.Type) throws {
    let gradients = try TensorFile(gradients)
    let gradientBuffers = try parameters.matching(gradients, as: Scalar.self)
    let parameterBuffers = try parameters.tensors.map {
      try parameters.file.unsafeMutableBuffer(of: $0.name, as: Scalar.self)
    }
    var optimizer = try Optimizer<Scalar>(
      parameters.layout(), rule: rule(), clipping: clip.clipping(), nonFinitePolicy: clip.nonFinite?.policy,
      mode: mode, threads: threading.threads)
    if let velocity {
      try VelocityFile.load(velocity, into: &optimizer, parameters: parameters, convention: clip.convention)
    }

    var rows: [StepRow] = []
    for _ in 0..<steps {
      do {
        rows.append(StepRow(try optimizer.step(parameters: parameterBuffers, gradients: gradientBuffers)))
      } catch {
        throw usageError(for: error) ?? DataFileError(file: gradients.path, cause: error.description) as any Error
      }
      // The file holds the folded velocity. Folding after every step makes k steps in one run the same bits as k runs.
      optimizer.foldVelocity()
    }
    try gradients.file.checkUnchanged()
    try parameters.file.checkUnchanged()
    try write(parameters, parameterBuffers, &optimizer)
    // The buffers point into the mappings.
    withExtendedLifetime((parameters, gradients)) {}
    try show(rows)
  }

  private func write<Scalar: BLASScalar & SafetensorsScalar>(
    _ parameters: TensorFile, _ buffers: [UnsafeMutableBufferPointer<Scalar>], _ optimizer: inout Optimizer<Scalar>
  ) throws {
    var writer = SafetensorsWriter(path: outputParameters, metadata: parameters.file.metadata)
    for (tensor, values) in zip(parameters.tensors, buffers) {
      try writer.add(tensor.name, shape: tensor.shape, values: UnsafeBufferPointer(values))
    }
    guard let outputVelocity else { return try writer.write() }
    let velocity = try VelocityFile.writer(outputVelocity, of: &optimizer, convention: clip.convention)
    try SafetensorsWriter.write([writer, velocity])
  }

  private func rule() throws -> SGD {
    try orUsageError { () throws(MomentumError) in
      try SGD(
        learningRate: learningRate, momentum: momentum, dampening: dampening, weightDecay: weightDecay,
        decoupledWeightDecay: decoupledWeightDecay ? true : nil, nesterov: nesterov, maximize: maximize,
        convention: clip.convention)
    }
  }

  private func show(_ rows: [StepRow]) throws {
    if json { return try JSONOutput.print(["steps": rows]) }
    for row in rows { print(row.text) }
  }
}

/// One step in the command's output.
struct StepRow: Encodable {
  let step: Int
  let totalNorm: Double?
  let comparedNorm: Double?
  let clipCoefficient: Double
  let wasClipped: Bool
  let wasSkipped: Bool
  let normOverflowed: Bool
  let nonFiniteCount: Int
  let valueClippedCount: Int

  init(_ report: StepReport) { self.init(report.clip, step: report.step) }

  init(_ report: ClipReport, step: Int) {
    self.step = step
    totalNorm = report.totalNorm
    comparedNorm = report.comparedNorm
    clipCoefficient = report.clipCoefficient
    wasClipped = report.wasClipped
    wasSkipped = report.wasSkipped
    normOverflowed = report.normOverflowed
    nonFiniteCount = report.nonFiniteCount
    valueClippedCount = report.valueClippedCount
  }

  var text: String {
    var parts = ["step \(step)", summary]
    if wasSkipped { parts.append("SKIPPED") }
    return parts.joined(separator: ": ")
  }

  /// The norm and what was clipped, in a few words.
  var summary: String {
    var parts = ["norm \(totalNorm.map(\.description) ?? "not measured")"]
    if normOverflowed { parts.append("beyond Double") }
    if wasClipped { parts.append(clipCoefficient == 1 ? "tensors clipped" : "clipped by \(clipCoefficient)") }
    if valueClippedCount > 0 { parts.append("\(valueClippedCount) elements clipped by value") }
    if nonFiniteCount > 0 { parts.append("\(nonFiniteCount) elements not finite") }
    return parts.joined(separator: ", ")
  }
}
