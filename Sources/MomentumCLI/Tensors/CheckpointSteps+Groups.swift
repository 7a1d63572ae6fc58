import Momentum
import MomentumFiles

// Steps whose tensors need not all be in memory.
extension CheckpointSteps {
  /// Lets all files measure, then reads, steps and writes group by group. One group is written while the next is stepped.
  ///
  /// Memory is that of a few groups. What is measured are whole files, by optimizers that change nothing but what they
  /// remember beside their velocities: so the headers of all files of state are known before the first group is stepped.
  func stepByGroups(_ files: StepFiles) throws -> [StepRow] {
    let measuring = ShardProgress(parameters.set, "measuring")
    let outlines = try shards.enumerated().map { number, parts in
      try parts.map { try measuringPart($0, number, measuring) }
    }
    let numbers = shards.enumerated().flatMap { number, parts in parts.map { _ in number } }
    let norms = try norms(of: outlines.flatMap(\.self), shards.flatMap(\.self)) { measuring.finished(numbers[$0]) }
    measuring.finish()
    var reports: [StepReport] = []
    let progress = ShardProgress(parameters.set)
    let streaming = StepStreaming(norms)
    // What waits to be written must not outlive the files that it is written to.
    defer { streaming.background.wait() }
    for (number, parts) in shards.enumerated() {
      let output = try output(files.target, number)
      let outlines = outlines[number]
      try streaming.background.submit { try output.begin(files, parts, outlines, isShared: false) }
      for part in parts {
        reports += try step(part, number, streaming, output) {
          progress.advance($0, ofFile: number)
        }
      }
      try checkInputsUnchanged()
      try streaming.background.submit {
        try output.writeRest(parts, outlines)
        output.end()
        progress.finished(number)
      }
    }
    try streaming.background.finish()
    progress.finish()
    return [StepRow(reports)]
  }

  /// A part that is to measure, and to change nothing but what its optimizer remembers beside velocities.
  ///
  /// - Parameter isWhole: Whether these are all tensors of the file and the type.
  func measuringPart(
    _ tensors: CheckpointTensors, _ number: Int, isWhole: Bool = true, _ progress: ShardProgress
  ) throws -> any StepPart {
    try part(tensors, number, masters(of: tensors, onlyMeasured: true), isWhole: isWhole, measuring: progress)
  }

  /// What parts measure, one after the other, of whose gradients one file is in memory then.
  ///
  /// - Parameters:
  ///   - tensors: Those of each part.
  ///   - outer: The exchange with the parts of other processes.
  ///   - haveMeasured: Is told the number of a part that has measured. Sums of micro-batches are measured as they are made,
  ///     which nobody tells before.
  func norms(
    of parts: [any StepPart], _ tensors: [CheckpointTensors], within outer: (any NormExchange)? = nil,
    _ haveMeasured: @escaping @Sendable (Int) -> Void
  ) throws -> RecordedNorms {
    let checkpoints = gradients.checkpoints
    return try naming { () throws(MomentumError) in
      try RecordedNorms(parts: parts.count, within: outer, writesNothing: true) { part in
        for checkpoint in checkpoints { checkpoint.release(of: tensors[part]) }
        haveMeasured(part)
      } _: { part, exchange throws(MomentumError) in
        _ = try parts[part].step(exchange)
      }
    }
  }

  /// Reads, steps and writes tensors of one file, group by group.
  ///
  /// - Parameter haveWritten: Is told which tensors have been written, on another thread.
  func step(
    _ part: CheckpointTensors, _ number: Int, _ streaming: StepStreaming, _ output: GroupOutput,
    _ haveWritten: @escaping ([SafetensorsTensor]) -> Void
  ) throws -> [StepReport] {
    let states = states(of: part, number)
    let groups = groups(of: part)
    return try groups.enumerated().map { index, tensors in
      if index + 1 < groups.count { prefetch(groups[index + 1], states) }
      let group = try group(tensors, number, streaming.pool)
      let report = try naming { () throws(MomentumError) in try group.part.step(streaming.norms.exchange()) }
      release(tensors, states)
      try streaming.background.submit {
        try output.add(group)
        haveWritten(group.tensors)
      }
      return report
    }
  }

  /// Some tensors of a file in memory, ready to be stepped.
  func group(_ tensors: CheckpointTensors, _ number: Int, _ pool: MemoryPool) throws -> StepGroup {
    let memory = try TensorMemory(copying: tensors.tensors, in: pool)
    let masters = try masters(of: tensors, in: pool)
    let part = try part(tensors, number, masters, in: memory, isWhole: false)
    return StepGroup(tensors: tensors.tensors.map(\.tensor), part: part, memory: memory, masters: masters)
  }

  /// The files that are made of one file of parameters.
  func output(_ target: TensorOutput, _ number: Int) throws -> GroupOutput {
    try GroupOutput(target, parameters, number, state(ofFile: number), halves)
  }

  /// Fails if a file of gradients or masters has changed since it was opened.
  func checkInputsUnchanged() throws {
    try gradients.checkUnchanged()
    try halves.checkUnchanged()
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

/// What the groups of one step share.
struct StepStreaming {
  /// What all tensors have measured.
  let norms: RecordedNorms
  let pool = MemoryPool()
  /// Writes two groups at most, or lets them wait, while the next is stepped.
  let background = BackgroundWork(depth: 2)

  init(_ norms: RecordedNorms) { self.norms = norms }
}
