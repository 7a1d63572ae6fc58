import ArgumentParser
import Momentum
import MomentumFiles

struct StepCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "step",
    abstract: "Clip gradients and take steps of SGD with momentum on tensor files.",
    discussion: """
      Files are safetensors of F32 and F64 tensors, matched by name; gradients of F32 parameters may also be BF16 or F16, all \
      of one file. One file may hold both types of parameters: each tensor keeps its type, \
      norms are those of all, and each type is stepped on a thread of its own. The options of state and --one-pass take \
      tensors of one type. A parameter without a gradient is left alone; a \
      gradient without a parameter, or of another shape or type, is an error. Outputs are written whole or not at all.

      A file for --config holds the settings as one JSON object, for example:

      \(exampleConfiguration)

      Only "rule" with a learning rate must be there. A learning rate or a momentum is a number or a schedule of t, the number \
      of steps taken; the file of --state, or that of the velocity, carries it from run to run, and what a \
      loss scale or adaptive clipping has learnt. Groups state what differs for the tensors whose \
      names match.
      """
  )

  /// Lines short enough for the help of a terminal of 80 columns.
  static let exampleConfiguration = """
    {
      "convention": "pytorch",
      "rule": {
        "learningRate": {
          "warmup": {
            "steps": 500, "then": {"cosine": {"initial": 0.1, "steps": 9500}}
          }
        },
        "momentum": 0.9, "nesterov": true, "weightDecay": 1e-4
      },
      "groups": [
        {"name": "biases", "patterns": ["*.bias"], "rule": {"weightDecay": 0}}
      ],
      "clipping": {"globalNorm": 1},
      "adaptiveClipping": {"zClip": {"threshold": 2.5}},
      "lossScale": "pytorch",
      "averaging": {"kind": "exponential", "decay": 0.999},
      "nonFinitePolicy": "skipStep"
    }
    """

  @Option(help: ArgumentHelp("The parameters.", valueName: "file"))
  var parameters: String

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      """
      The gradients; of several files of the same tensors, as micro-batches have them, their mean. See --shards for files of \
      different tensors.
      """, valueName: "file"))
  var gradients: [String]

  @Option(
    help: ArgumentHelp(
      """
      What to take of several files of gradients, which must be of the same tensors. Norms are measured and clipped after \
      that. (default: mean)
      """))
  var accumulate: Accumulation?

  @Flag(help: "Take several files of gradients for parts of one gradient: each tensor is in one of them.")
  var shards = false

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      """
      The weights of the files of gradients, one each: how many tokens or examples each is a mean over, say. Their mean is \
      Σ w·g / Σ w, their sum Σ w·g. (default: 1 each)
      """, valueName: "w"), transform: NumberText.double)
  var weights: [Double] = []

  @Option(
    help: ArgumentHelp(
      "Where the new parameters go; - is standard output, if nothing else is written.", valueName: "file"))
  var outputParameters: String

  @OptionGroup
  var writing: OutputOptions

  @OptionGroup(title: "State")
  var state: StateOptions

  @OptionGroup(title: "Optimizer")
  var options: OptimizerOptions

  @Option(help: ArgumentHelp("How many steps to take with the same gradients.", valueName: "k"))
  var steps = 1

  @OptionGroup
  var threading: ThreadOptions

  @Flag(help: "Print one JSON object.")
  var json = false

  func validate() throws {
    guard steps >= 0 else { throw ValidationError("--steps is \(steps); expected at least 0") }
    try checkWeights()
    if shards, accumulate != nil || !weights.isEmpty {
      let option = accumulate != nil ? "--accumulate" : "--weights"
      throw ValidationError(
        "\(option) adds up micro-batches; it cannot be given with --shards, the parts of one gradient")
    }
    let outputs = [("--output-parameters", outputParameters)] + state.outputs
    try StandardStream.checkOutputs(outputs)
    for (index, (name, file)) in outputs.enumerated() where file != nil {
      if let other = outputs[..<index].first(where: { $0.1 == file }) {
        throw ValidationError("\(other.0) and \(name) name the same file")
      }
    }
    if options.config == nil, options.ema == nil, let option = state.averageOption {
      throw ValidationError("\(option) needs --ema, or a --config that averages")
    }
  }

  private func checkWeights() throws {
    guard !weights.isEmpty else { return }
    guard weights.count == gradients.count else {
      throw ValidationError("--weights has count \(weights.count); expected \(gradients.count) as --gradients")
    }
    if let weight = weights.first(where: { !($0 >= 0 && $0.isFinite) }) {
      throw ValidationError("--weights has \(weight); expected finite numbers >= 0")
    }
    guard weights.contains(where: { $0 > 0 }) else {
      throw ValidationError("--weights has zeros only; expected a positive number among them")
    }
  }

  func run() throws {
    for case let file? in [outputParameters] + state.outputs.map(\.1) {
      try TensorOutput.check(file, followsLinks: writing.followLinks)
    }
    let settings = try options.configuration()
    if settings.averaging == nil, let config = options.config, let option = state.averageOption {
      throw DataFileError(file: config, cause: "'averaging' is missing; expected it with \(option)")
    }
    // A private mapping: the tensors are updated where they are, and the file stays as it is.
    let parameters = try TensorFile(
      parameters, access: .copyOnWrite, withoutHalvesFor: "parameters must be of")
    let rows: [StepRow]
    switch parameters.dtypes {
    case [.f64]: rows = try run(settings, parameters, as: Double.self)
    case [.f32]: rows = try run(settings, parameters, as: Float.self)
    default: rows = try runBoth(settings, parameters)
    }
    // Buffers and writers point into the mapping.
    withExtendedLifetime(parameters) {}
    try show(rows)
  }

  private func run<Scalar: ParameterScalar>(
    _ settings: OptimizerConfiguration, _ parameters: TensorFile, as type: Scalar.Type
  ) throws -> [StepRow] {
    var source: GradientSource<Scalar> = try source(settings, parameters, threading.threads)
    let buffers = try parameters.mutableBuffers(as: type)
    let layout = try parameters.layout()
    var optimizer: Optimizer<Scalar> = try make { () throws(MomentumError) in
      try settings.makeOptimizer(layout, threads: threading.threads)
    }
    try state.load(into: &optimizer)

    let rows = try takeSteps(source.name) { () throws(MomentumError) in try source.step(&optimizer, buffers) }
    try source.checkUnchanged()
    try parameters.file.checkUnchanged()
    try write(parameters, state.writers(of: optimizer))
    return rows
  }

  /// Steps parameters of both types. Only the mapping is changed before the output is written, so a failure loses
  /// nothing.
  private func runBoth(_ settings: OptimizerConfiguration, _ parameters: TensorFile) throws -> [StepRow] {
    for option in state.given + (settings.mode == .onePass ? ["the one-pass mode"] : []) {
      _ = try parameters.onlyType(with: option)
    }
    let mixed = try MixedSteps(
      floats: steps(settings, parameters), doubles: steps(settings, parameters),
      doublesFirst: parameters.dtypes.first == .f64)
    let rows = try takeSteps(gradients.joined(separator: ", ")) { () throws(MomentumError) in try mixed.step() }
    try mixed.checkUnchanged()
    try parameters.file.checkUnchanged()
    try write(parameters, [])
    return rows
  }

  /// The steps of the parameters of one type, of a file of both.
  private func steps<Scalar: ParameterScalar>(_ settings: OptimizerConfiguration, _ whole: TensorFile) throws
    -> StepsOfType<Scalar>
  {
    let (part, threads) = (whole.part(Scalar.self), threading.threads)
    let (layout, wholeLayout) = (try part.layout(), try whole.layout())
    let optimizer: Optimizer<Scalar> = try make { () throws(MomentumError) in
      try settings.makeOptimizer(layout, partOf: wholeLayout, threads: threads)
    }
    return try StepsOfType(part.mutableBuffers(as: Scalar.self), source(settings, part, threads), optimizer)
  }

  private func source<Scalar: ParameterScalar>(
    _ settings: OptimizerConfiguration, _ parameters: TensorFile, _ threads: Int?
  ) throws -> GradientSource<Scalar> {
    try GradientSource(gradients, gradientFiles, of: parameters, settings.clipping.algorithm, threads: threads)
  }

  /// Takes all steps.
  ///
  /// - Parameter gradients: The name of the gradients in errors.
  func takeSteps(_ gradients: String, _ step: () throws(MomentumError) -> StepReport) throws -> [StepRow] {
    var rows: [StepRow] = []
    for _ in 0..<steps {
      do {
        rows.append(StepRow(try step()))
      } catch {
        throw settingsError(for: error) ?? DataFileError(file: gradients, cause: error.description)
      }
    }
    return rows
  }

  var gradientFiles: GradientFiles {
    if shards { return .shards }
    return .microBatches(
      accumulate ?? .mean, weights: weights.isEmpty ? nil : weights,
      isStated: accumulate != nil || !weights.isEmpty)
  }

  /// The optimizer, or an error that names where its settings come from.
  func make<Scalar>(_ body: () throws(MomentumError) -> Optimizer<Scalar>) throws -> Optimizer<Scalar> {
    do {
      return try body()
    } catch {
      throw settingsError(for: error) ?? error as any Error
    }
  }

  func settingsError(for error: MomentumError) -> (any Error)? {
    guard case .invalidSetting = error else { return nil }
    guard let config = options.config else { return usageError(for: error) }
    return DataFileError(file: config, cause: error.description)
  }

  func write(_ parameters: TensorFile, _ states: [SafetensorsWriter]) throws {
    var writer = SafetensorsWriter(path: outputParameters, metadata: parameters.file.metadata)
    try parameters.add(to: &writer)
    var writers = [writer] + states
    for index in writers.indices { writers[index].followsLinks = writing.followLinks }
    try TensorOutput.write(writers, from: parameters)
  }

  func show(_ rows: [StepRow]) throws {
    if json { return try JSONOutput.print(["steps": rows]) }
    try StandardOutput.print(lines: rows.map(\.text))
  }
}
