import Momentum
import MomentumFiles

/// Steps of a checkpoint of parameters. A small one is stepped in memory. Of a large one, a group of tensors is read, stepped
/// and written after the other, by norms that all of them have measured before; see ``stepByGroups(_:)``.
struct CheckpointSteps {
  let command: StepCommand
  private(set) var settings: OptimizerConfiguration
  let parameters: CheckpointTensors
  let gradients: StepGradients
  let halves: HalfParameters
  let whole: ParameterLayout
  /// The parts of each file: those that are computed with in Float, and those in Double.
  let shards: [[CheckpointTensors]]

  init(
    _ command: StepCommand, _ settings: OptimizerConfiguration, _ parameters: CheckpointTensors,
    _ gradients: StepGradients
  ) throws {
    (self.command, self.settings, self.parameters, self.gradients) = (command, settings, parameters, gradients)
    halves = try HalfParameters(command.halves, of: parameters, command.patterns)
    whole = try parameters.layout()
    if gradients.haveHalves { self.settings.clipping.algorithm = .portable }
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

  /// Shows what is unusual about the files of parameters, gradients and masters, on standard error.
  func warn() { CheckpointTensors.warn([parameters] + gradients.checkpoints + halves.checkpoints) }

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
  ///   - states: What the file's optimizer remembers, if these are some of its tensors only; `nil` to open it.
  ///   - measuring: Shows how far a part has come that changes nothing but what its optimizer remembers beside velocities;
  ///     `nil` for one that takes the whole step.
  func part(
    _ tensors: CheckpointTensors, _ number: Int, _ masters: Masters?, in memory: TensorMemory? = nil,
    from states: (any OpenStates)? = nil, measuring: ShardProgress? = nil
  ) throws -> any StepPart {
    if areDoubles(tensors, number) {
      return try plain(tensors, number, memory, states, measuring, as: Double.self)
    }
    if tensors.dtypes == [.f32] { return try plain(tensors, number, memory, states, measuring, as: Float.self) }
    let parameters = try halves.buffers(of: tensors, masters, in: memory)
    return try optimizerPart(tensors, number, states, measuring) {
      (source, optimizer, exchange) throws(MomentumError) in try source.step(&optimizer, parameters, exchange)
    }
  }

  /// The part of a file as a plan of what its optimizer remembers, which takes no step.
  func outline(of part: CheckpointTensors, _ number: Int) throws -> any StepPart {
    func outline<Scalar: ParameterScalar>(as _: Scalar.Type) throws -> OptimizerPart<Scalar> {
      try optimizerPart(part, number, nil, .silent(parameters.set)) { _, _, _ throws(MomentumError) in
        preconditionFailure("an outline takes no step")
      }
    }
    return areDoubles(part, number) ? try outline(as: Double.self) : try outline(as: Float.self)
  }

  /// Whether tensors of a file are computed with in Double; what the file has decides if there are none.
  private func areDoubles(_ tensors: CheckpointTensors, _ number: Int) -> Bool {
    guard tensors.tensors.isEmpty else { return tensors.dtypes == [.f64] }
    return parameters.set.files[number].tensors.first(where: \.dtype.isNumber)?.dtype == .f64
  }

  private func source<Scalar: ParameterScalar>(of tensors: CheckpointTensors) throws -> GradientSource<Scalar> {
    try GradientSource(gradients, of: tensors, settings.clipping.algorithm, threads: command.threading.threads)
  }

  private func plain<Scalar: ParameterScalar>(
    _ tensors: CheckpointTensors, _ number: Int, _ memory: TensorMemory?, _ states: (any OpenStates)?,
    _ measuring: ShardProgress?, as type: Scalar.Type
  ) throws -> any StepPart {
    let buffers =
      try memory.map { memory in tensors.tensors.map { memory.buffer(of: $0.tensor, as: type) } }
      ?? tensors.mutableBuffers(as: type)
    return try optimizerPart(tensors, number, states, measuring) {
      (source, optimizer, exchange) throws(MomentumError) in try source.step(&optimizer, buffers, exchange)
    }
  }

  private func optimizerPart<Scalar: ParameterScalar>(
    _ tensors: CheckpointTensors, _ number: Int, _ states: (any OpenStates)?, _ measuring: ShardProgress?,
    takeStep: @escaping OptimizerPart<Scalar>.Step
  ) throws -> OptimizerPart<Scalar> {
    var optimizer: Optimizer<Scalar> = try newOptimizer(tensors)
    optimizer.changesVectors = measuring == nil
    optimizer.tell = measuring?.elements(of: tensors)
    optimizer.overflowPolicy = command.halves.overflow ?? .infinity
    let own: StoredStates<Scalar>
    if let states = states as? StoredStates<Scalar> { own = states } else { own = try open(number, for: optimizer) }
    try state(ofFile: number).load(own, into: &optimizer, withVectors: measuring == nil)
    return OptimizerPart(
      try source(of: tensors), optimizer, passing: states == nil && own.hasPassed ? own : nil, takeStep: takeStep)
  }

  private func newOptimizer<Scalar>(_ tensors: CheckpointTensors) throws -> Optimizer<Scalar> {
    let layout = try tensors.layout()
    return try command.make { () throws(MomentumError) in
      try settings.makeOptimizer(layout, partOf: whole, threads: command.threading.threads)
    }
  }

  /// Opens what the optimizer of a part of a file remembers.
  func openStates(of part: CheckpointTensors, _ number: Int) throws -> any OpenStates {
    if areDoubles(part, number) { return try open(number, for: newOptimizer(part) as Optimizer<Double>) }
    return try open(number, for: newOptimizer(part) as Optimizer<Float>)
  }

  private func open<Scalar: BLASScalar & SafetensorsScalar>(
    _ number: Int, for optimizer: borrowing Optimizer<Scalar>
  ) throws -> StoredStates<Scalar> {
    let others = parameters.passed(ofFile: number, areDoubles: Scalar.dtype == .f64)
    return try state(ofFile: number).open(for: optimizer, besides: others)
  }
}

/// Where a step writes.
struct StepFiles {
  let target: TensorOutput
  let parameters: CheckpointOutput
  let masters: CheckpointOutput?
}
