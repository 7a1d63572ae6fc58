import MomentumFiles

/// The files that are made of one file of parameters, group by group: by this process, or by several together. Used by one
/// thread at a time.
final class GroupOutput {
  /// The files, as the process that has begun them tells the others.
  struct Plan: Codable {
    var parameters: TensorStream.Plan
    var masters: TensorStream.Plan?
    var states: [TensorStream.Plan]
  }

  private let target: TensorOutput
  private let checkpoint: CheckpointTensors
  private let number: Int
  private let state: StateOptions
  private let halves: HalfParameters
  /// The masters that are copied.
  private let passedMasters: CheckpointOutput.Replacements
  private var parameters: TensorStream?
  private var masters: TensorStream?
  private var states: [TensorStream] = []

  init(
    _ target: TensorOutput, _ checkpoint: CheckpointTensors, _ number: Int, _ state: StateOptions,
    _ halves: HalfParameters
  ) throws {
    (self.target, self.checkpoint, self.number, self.state) = (target, checkpoint, number, state)
    self.halves = halves
    passedMasters = try halves.passedMasters(of: checkpoint.set.files[number])
  }

  // MARK: Begin

  /// Begins all files.
  ///
  /// - Parameters:
  ///   - parts: The tensors that follow in groups.
  ///   - outlines: Parts of these tensors that have taken the step, but for the vectors.
  ///   - isShared: Whether other processes write some of the tensors; see ``join(_:)``.
  func begin(
    _ files: StepFiles, _ parts: [CheckpointTensors], _ outlines: [any StepPart], isShared: Bool
  ) throws {
    parameters = try files.parameters.begin(number, of: checkpoint, isShared: isShared) { $0.dtype }
    let stepped = parts.flatMap(\.tensors).map(\.tensor)
    let ofMasters = Set(stepped.filter { $0.dtype.isHalf || halves.ownMasters.contains($0) }).union(passedMasters.keys)
    if !ofMasters.isEmpty {
      masters = try files.masters?.begin(number, of: checkpoint, isShared: isShared) {
        ofMasters.contains($0) ? .f32 : nil
      }
    }
    for outline in outlines {
      states += try outline.stateWriters(state, areOutlines: true).map { try target.begin($0, isShared: isShared) }
    }
  }

  /// What other processes must know to write groups too.
  var plan: Plan {
    guard let parameters else { preconditionFailure("the files have not been begun") }
    return Plan(parameters: parameters.plan, masters: masters?.plan, states: states.map(\.plan))
  }

  /// Joins in the writing of files that another process has begun.
  func join(_ plan: Plan) throws {
    parameters = try target.join(plan.parameters)
    masters = try plan.masters.map { try target.join($0) }
    states = try plan.states.map { try target.join($0) }
  }

  // MARK: Tensors

  /// Writes a group, to all files at the same time.
  func add(_ group: StepGroup) throws {
    var pieces: [(SafetensorsWriter, TensorStream)] = []
    if let parameters {
      pieces.append((try writer(of: group.tensors.map { ($0, $0.dtype, group.memory.bytes(of: $0)) }), parameters))
    }
    if let masters {
      let own = halves.ownMasters(among: group.tensors) { group.memory.bytes(of: $0) }
      pieces.append((try writer(of: own.merging(group.masters?.contents ?? [:]) { $1 }), masters))
    }
    pieces += zip(try group.part.stateWriters(state, areOutlines: false), states)
    try target.add(pieces, from: checkpoint)
  }

  /// Writes the tensors, masters and states that are in no group, as they are.
  ///
  /// - Parameters:
  ///   - parts: As of ``begin(_:_:_:isShared:)``.
  ///   - outlines: The same parts.
  func writeRest(_ parts: [CheckpointTensors], _ outlines: [any StepPart]) throws {
    let file = checkpoint.set.files[number]
    let stepped = Set(parts.flatMap(\.tensors).map(\.tensor))
    for tensor in file.tensors where !stepped.contains(tensor) {
      guard let parameters else { break }
      let writer = try writer(of: [(tensor, tensor.dtype, try file.unsafeBytes(of: tensor.name))])
      try target.add([(writer, parameters)], from: checkpoint)
      file.release(tensor)
    }
    if let masters { try target.add([(try writer(of: passedMasters), masters)]) }
    let passed = try outlines.flatMap { try $0.passedWriters(state) }
    try target.add(Array(zip(passed, states)))
    for outline in outlines { try outline.finishPassed() }
    try file.checkUnchanged()
  }

  // MARK: End

  /// All files, which this process writes alone, are complete.
  func end() { for stream in streams { target.end(stream) } }

  /// The bytes of all tensors of all files, and how many of them this process has written.
  var byteCounts: (all: Int, written: Int) {
    streams.reduce((0, 0)) { ($0.0 + $1.byteCount, $0.1 + $1.writtenByteCount) }
  }

  private var streams: [TensorStream] { [parameters, masters].compactMap(\.self) + states }

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
