import ArgumentParser
import Momentum
import MomentumFiles

/// Where `momentum step` finds and leaves what the optimizer remembers: in one file, or the velocity and the average
/// apart.
struct StateOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "All that an earlier step remembered: velocity, average, step count and what adapts. (default: nothing yet)",
      valueName: "file"))
  var state: String?

  @Option(
    help: ArgumentHelp(
      """
      The velocity that an earlier step wrote, alone or in a state, and with it step count and what adapts; or tensors of the \
      parameters' names, without metadata. (default: zero)
      """, valueName: "file"))
  var velocity: String?

  @Option(
    help: """
      Whose velocity --velocity names, if it is from elsewhere: momentum buffers under the parameters' names, without \
      metadata. Where the rule has the learning rate in the velocity and the file has not, or the other way round, they \
      are converted at that of the step, the first; and where Muon keeps a sum of gradients in one convention and a mean in \
      the other, by the momentum.
      """)
  var velocityConvention: Convention?

  @Option(
    help: ArgumentHelp(
      "The average that an earlier step wrote, alone or in a state. (default: none yet)", valueName: "file"))
  var average: String?

  @Option(
    help: ArgumentHelp(
      "Where all that a later step needs goes, in one file. Exact: k runs of one step are as one run of k steps, bit for bit.",
      valueName: "file"))
  var outputState: String?

  @Option(
    help: ArgumentHelp(
      """
      Where the new velocity goes, as tensors of the parameters' names; its metadata hold step count and what adapts. For \
      other programs: what is stored times its scale, one rounding of each element. To go on bit for bit, use --output-state.
      """, valueName: "file"))
  var outputVelocity: String?

  @Option(
    help: ArgumentHelp(
      """
      Where the averaged parameters go, under the parameters' names; rounded as the velocity. Needs --ema, or a --config \
      that averages.
      """, valueName: "file"))
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

  /// The names of the options that were given.
  var given: [String] {
    let inputs = [("--state", state), ("--velocity", velocity), ("--average", average)]
    return (inputs + outputs).compactMap { $1 == nil ? nil : $0 }
  }

  /// The option, if given, that makes no sense unless parameters are averaged.
  var averageOption: String? {
    if average != nil { return "--average" }
    return outputAverage != nil ? "--output-average" : nil
  }

  func validate() throws {
    let apart = [
      ("--velocity", velocity), ("--average", average), ("--output-velocity", outputVelocity),
      ("--output-average", outputAverage),
    ]
    let whole = state != nil ? "--state" : "--output-state"
    if state != nil || outputState != nil, let (name, _) = apart.first(where: { $0.1 != nil }) {
      throw ValidationError("\(name) cannot be given with \(whole), whose file holds velocity and average")
    }
    guard velocityConvention == nil || velocity != nil else {
      throw ValidationError("--velocity-convention needs --velocity")
    }
  }

  /// The options for one file of parameters: of several, each has its state in a file of its name, in folders.
  func ofFile(_ number: Int, of set: SafetensorsSet) -> StateOptions {
    func path(_ given: String?) -> String? { given.map { SetOutput.path($0, ofFile: number, of: set) } }
    var options = self
    (options.state, options.velocity, options.average) = (path(state), path(velocity), path(average))
    (options.outputState, options.outputVelocity) = (path(outputState), path(outputVelocity))
    options.outputAverage = path(outputAverage)
    return options
  }

  /// Gives an optimizer what the files hold.
  ///
  /// - Parameters:
  ///   - states: The files, open.
  ///   - withVectors: Whether velocities and averages are read. Without them the optimizer can measure a step, and cannot
  ///     take it.
  func load<Scalar: BLASScalar & SafetensorsScalar>(
    _ states: StoredStates<Scalar>, into optimizer: inout Optimizer<Scalar>, withVectors: Bool = true
  ) throws {
    if let state {
      let own = Adapted(optimizer)
      try states.restore(.all, into: &optimizer, withVectors: withVectors)
      try Adapted(optimizer).check(against: own, file: state)
    }
    if let velocity, let velocityConvention {
      // Such a file has nothing but vectors.
      if withVectors { try load(velocity, of: velocityConvention, into: &optimizer, states) }
    } else if let velocity {
      try load(velocity: velocity, states, into: &optimizer, withVectors)
    }
    if average != nil { try states.restore(.average, into: &optimizer, withVectors: withVectors) }
  }

  /// Opens the files for an optimizer, or for optimizers of some of its tensors.
  ///
  /// - Parameter others: The tensors that are passed by, and may be in the files.
  func open<Scalar: BLASScalar & SafetensorsScalar>(
    for optimizer: borrowing Optimizer<Scalar>, besides others: [PassedState<Scalar>.Name]
  ) throws -> StoredStates<Scalar> {
    for path in [state, velocity, average] { try StandardStream.refuseInput(path) }
    var states: [(StateFile.Parts, StoredState<Scalar>)] = []
    // Velocities of another convention are none of these files.
    let files = [
      (state, StateFile.Parts.all), (velocityConvention == nil ? velocity : nil, .velocity), (average, .average),
    ]
    for case (let path?, let parts) in files {
      states.append((parts, try StoredState(path: path, of: optimizer, besides: others, parts: parts)))
    }
    return StoredStates(states, others)
  }

  /// Gives an optimizer the velocity of a file, which must be of the form that its rules keep. What the file has learnt
  /// of something that this run does not adapt is left out.
  private func load<Scalar: BLASScalar & SafetensorsScalar>(
    velocity path: String, _ states: StoredStates<Scalar>, into optimizer: inout Optimizer<Scalar>,
    _ withVectors: Bool
  ) throws {
    let own = Adapted(optimizer)
    try states.restore(.velocity, into: &optimizer, withVectors: withVectors)
    if own.lossScale.growth == nil { optimizer.lossScale = own.lossScale }
    if own.clipping == nil { optimizer.adaptiveLimit = nil }
    try Adapted(optimizer).check(against: own, file: path)
    for (index, form) in try optimizer.velocityForms().enumerated() where optimizer.hasVelocity(ofTensor: index) {
      let keeps = optimizer.keepsLearningRateInVelocity(ofTensor: index)
      guard keeps != form.keepsLearningRate else { continue }
      let (found, expected) = keeps ? ("holds", "does not") : ("does not hold", "does")
      let name = optimizer.layout.tensors[index].name
      throw DataFileError(
        file: path,
        cause: "the velocity of tensor '\(name)' \(found) the learning rate; that of this rule \(expected)")
    }
  }

  /// Gives an optimizer the velocity of a file that another library wrote.
  private func load<Scalar: BLASScalar & SafetensorsScalar>(
    _ path: String, of convention: Convention, into optimizer: inout Optimizer<Scalar>, _ states: StoredStates<Scalar>
  ) throws {
    let file = try SafetensorsFile(path: path)
    if let other = states.passedName(where: { file.tensor(named: $0) != nil }) {
      throw DataFileError(
        file: path,
        cause: "has tensor '\(other)', which is passed by; expected velocities of what is stepped alone with "
          + "--velocity-convention (a run with --steps 0 and all tensors converts them)")
    }
    if let key = file.metadata.keys.filter({ $0.hasPrefix("momentum.") }).min() {
      throw DataFileError(
        file: path, cause: "has \(key) in its metadata, which say what it is; expected none with --velocity-convention")
    }
    try VelocityExchange(of: convention).read(path, into: &optimizer)
  }

  /// Prepares the files of what an optimizer remembers now, and of what the files that it had before hold of tensors that are
  /// passed by.
  func writers<Scalar: BLASScalar & SafetensorsScalar>(
    of optimizer: borrowing Optimizer<Scalar>, passing passed: StoredStates<Scalar>?, areOutlines: Bool = false
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

/// The settings that an optimizer adapts from step to step. A file brings its settings along; a run has its own.
private struct Adapted {
  var lossScale: LossScale
  var clipping: AdaptiveLimit?

  init<Scalar>(_ optimizer: borrowing Optimizer<Scalar>) {
    (lossScale, clipping) = (optimizer.lossScale, optimizer.adaptiveLimit)
  }

  /// Throws if what came from a file has other settings than those of the run.
  func check(against own: Adapted, file: String) throws {
    for (what, isSame) in [
      ("loss scale", lossScale.growth == own.lossScale.growth),
      ("adaptive clipping", clipping?.withoutHistory == own.clipping?.withoutHistory),
    ] where !isSame {
      throw DataFileError(file: file, cause: "its \(what) has other settings than this run; expected the same ones")
    }
  }
}
