import ArgumentParser
import Momentum
import MomentumFiles

/// Where `momentum step` finds and leaves what the optimizer remembers: together, or the velocity and the average apart.
struct StateOptions: ParsableArguments {
  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      """
      All that an earlier step remembered: velocity, average, step count and what adapts. Files, indices or folders; they \
      may be cut in other ways than the parameters. With it none of the options of velocities and averages apart is taken. \
      (default: nothing yet)
      """, valueName: "path"))
  var state: [String] = []

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      """
      The velocity that an earlier step wrote, alone or in a state, and with it step count and what adapts; or tensors of the \
      parameters' names, without metadata. Paths as of --state. (default: zero)
      """, valueName: "path"))
  var velocity: [String] = []

  @Option(
    help: """
      Whose velocity --velocity names, if it is from elsewhere: momentum buffers under the parameters' names, without \
      metadata. Where the rule has the learning rate in the velocity and the file has not, or the other way round, they \
      are converted at that of the step, the first; and where Muon keeps a sum of gradients in one convention and a mean in \
      the other, by the momentum.
      """)
  var velocityConvention: Convention?

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      """
      The average that an earlier step wrote, alone or in a state. Paths as of --state. Needs --ema, or a --config that \
      averages. (default: none yet)
      """, valueName: "path"))
  var average: [String] = []

  @Option(
    help: ArgumentHelp(
      """
      Where all that a later step needs goes: a file, or a folder for parameters of several files. Exact: k runs of one step \
      are as one run of k steps, bit for bit. With it none of the options of velocities and averages apart is taken.
      """, valueName: "path"))
  var outputState: String?

  @Option(
    help: ArgumentHelp(
      """
      Where the new velocity goes, as tensors of the parameters' names; its metadata hold step count and what adapts. For \
      other programs: what is stored times its scale, one rounding of each element. To go on bit for bit, use --output-state.
      """, valueName: "path"))
  var outputVelocity: String?

  @Option(
    help: ArgumentHelp(
      """
      Where the averaged parameters go, under the parameters' names; rounded as the velocity. Needs --ema, or a --config \
      that averages.
      """, valueName: "path"))
  var outputAverage: String?

  /// The outputs, by the names of their options.
  var outputs: [(String, String?)] {
    [("--output-state", outputState), ("--output-velocity", outputVelocity), ("--output-average", outputAverage)]
  }

  /// The outputs that were given, by what they hold.
  var outputFiles: [(path: String, parts: StateFile.Parts)] {
    let files: [(path: String?, parts: StateFile.Parts)] = [
      (outputState, .all), (outputVelocity, .velocity), (outputAverage, .average),
    ]
    return files.compactMap { file in file.path.map { ($0, file.parts) } }
  }

  private var inputs: [(String, [String])] {
    [("--state", state), ("--velocity", velocity), ("--average", average)]
  }

  /// The names of the options that were given.
  var given: [String] {
    inputs.filter { !$1.isEmpty }.map(\.0) + outputs.compactMap { $1 == nil ? nil : $0 }
  }

  /// The option, if given, that makes no sense unless parameters are averaged.
  var averageOption: String? {
    if !average.isEmpty { return "--average" }
    return outputAverage != nil ? "--output-average" : nil
  }

  func validate() throws {
    let whole = ["--state", "--output-state"]
    if let state = given.first(where: whole.contains), let name = given.first(where: { !whole.contains($0) }) {
      throw ValidationError("\(name) cannot be given with \(state), whose file holds velocity and average")
    }
    guard velocityConvention == nil || !velocity.isEmpty else {
      throw ValidationError("--velocity-convention needs --velocity")
    }
  }

  /// The options with the outputs for one file of parameters: of several, each has its state in a file of its name, in
  /// folders.
  func ofFile(_ number: Int, of set: SafetensorsSet) -> StateOptions {
    func path(_ given: String?) -> String? { given.map { SetOutput.path($0, ofFile: number, of: set) } }
    var options = self
    (options.outputState, options.outputVelocity) = (path(outputState), path(outputVelocity))
    options.outputAverage = path(outputAverage)
    return options
  }

  /// Prepares the files of what an optimizer remembers now, and of what the files that it had before hold of tensors that are
  /// passed by.
  func writers<Scalar: BLASScalar & SafetensorsScalar>(
    of optimizer: borrowing Optimizer<Scalar>, passing passed: PassedStates<Scalar>?, areOutlines: Bool = false
  ) throws -> [SafetensorsWriter] {
    var writers: [SafetensorsWriter] = []
    for (path, parts) in outputFiles {
      writers.append(
        try StateFile.writer(
          path, of: optimizer, passing: passed?.passed(parts), parts: parts, isOutline: areOutlines))
    }
    return writers
  }
}
