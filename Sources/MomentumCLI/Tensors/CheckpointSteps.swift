import Momentum
import MomentumFiles

/// Steps of a checkpoint of parameters. Those of one file are stepped in memory; of several files each is read, stepped and
/// written before the next, by norms that all of them have measured before.
struct CheckpointSteps {
  private let command: StepCommand
  private var settings: OptimizerConfiguration
  private let parameters: CheckpointTensors
  private let gradients: StepGradients
  private let halves: HalfParameters
  private let whole: ParameterLayout
  /// The parts of each file: those that are computed with in Float, and those in Double.
  private let shards: [[CheckpointTensors]]

  init(
    _ command: StepCommand, _ settings: OptimizerConfiguration, _ parameters: CheckpointTensors,
    _ gradients: StepGradients
  ) throws {
    (self.command, self.settings, self.parameters, self.gradients) = (command, settings, parameters, gradients)
    halves = try HalfParameters(command.halves, of: parameters, command.patterns)
    whole = try parameters.layout()
    // The engine measures all tensors portably that it steps together with one in half precision. How a checkpoint is cut
    // must not matter.
    if gradients.checkpoints.contains(where: { $0.dtypes.contains(where: \.isHalf) }) {
      self.settings.clipping.algorithm = .portable
    }
    shards = parameters.shards().map { shard in
      let doubles = shard.part(Double.self)
      let floats = shard.only { $0.tensor.dtype != .f64 }
      let parts = shard.tensors.first?.tensor.dtype == .f64 ? [doubles, floats] : [floats, doubles]
      let found = parts.filter { !$0.tensors.isEmpty }
      // A file without parameters is stepped too, if it is the only one.
      return found.isEmpty && parameters.set.files.count == 1 ? [shard] : found
    }
    guard !shards.isEmpty else {
      throw DataFileError(file: parameters.name, cause: "has no file; expected one at least")
    }
    try checkParts()
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
    let count = shards.reduce(0) { $0 + $1.count }
    return try count > 1 && command.steps == 1 ? stepOneByOne(files) : stepTogether(files)
  }

  /// Steps all parts in memory, then writes all files.
  private func stepTogether(_ files: StepFiles) throws -> [StepRow] {
    var loaded = try shards.enumerated().map { try LoadedShard(self, $0, $1) }
    let parts = loaded.flatMap(\.parts)
    let rows = try command.takeSteps(gradients.name) { () throws(MomentumError) in
      guard parts.count != 1 else { return [try parts[0].step(nil)] }
      return try ThreadExchange.run(owners: parts.count) { owner, exchange throws(MomentumError) in
        try parts[owner].step(exchange)
      }
    }
    for number in loaded.indices { try write(&loaded[number], files) }
    return rows
  }

  /// Lets all parts measure, then steps and writes file by file.
  private func stepOneByOne(_ files: StepFiles) throws -> [StepRow] {
    let norms = try norms()
    var reports: [StepReport] = []
    let progress = ShardProgress(parameters.set)
    for (number, tensors) in shards.enumerated() {
      var loaded = try LoadedShard(self, number, tensors)
      for part in loaded.parts {
        reports.append(try naming { () throws(MomentumError) in try part.step(norms.exchange()) })
      }
      try write(&loaded, files)
      parameters.set.files[number].discardChanges()
      halves.discardChanges()
      progress.finished(number)
    }
    progress.finish()
    return [StepRow(reports)]
  }

  /// What all parts measure, by optimizers whose velocities are not read.
  private func norms() throws -> RecordedNorms {
    let loaded = try shards.enumerated().map { try LoadedShard(self, $0, $1, onlyMeasures: true) }
    let parts = loaded.flatMap(\.parts)
    return try naming { () throws(MomentumError) in
      try RecordedNorms(parts: parts.count) { part, exchange throws(MomentumError) in
        _ = try parts[part].step(exchange)
      }
    }
  }

  private func naming<R>(_ body: () throws(MomentumError) -> R) throws -> R {
    do { return try body() } catch { throw command.stepError(error, gradients.name) }
  }

  /// Adds the files of a shard to the output, if nobody has changed what they were made of.
  private func write(_ shard: inout LoadedShard, _ files: StepFiles) throws {
    try gradients.checkUnchanged()
    try halves.checkUnchanged()
    try files.parameters.add(shard.number, of: parameters)
    if let masters = shard.masters { try files.masters?.add(shard.number, of: parameters, only: masters.contents) }
    for part in shard.parts {
      for writer in try part.stateWriters(state(ofFile: shard.number)) { try files.target.add(writer) }
    }
    withExtendedLifetime(shard) {}
  }

  fileprivate func state(ofFile number: Int) -> StateOptions { command.state.ofFile(number, of: parameters.set) }

  // MARK: Parts

  /// One file of parameters, ready to be stepped.
  private struct LoadedShard {
    let number: Int
    let parts: [any StepPart]
    let masters: Masters?

    /// - Parameter onlyMeasures: Whether the parts are let go before they write, so that they need no velocity.
    init(
      _ steps: CheckpointSteps, _ number: Int, _ tensors: [CheckpointTensors], onlyMeasures: Bool = false
    ) throws {
      self.number = number
      var masters: Masters?
      parts = try tensors.map { try steps.part($0, number, onlyMeasures, &masters) }
      self.masters = masters
    }
  }

  private func part(
    _ tensors: CheckpointTensors, _ number: Int, _ onlyMeasures: Bool, _ masters: inout Masters?
  ) throws -> any StepPart {
    if tensors.dtypes == [.f64] { return try plain(tensors, number, onlyMeasures, as: Double.self) }
    let types = Set(tensors.tensors.flatMap { gradients.types(of: $0.tensor.name) ?? [] })
    if tensors.dtypes == [.f32], types.count <= 1 || gradients.isSum {
      return try plain(tensors, number, onlyMeasures, as: Float.self)
    }
    guard !gradients.isSum else {
      throw DataFileError(
        file: tensors.name,
        cause:
          "has tensors in half precision; expected F32, or one gradient, since sums of micro-batches step F32 and F64")
    }
    masters = try halves.masters(of: tensors, onlyMeasured: onlyMeasures)
    return StoredPart(
      try halves.buffers(of: tensors, masters), try gradients.checkpoints[0].tensorBuffers(of: tensors),
      try optimizer(tensors, number, onlyMeasures))
  }

  private func plain<Scalar: ParameterScalar>(
    _ tensors: CheckpointTensors, _ number: Int, _ onlyMeasures: Bool = false, as _: Scalar.Type
  ) throws -> any StepPart {
    let source = try GradientSource<Scalar>(
      gradients, of: tensors, settings.clipping.algorithm, threads: command.threading.threads)
    return try PlainPart(tensors, source, optimizer(tensors, number, onlyMeasures))
  }

  private func optimizer<Scalar: BLASScalar & SafetensorsScalar>(
    _ tensors: CheckpointTensors, _ number: Int, _ onlyMeasures: Bool
  ) throws -> Optimizer<Scalar> {
    let layout = try tensors.layout()
    var optimizer: Optimizer<Scalar> = try command.make { () throws(MomentumError) in
      try settings.makeOptimizer(layout, partOf: whole, threads: command.threading.threads)
    }
    try state(ofFile: number).load(into: &optimizer, withVectors: !onlyMeasures)
    return optimizer
  }
}

/// Where a step writes.
struct StepFiles {
  let target: TensorOutput
  let parameters: CheckpointOutput
  let masters: CheckpointOutput?
}
