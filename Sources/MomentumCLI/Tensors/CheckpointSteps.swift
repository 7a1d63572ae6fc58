import Momentum
import MomentumFiles

/// Steps of a checkpoint of parameters. A small one is stepped in memory. Of a large one, a group of tensors is read, stepped
/// and written after the other, by norms that all of them have measured before; see ``stepByGroups(_:)``.
struct CheckpointSteps {
  let command: StepCommand
  let settings: OptimizerConfiguration
  let parameters: CheckpointTensors
  let gradients: StepGradients
  let halves: HalfParameters
  let whole: ParameterLayout
  /// The parts of each file: those that are computed with in Float, and those in Double.
  let shards: [[CheckpointTensors]]
  /// What was remembered of the tensors of each type.
  private var states: [any OpenStates] = []
  /// What is unusual about its files.
  private var stateWarnings: [SafetensorsWarning] = []

  init(
    _ command: StepCommand, _ settings: OptimizerConfiguration, _ parameters: CheckpointTensors,
    _ gradients: StepGradients
  ) throws {
    (self.command, self.settings, self.parameters, self.gradients) = (command, settings, parameters, gradients)
    halves = try HalfParameters(command.halves, of: parameters, command.patterns)
    whole = try parameters.layout()
    let hasState = !command.state.given.isEmpty
    shards = parameters.shards().enumerated().map { number, shard in
      let doubles = shard.part(Double.self)
      let floats = shard.only { $0.tensor.dtype != .f64 }
      let parts = shard.tensors.first?.tensor.dtype == .f64 ? [doubles, floats] : [floats, doubles]
      let found = parts.filter { !$0.tensors.isEmpty }
      // A file without parameters is stepped too, if it is the only one, or if there may be a state to be passed on.
      let isStepped = parameters.set.files.count == 1 || (hasState && Self.passesNumbers(parameters, number))
      return found.isEmpty && isStepped ? [shard] : found
    }
    guard !shards.isEmpty else {
      throw DataFileError(file: parameters.name, cause: "has no file; expected one at least")
    }
    try checkParts()
    let inputs = try StateInputs(command.state, of: parameters)
    stateWarnings = inputs.warnings
    let (floats, doubles) = (try open(inputs, as: Float.self), try open(inputs, as: Double.self))
    states = ([floats, doubles] as [(any OpenStates)?]).compactMap(\.self)
  }

  private static func passesNumbers(_ parameters: CheckpointTensors, _ number: Int) -> Bool {
    [false, true].contains { !parameters.passed(ofFile: number, areDoubles: $0).isEmpty }
  }

  /// Refuses what takes one optimizer for each file.
  private func checkParts() throws {
    let options = command.state.given + (settings.mode == .onePass ? ["the one-pass mode"] : [])
    for (shard, parts) in zip(parameters.shards(), shards) where parts.count > 1 {
      for option in options { _ = try shard.onlyType(with: option) }
    }
    if settings.mode == .onePass, shards.count > 1 {
      throw DataFileError(
        file: parameters.name, cause: "has \(shards.count) files; expected one, which the one-pass mode takes")
    }
  }

  /// Takes all steps and adds all files to the output.
  func run(_ files: StepFiles) throws -> [StepRow] {
    let count = shards.reduce(0) { $0 + $1.reduce(0) { $0 + groups(of: $1).count } }
    let canStream = command.steps == 1 && !command.outputs.contains { $1.map(StandardStream.isOutput) ?? false }
    return try count > 1 && canStream && settings.mode == .twoPass ? stepByGroups(files) : stepTogether(files)
  }

  /// The groups in which the tensors of a part are stepped.
  func groups(of part: CheckpointTensors) -> [CheckpointTensors] {
    isSteppedWhole ? [part] : part.groups(ofElements: command.elementsAtOnce)
  }

  /// Whether all tensors of a part are stepped together: velocities of another convention are converted so.
  var isSteppedWhole: Bool { command.state.velocityConvention != nil }

  /// Steps all parts in memory, then writes all files.
  private func stepTogether(_ files: StepFiles) throws -> [StepRow] {
    let loaded = try shards.enumerated().map { try LoadedShard(self, $0, $1) }
    let parts = loaded.flatMap(\.parts)
    let rows = try command.takeSteps(gradients.name) { () throws(MomentumError) in
      guard parts.count != 1 else { return [try parts[0].step(nil)] }
      return try ThreadExchange.run(owners: parts.count) { owner, exchange throws(MomentumError) in
        try parts[owner].step(exchange)
      }
    }
    for shard in loaded { try write(shard, files) }
    return rows
  }

  func naming<R>(_ body: () throws(MomentumError) -> R) throws -> R {
    do { return try body() } catch { throw command.stepError(error, gradients.name) }
  }

  /// Adds the files of a shard to the output, if nobody has changed what they were made of.
  private func write(_ shard: LoadedShard, _ files: StepFiles) throws {
    try checkInputsUnchanged()
    try files.parameters.add(shard.number, of: parameters)
    let file = parameters.set.files[shard.number]
    var masters = try halves.passedMasters(of: file)
    for stepped in [
      shard.masters?.contents ?? [:], try halves.ownMasters(among: file.tensors) { try file.unsafeBytes(of: $0.name) },
    ] {
      masters.merge(stepped) { $1 }
    }
    if !masters.isEmpty { try files.masters?.add(shard.number, of: parameters, only: masters) }
    for part in shard.parts {
      for writer in try part.stateWriters(state(ofFile: shard.number), areOutlines: false) {
        try files.target.add(writer)
      }
      try part.finishPassed()
    }
    withExtendedLifetime(shard) {}
  }

  /// Tensors of integers and truth values, which are passed by.
  var skipped: [CheckpointTensors.Skipped] {
    parameters.skipped + gradients.skipped.filter { !parameters.skipped.contains($0) }
  }

  /// Shows what is unusual about the files that are read, on standard error.
  func warn() { CheckpointTensors.warn([parameters] + gradients.checkpoints + halves.checkpoints, stateWarnings) }

  func state(ofFile number: Int) -> StateOptions { command.state.ofFile(number, of: parameters.set) }

  // MARK: Parts

  /// One file of parameters, ready to be stepped.
  private struct LoadedShard {
    let number: Int
    let parts: [any StepPart]
    private(set) var masters: Masters?

    init(_ steps: CheckpointSteps, _ number: Int, _ tensors: [CheckpointTensors]) throws {
      self.number = number
      var loaded: [any StepPart] = []
      for tensors in tensors {
        let masters = try steps.masters(of: tensors)
        loaded.append(try steps.part(tensors, number, masters))
        self.masters = masters ?? self.masters
      }
      parts = loaded
    }
  }

  /// The masters of a part; `nil` if it has none.
  func masters(
    of tensors: CheckpointTensors, onlyMeasured: Bool = false, in pool: MemoryPool? = nil
  ) throws -> Masters? {
    guard tensors.dtypes.contains(where: \.isHalf) else { return nil }
    return try halves.masters(of: tensors, onlyMeasured: onlyMeasured, in: pool)
  }

  /// Tensors of one file that are computed with in one type, ready to be stepped.
  ///
  /// - Parameters:
  ///   - number: That of the file.
  ///   - masters: Those of the tensors.
  ///   - memory: Where the tensors are; `nil` for the memory of their files.
  ///   - isWhole: Whether these are all tensors of the file and the type: with them goes what is remembered of tensors that are
  ///     passed by.
  ///   - measuring: Shows how far a part has come that changes nothing but what its optimizer remembers beside velocities;
  ///     `nil` for one that takes the whole step.
  func part(
    _ tensors: CheckpointTensors, _ number: Int, _ masters: Masters?, in memory: TensorMemory? = nil,
    isWhole: Bool = true, measuring: ShardProgress? = nil
  ) throws -> any StepPart {
    if areDoubles(tensors, number) {
      return try plain(tensors, number, memory, isWhole, measuring, as: Double.self)
    }
    if tensors.dtypes == [.f32] { return try plain(tensors, number, memory, isWhole, measuring, as: Float.self) }
    let parameters = try halves.buffers(of: tensors, masters, in: memory)
    return try optimizerPart(tensors, number, isWhole, measuring) {
      (source, optimizer, exchange) throws(MomentumError) in try source.step(&optimizer, parameters, exchange)
    }
  }

  /// The part of a file as a plan of what its optimizer remembers, which takes no step.
  func outline(of part: CheckpointTensors, _ number: Int) throws -> any StepPart {
    func outline<Scalar: ParameterScalar>(as _: Scalar.Type) throws -> OptimizerPart<Scalar> {
      try optimizerPart(part, number, true, .silent(parameters.set)) { _, _, _ throws(MomentumError) in
        preconditionFailure("an outline takes no step")
      }
    }
    return areDoubles(part, number) ? try outline(as: Double.self) : try outline(as: Float.self)
  }

  /// Whether tensors of a file are computed with in Double; if there are none, what of the file is stepped decides, or else
  /// what it has.
  private func areDoubles(_ tensors: CheckpointTensors, _ number: Int) -> Bool {
    let stepped = tensors.tensors.isEmpty ? shards[number].first ?? tensors : tensors
    guard stepped.tensors.isEmpty else { return stepped.dtypes == [.f64] }
    return parameters.set.files[number].tensors.first(where: \.dtype.isNumber)?.dtype == .f64
  }

  private func source<Scalar: ParameterScalar>(of tensors: CheckpointTensors) throws -> GradientSource<Scalar> {
    let algorithm = gradients.haveHalves ? .portable : settings.clipping.algorithm
    return try GradientSource(gradients, of: tensors, algorithm, threads: command.threading.threads)
  }

  private func plain<Scalar: ParameterScalar>(
    _ tensors: CheckpointTensors, _ number: Int, _ memory: TensorMemory?, _ isWhole: Bool,
    _ measuring: ShardProgress?, as type: Scalar.Type
  ) throws -> any StepPart {
    let buffers =
      try memory.map { memory in tensors.tensors.map { memory.buffer(of: $0.tensor, as: type) } }
      ?? tensors.mutableBuffers(as: type)
    return try optimizerPart(tensors, number, isWhole, measuring) {
      (source, optimizer, exchange) throws(MomentumError) in try source.step(&optimizer, buffers, exchange)
    }
  }

  private func optimizerPart<Scalar: ParameterScalar>(
    _ tensors: CheckpointTensors, _ number: Int, _ isWhole: Bool, _ measuring: ShardProgress?,
    takeStep: @escaping OptimizerPart<Scalar>.Step
  ) throws -> OptimizerPart<Scalar> {
    var optimizer: Optimizer<Scalar> = try newOptimizer(tensors)
    optimizer.changesVectors = measuring == nil
    optimizer.tell = measuring?.elements(of: tensors)
    optimizer.overflowPolicy = command.halves.overflow ?? .infinity
    let states = states(of: Scalar.self)
    try states.load(into: &optimizer, withVectors: measuring == nil)
    let others = isWhole ? parameters.passed(ofFile: number, areDoubles: Scalar.dtype == .f64) : []
    return OptimizerPart(
      try source(of: tensors), optimizer, passing: PassedStates(states, of: others), takeStep: takeStep)
  }

  private func newOptimizer<Scalar>(_ tensors: CheckpointTensors) throws -> Optimizer<Scalar> {
    let layout = try tensors.layout()
    return try command.make { () throws(MomentumError) in
      var optimizer: Optimizer<Scalar> = try settings.makeOptimizer(
        layout, partOf: whole, threads: command.threading.threads)
      optimizer.measuresPortably = gradients.haveHalves
      return optimizer
    }
  }

  // MARK: States

  /// What was remembered of the tensors that are computed with in one type, of all files.
  private func states<Scalar>(of _: Scalar.Type) -> StoredStates<Scalar> {
    guard let own = states.lazy.compactMap({ $0 as? StoredStates<Scalar> }).first else {
      preconditionFailure("the states of a type that some parts have were opened")
    }
    return own
  }

  /// The same for the type of a part.
  func states(of part: CheckpointTensors, _ number: Int) -> any OpenStates {
    areDoubles(part, number) ? states(of: Double.self) : states(of: Float.self)
  }

  /// Finds what files hold of the tensors of a type; `nil` if no part is of it.
  private func open<Scalar: ParameterScalar>(_ inputs: StateInputs, as _: Scalar.Type) throws -> StoredStates<Scalar>? {
    let areDoubles = Scalar.dtype == .f64
    let types = shards.enumerated().map { number, parts in parts.map { self.areDoubles($0, number) } }
    let files = types.indices.filter { types[$0].contains(areDoubles) }
    guard !files.isEmpty else { return nil }
    // With options of state the tensors of a file that are stepped are of one type.
    let strangers = types.indices.filter { !types[$0].contains(areDoubles) }.flatMap { number in
      shards[number].flatMap { $0.tensors.map(\.tensor.name) }
        + parameters.passed(ofFile: number, areDoubles: !areDoubles).map(\.name)
    }
    let optimizer: Optimizer<Scalar> = try newOptimizer(parameters.only { ($0.tensor.dtype == .f64) == areDoubles })
    let others = files.flatMap { parameters.passed(ofFile: $0, areDoubles: areDoubles) }
    return try StoredStates(inputs, of: optimizer, besides: others, strangers: strangers)
  }
}

/// Where a step writes.
struct StepFiles {
  let target: TensorOutput
  let parameters: CheckpointOutput
  let masters: CheckpointOutput?
}
