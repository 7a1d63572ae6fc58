import MomentumFiles

/// The files of tensors that a command writes: all of them or none, or one to standard output.
final class TensorOutput {
  private let batch = FileBatch()
  private let followsLinks: Bool
  /// What is added to the batch when all else is there.
  private var last: [(FileBatch) throws -> Void] = []

  init(followsLinks: Bool) { self.followsLinks = followsLinks }

  /// Refuses, before any work is done, an output that could not be written. From now on standard output is kept for a
  /// file of tensors if that is where it goes.
  static func check(_ path: String, followsLinks: Bool) throws {
    if StandardStream.isOutput(path) { return StandardOutput.keepForFile() }
    try FileReplacement.check(path, followsLinks: followsLinks)
  }

  /// The files that are made of those of a checkpoint: the same names in a folder, or one file. Missing folders are made.
  ///
  /// - Parameter hasIndex: Whether the index of the checkpoint is written too, behind all files.
  func checkpoint(_ path: String, like set: SafetensorsSet, hasIndex: Bool = true) throws -> CheckpointOutput {
    if StandardStream.isOutput(path) {
      guard set.files.count == 1, set.indices.isEmpty else {
        throw DataFileError(
          file: path,
          cause: "is standard output, which takes one file; expected a folder for \(set.files.count) files "
            + "and their index")
      }
      StandardOutput.keepForFile()
      return CheckpointOutput(self, paths: [path])
    }
    let target = try SetOutput(path, like: set, hasIndex: hasIndex, followsLinks: followsLinks)
    try target.prepare(batch)
    let output = CheckpointOutput(self, paths: target.paths)
    last.append { try target.addIndices(to: $0, byteCount: output.byteCount, of: set) }
    return output
  }

  /// Writes one more file, whose place it takes when all are complete.
  ///
  /// - Parameter source: The checkpoints that the tensors are in, if they are in their mappings. When writing fails because
  ///   another program has cut one short, the error says so.
  /// - Parameter tell: Is told how many more bytes have been written, of a file that is no standard output.
  func add(_ writer: SafetensorsWriter, from sources: CheckpointTensors?..., tell: ((Int) -> Void)? = nil) throws {
    var writer = writer
    writer.followsLinks = followsLinks
    try blaming(sources) {
      if StandardStream.isOutput(writer.path) {
        try StandardOutput.write(writer)
      } else {
        try batch.add(writer, tell: tell)
      }
    }
  }

  private func blaming(_ sources: [CheckpointTensors?], _ body: () throws -> Void) throws {
    do {
      try body()
    } catch {
      for source in sources { try source?.set.checkUnchanged() }
      throw error
    }
  }

  /// Begins one more file, whose tensors follow in groups.
  ///
  /// - Parameters:
  ///   - outline: The file; its tensors are not asked for their bytes.
  ///   - isShared: Whether other processes write some of the tensors.
  func begin(_ outline: SafetensorsWriter, isShared: Bool) throws -> TensorStream {
    var outline = outline
    outline.followsLinks = followsLinks
    return try batch.begin(outline, isShared: isShared)
  }

  /// Joins in the writing of a file that another process has begun.
  func join(_ plan: TensorStream.Plan) throws -> TensorStream { try batch.join(plan) }

  /// Writes groups of tensors of files that have been begun, to each file at the same time; see ``add(_:from:)``.
  func add(_ groups: [(SafetensorsWriter, TensorStream)], from sources: CheckpointTensors?...) throws {
    try blaming(sources) { try batch.add(groups) }
  }

  /// Ends a file, all tensors of which have been written here.
  func end(_ stream: TensorStream) { batch.end(stream) }

  /// Puts all files in their places.
  func commit() throws {
    for add in last { try add(batch) }
    try batch.commit()
  }
}

/// The files that a command makes of those of a checkpoint, with their names, tensors and metadata.
final class CheckpointOutput {
  /// What is written in the place of tensors.
  typealias Replacements = [SafetensorsTensor: (dtype: SafetensorsDtype, bytes: UnsafeRawBufferPointer)]

  /// Not owned, since that keeps this object for its indices: what was staged goes when a command fails and lets it go.
  private unowned let output: TensorOutput
  private let paths: [String]
  /// The bytes of the tensors that were written.
  private var byteCounts: [SafetensorsTensor: Int] = [:]

  init(_ output: TensorOutput, paths: [String]) { (self.output, self.paths) = (output, paths) }

  /// Writes one file with its tensors as they are in memory.
  ///
  /// - Parameters:
  ///   - number: The place of the file in the set.
  ///   - checkpoint: The checkpoint.
  ///   - replacements: What is written in the place of tensors.
  func add(
    _ number: Int, of checkpoint: CheckpointTensors, replacing replacements: Replacements = [:],
    tell: ((Int) -> Void)? = nil
  ) throws {
    let file = checkpoint.set.files[number]
    var contents = replacements
    for tensor in file.tensors where contents[tensor] == nil {
      contents[tensor] = try (tensor.dtype, file.unsafeBytes(of: tensor.name))
    }
    try add(number, of: checkpoint, only: contents, tell: tell)
    withExtendedLifetime(file) {}
  }

  /// Begins one file with some of its tensors, which follow in groups.
  ///
  /// - Parameters:
  ///   - isShared: Whether other processes write some of them.
  ///   - type: The type of a tensor in the new file; `nil` for one that is not in it.
  func begin(
    _ number: Int, of checkpoint: CheckpointTensors, isShared: Bool, as type: (SafetensorsTensor) -> SafetensorsDtype?
  ) throws -> TensorStream {
    let file = checkpoint.set.files[number]
    var outline = SafetensorsWriter(path: paths[number], metadata: file.metadata)
    for tensor in file.tensors {
      guard let dtype = type(tensor) else { continue }
      byteCounts[tensor] = try outline.add(tensor.name, dtype: dtype, shape: tensor.shape) { _ in
        preconditionFailure("an outline is not written")
      }
    }
    return try output.begin(outline, isShared: isShared)
  }

  /// Writes one file with some of its tensors, or none if there is not one of them.
  func add(
    _ number: Int, of checkpoint: CheckpointTensors, only contents: Replacements, tell: ((Int) -> Void)? = nil
  ) throws {
    let file = checkpoint.set.files[number]
    try file.checkUnchanged()
    guard !contents.isEmpty || file.tensors.isEmpty else { return }
    var writer = SafetensorsWriter(path: paths[number], metadata: file.metadata)
    for tensor in file.tensors {
      guard let (dtype, bytes) = contents[tensor] else { continue }
      try writer.add(tensor.name, dtype: dtype, shape: tensor.shape, bytes: bytes)
      byteCounts[tensor] = bytes.count
    }
    try output.add(writer, from: checkpoint, tell: tell)
  }

  /// The bytes of a tensor as it was written; `nil` if it was not.
  func byteCount(_ place: SafetensorsSet.Place) -> Int? { byteCounts[place.tensor] }
}
