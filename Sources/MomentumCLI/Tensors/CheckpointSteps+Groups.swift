import Momentum
import MomentumFiles

// Steps whose tensors need not all be in memory.
extension CheckpointSteps {
  /// How many groups may wait to be written, or be written, while the next is stepped.
  private static let depth = 2

  /// Lets all files measure, then reads, steps and writes group by group. One group is written while the next is stepped.
  ///
  /// Memory is that of a few groups. What is measured are whole files, by optimizers that change nothing but what they
  /// remember beside their velocities: so the headers of all files of state are known before the first group is stepped.
  func stepByGroups(_ files: StepFiles) throws -> [StepRow] {
    let measuring = ShardProgress(parameters.set, "measuring")
    let outlines = try shards.enumerated().map { number, parts in
      try parts.map { part in
        try self.part(
          part, number, masters(of: part, onlyMeasured: true), measuring: measuring)
      }
    }
    let norms = try norms(of: outlines.flatMap(\.self), measuring)
    measuring.finish()
    var reports: [StepReport] = []
    let (pool, background) = (MemoryPool(), BackgroundWork(depth: Self.depth))
    // What waits to be written must not outlive the files that it is written to.
    defer { background.wait() }
    let progress = ShardProgress(parameters.set)
    for (number, parts) in shards.enumerated() {
      let output = GroupOutput(
        files, parameters, number, state(ofFile: number), try halves.passedMasters(of: parameters.set.files[number]))
      let outlines = outlines[number]
      try background.submit { try output.begin(parts, outlines) }
      for part in parts {
        let states = try openStates(of: part, number)
        let groups = groups(of: part)
        for (index, tensors) in groups.enumerated() {
          if index + 1 < groups.count { prefetch(groups[index + 1], states) }
          let group = try group(tensors, number, states, pool)
          reports.append(try naming { () throws(MomentumError) in try group.part.step(norms.exchange()) })
          release(tensors, states)
          try background.submit {
            try output.add(group)
            progress.advance(group.tensors, ofFile: number)
          }
        }
      }
      try gradients.checkUnchanged()
      try halves.checkUnchanged()
      try background.submit {
        try output.end(outlines)
        progress.finished(number)
      }
    }
    try background.finish()
    progress.finish()
    return [StepRow(reports)]
  }

  /// What all parts measure, one after the other, of whose gradients one file is in memory then.
  private func norms(of parts: [any StepPart], _ measuring: ShardProgress) throws -> RecordedNorms {
    let (tensors, checkpoints) = (shards.flatMap(\.self), gradients.checkpoints)
    let numbers = shards.enumerated().flatMap { number, parts in parts.map { _ in number } }
    return try naming { () throws(MomentumError) in
      try RecordedNorms(parts: parts.count, writesNothing: true) { part in
        for checkpoint in checkpoints { checkpoint.release(of: tensors[part]) }
        // Sums of micro-batches are measured as they are made, which nobody has told.
        measuring.finished(numbers[part])
      } _: { part, exchange throws(MomentumError) in
        _ = try parts[part].step(exchange)
      }
    }
  }

  private func group(
    _ tensors: CheckpointTensors, _ number: Int, _ states: any OpenStates, _ pool: MemoryPool
  ) throws -> StepGroup {
    let memory = try TensorMemory(copying: tensors.tensors, in: pool)
    let masters = try masters(of: tensors, in: pool)
    let part = try part(tensors, number, masters, in: memory, from: states)
    return StepGroup(tensors: tensors.tensors.map(\.tensor), part: part, memory: memory, masters: masters)
  }

  private func prefetch(_ tensors: CheckpointTensors, _ states: any OpenStates) {
    for place in tensors.tensors { place.file.prefetch(place.tensor) }
    halves.prefetch(of: tensors)
    for checkpoint in gradients.checkpoints { checkpoint.prefetch(of: tensors) }
    states.prefetch(tensors.tensors.map(\.tensor.name))
  }

  /// Lets the pages of files go that have been read. The memory of the process is then that of the groups.
  private func release(_ tensors: CheckpointTensors, _ states: any OpenStates) {
    for checkpoint in gradients.checkpoints { checkpoint.release(of: tensors) }
    states.release(tensors.tensors.map(\.tensor.name))
  }
}

/// Some tensors of a file that are stepped together, in memory of their own.
struct StepGroup {
  let tensors: [SafetensorsTensor]
  let part: any StepPart
  let memory: TensorMemory
  let masters: Masters?
}

/// The files that are made of one file of parameters, group by group. Used by one thread at a time.
final class GroupOutput {
  private let files: StepFiles
  private let checkpoint: CheckpointTensors
  private let number: Int
  private let state: StateOptions
  private let passedMasters: CheckpointOutput.Replacements
  private var parameters: TensorStream?
  private var masters: TensorStream?
  private var states: [TensorStream] = []
  private var written: Set<SafetensorsTensor> = []

  /// - Parameter passedMasters: The masters that are copied.
  init(
    _ files: StepFiles, _ checkpoint: CheckpointTensors, _ number: Int, _ state: StateOptions,
    _ passedMasters: CheckpointOutput.Replacements
  ) {
    (self.files, self.checkpoint, self.number, self.state) = (files, checkpoint, number, state)
    self.passedMasters = passedMasters
  }

  /// Begins all files.
  ///
  /// - Parameters:
  ///   - parts: The tensors that follow in groups.
  ///   - outlines: Parts of these tensors that have taken the step, but for the vectors.
  func begin(_ parts: [CheckpointTensors], _ outlines: [any StepPart]) throws {
    parameters = try files.parameters.begin(number, of: checkpoint) { $0.dtype }
    let halves = Set(parts.flatMap(\.tensors).map(\.tensor).filter(\.dtype.isHalf)).union(passedMasters.keys)
    if !halves.isEmpty {
      masters = try files.masters?.begin(number, of: checkpoint) { halves.contains($0) ? .f32 : nil }
    }
    for outline in outlines {
      states += try outline.stateWriters(state, areOutlines: true).map { try files.target.begin($0) }
    }
  }

  /// Writes a group, to all files at the same time.
  func add(_ group: StepGroup) throws {
    var pieces: [(SafetensorsWriter, TensorStream)] = []
    if let parameters {
      pieces.append((try writer(of: group.tensors.map { ($0, $0.dtype, group.memory.bytes(of: $0)) }), parameters))
    }
    if let masters, let contents = group.masters?.contents { pieces.append((try writer(of: contents), masters)) }
    pieces += zip(try group.part.stateWriters(state, areOutlines: false), states)
    try files.target.add(pieces, from: checkpoint)
    written.formUnion(group.tensors)
  }

  /// Writes the tensors, masters and states that are in no group, as they are. All files are then complete.
  ///
  /// - Parameter outlines: As of ``begin(_:_:)``.
  func end(_ outlines: [any StepPart]) throws {
    let file = checkpoint.set.files[number]
    for tensor in file.tensors where !written.contains(tensor) {
      guard let parameters else { break }
      let writer = try writer(of: [(tensor, tensor.dtype, try file.unsafeBytes(of: tensor.name))])
      try files.target.add([(writer, parameters)], from: checkpoint)
      file.release(tensor)
    }
    if let masters { try files.target.add([(try writer(of: passedMasters), masters)]) }
    let passed = try outlines.flatMap { try $0.passedWriters(state) }
    try files.target.add(Array(zip(passed, states)))
    for outline in outlines { try outline.finishPassed() }
    try file.checkUnchanged()
    for stream in [parameters, masters].compactMap(\.self) + states { files.target.end(stream) }
  }

  private func writer(of contents: CheckpointOutput.Replacements) throws -> SafetensorsWriter {
    try writer(of: contents.map { ($0, $1.dtype, $1.bytes) })
  }

  private func writer(
    of tensors: [(SafetensorsTensor, SafetensorsDtype, UnsafeRawBufferPointer)]
  ) throws -> SafetensorsWriter {
    var writer = SafetensorsWriter(path: checkpoint.set.files[number].path)
    for (tensor, dtype, bytes) in tensors {
      try writer.add(tensor.name, dtype: dtype, shape: tensor.shape, bytes: bytes)
    }
    return writer
  }
}
