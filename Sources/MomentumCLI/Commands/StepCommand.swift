import ArgumentParser
import Momentum
import MomentumFiles

struct StepCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "step",
    abstract: "Clip gradients and take steps of SGD with momentum on checkpoints.",
    discussion: """
      Files are safetensors of F32, F64, BF16 and F16 tensors, matched by name. One file may hold several types: each tensor \
      keeps its own, and norms are those of all. Parameters of F64 take gradients of F64, others any but F64; those of BF16 \
      and F16 need --rounding or masters. A file with F64 and other types takes no options of state, no --velocity-type and no --one-pass. A \
      parameter without a gradient is left alone; a gradient without a parameter, or of another shape or type, is an error. \
      Tensors of integers and truth values are copied, and so is what --skip passes by, with its masters and its state.

      A path is that of a file, of an index (model.safetensors.index.json), or of a folder with one of them. Of parameters in \
      several files, or of an index, outputs are folders: they get files of the same names, with their metadata, and the \
      index if one was read; files of state have those names too, and no index. All are written, whole, or none. Masters and states that are \
      read may be cut into other files than the parameters: tensors are found by their names. Of a folder of states without an \
      index all .safetensors files are read. Large checkpoints, of one file or of \
      several, are stepped in groups of tensors, so that a few groups are in memory at a time, with their masters and \
      velocities; with --steps, with --one-pass and to standard output all tensors are.

      A file for --config holds the settings as one JSON object, for example:

      \(exampleConfiguration)

      Only "rule" with a learning rate must be there. Its "kind" is sgd if it is missing, or lars, signum, normalized, lion, adamw or muon. A learning rate or a momentum is a number or a schedule of t, the number \
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

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("The parameters: files, an index or a folder.", valueName: "path"))
  var parameters: [String]

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      """
      The gradients: a file, an index or a folder; of several of the same tensors, as micro-batches have them, their mean. \
      See --shards for files of different tensors.
      """, valueName: "path"))
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

  @OptionGroup
  var patterns: NamePatterns

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
      "Where the new parameters go: a file, or a folder for several; - is standard output, if nothing else is written.",
      valueName: "path"))
  var outputParameters: String

  @OptionGroup
  var writing: OutputOptions

  @OptionGroup(title: "Parameters in half precision")
  var halves: HalfOptions

  @OptionGroup(title: "State")
  var state: StateOptions

  @OptionGroup(title: "Optimizer")
  var options: OptimizerOptions

  @Option(
    parsing: .unconditional, help: ArgumentHelp("How many steps to take with the same gradients.", valueName: "k"))
  var steps = 1

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      """
      How many parameters a group has, where one step is taken: larger checkpoints are read, stepped and written in groups of \
      whole tensors, of which a few are in memory at a time. The outputs have the same bytes.
      """, valueName: "n"))
  var elementsAtOnce = 1 << 21

  @OptionGroup
  var threading: ThreadOptions

  @Flag(help: "Print one JSON object.")
  var json = false

  func validate() throws {
    guard steps >= 0 else { throw ValidationError("--steps is \(steps); expected at least 0") }
    guard elementsAtOnce >= 1 else {
      throw ValidationError("--elements-at-once is \(elementsAtOnce); expected at least 1")
    }
    try checkWeights()
    if shards, accumulate != nil || !weights.isEmpty {
      let option = accumulate != nil ? "--accumulate" : "--weights"
      throw ValidationError(
        "\(option) adds up micro-batches; it cannot be given with --shards, the parts of one gradient")
    }
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
    let steps = try open()
    steps.warn()
    let files = try outputFiles(like: steps.parameters.set)
    let rows = try steps.run(files)
    try files.target.commit()
    try show(rows, skipped: steps.skipped)
  }

  /// Opens all that is read, and checks that it goes together.
  func open() throws -> CheckpointSteps {
    let settings = try options.configuration()
    if settings.averaging == nil, let config = options.config, let option = state.averageOption {
      throw DataFileError(file: config, cause: "'averaging' is missing; expected it with \(option)")
    }
    // Private mappings: the tensors are updated where they are, and the files stay as they are.
    // A pattern may match masters only.
    let parameters = try CheckpointTensors(
      parameters, patterns, needsAllPatterns: halves.master.isEmpty, access: .copyOnWrite)
    let gradients = try StepGradients(gradients, gradientFiles, of: parameters, patterns)
    return try CheckpointSteps(self, settings, parameters, gradients)
  }

  /// The paths that are written, by the names of their options.
  var outputs: [(String, String?)] {
    [("--output-parameters", outputParameters), ("--output-master", halves.outputMaster)] + state.outputs
  }

  /// Where everything goes. What could not be written is refused.
  func outputFiles(like set: SafetensorsSet) throws -> StepFiles {
    let target = TensorOutput(followsLinks: writing.followLinks)
    let parameters = try target.checkpoint(outputParameters, like: set)
    let masters = try halves.outputMaster.map { try target.checkpoint($0, like: set) }
    for case let path? in state.outputs.map(\.1) { _ = try target.checkpoint(path, like: set, hasIndex: false) }
    return StepFiles(target: target, parameters: parameters, masters: masters)
  }

  /// Takes all steps.
  ///
  /// - Parameters:
  ///   - gradients: The name of the gradients in errors.
  ///   - step: Takes one step; returns the reports of its parts.
  func takeSteps(_ gradients: String, _ step: () throws(MomentumError) -> [StepReport]) throws -> [StepRow] {
    var rows: [StepRow] = []
    for _ in 0..<steps {
      do {
        rows.append(StepRow(try step()))
      } catch {
        throw stepError(error, gradients)
      }
    }
    return rows
  }

  /// An error of a step, which names where its cause lies.
  func stepError(_ error: MomentumError, _ gradients: String) -> any Error {
    settingsError(for: error, in: gradients) ?? DataFileError(file: gradients, cause: error.description)
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

  /// - Parameter file: The file whose tensors a setting may not fit.
  func settingsError(for error: MomentumError, in file: String? = nil) -> (any Error)? {
    guard case .invalidSetting = error else { return nil }
    guard let config = options.config else {
      return usageError(for: error, naming: OptimizerOptions.options, in: file)
    }
    return DataFileError(file: config, cause: error.description)
  }

  func show(_ rows: [StepRow], skipped: [CheckpointTensors.Skipped]) throws {
    let output = StepOutput(rows, skipped: skipped)
    if json { return try JSONOutput.print(output) }
    try StandardOutput.print(lines: rows.map(\.text) + output.notes)
  }
}
