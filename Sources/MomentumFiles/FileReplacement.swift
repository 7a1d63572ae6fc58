/// New versions of one or more files that take the place of the old ones together. Every whole file that this package's
/// products write is written so; ``write(_:to:followsLinks:)`` does it for one file whose bytes are at hand.
///
/// Each is first written without a name, or under a temporary one where the system cannot do that or other processes write
/// parts of it, in the directory of its target and brought to the disk (``stage(_:followsLinks:content:)``); ``commit()``
/// then puts all of them in place. A process that dies at any moment leaves each target whole, old or new; before the
/// commit it leaves nothing else, unless the file has a temporary name. No system replaces a file by one without a name in
/// one step, so a death between the two or three calls in which it has a temporary name leaves that name
/// (`.momentum-*.tmp`), and with several targets second names of old files. The next process that writes into the directory
/// removes them (``Leftovers``).
///
/// When a step fails, everything is taken back: the targets are what they were and no temporary file is left. Taking back
/// needs the old files, so those that others follow get a second name, which costs no copy; on the few file systems
/// without hard links they stay new. One error comes too late for that: a directory that cannot be brought to the disk
/// (``SafetensorsError/Reason/notDurable(code:)``), since going back would be as uncertain as the new files are.
///
/// A new file has the mode 0666 less the umask; one that is replaced hands on what ``FileAttributes`` says. A symbolic
/// link is refused, or followed if that is asked for: the link then stays, and the file behind it, which there must be,
/// is replaced. Devices, pipes, sockets and directories are refused.
package struct FileReplacement {
  private let operations: FileOperations
  private var files: [StagedFile] = []
  /// Files that another process begins and puts in place.
  private var joined: [JoinedFile] = []

  init(operations: FileOperations) {
    self.operations = operations
  }

  typealias Emit = (UnsafeRawBufferPointer) throws(SafetensorsError) -> Void

  /// Writes one file, whole or not at all.
  ///
  /// - Throws: ``SafetensorsError`` with one of its reasons of the file system; what was at the path is then as it was.
  package static func write(
    _ bytes: some Sequence<UInt8>, to path: String, followsLinks: Bool = false
  ) throws(SafetensorsError) {
    let bytes = Array(bytes)
    var replacement = FileReplacement(operations: .system)
    try replacement.stage(path, followsLinks: followsLinks) { emit throws(SafetensorsError) in
      try bytes.withUnsafeBufferPointer { bytes throws(SafetensorsError) in try emit(UnsafeRawBufferPointer(bytes)) }
    }
    try replacement.commit()
  }

  /// Writes one text file in UTF-8, whole or not at all; see the other `write`.
  package static func write(
    _ text: String, to path: String, followsLinks: Bool = false
  ) throws(SafetensorsError) {
    try write(text.utf8, to: path, followsLinks: followsLinks)
  }

  /// Refuses a path that could not be written to, as far as that can be seen before long work whose result goes there.
  package static func check(_ path: String, followsLinks: Bool = false) throws(SafetensorsError) {
    var file = try StagedFile(OutputTarget(path, followsLinks: followsLinks), .system)
    file.discard()
  }

  /// Writes the new version of one more file and brings it to the disk.
  ///
  /// - Parameters:
  ///   - followsLinks: Whether the path may be that of a symbolic link to the file.
  ///   - content: Is given the function that appends bytes to the file.
  /// - Throws: when anything fails; nothing is left of this file then, those staged before await ``discard()``.
  mutating func stage(
    _ path: String, followsLinks: Bool, content: (Emit) throws(SafetensorsError) -> Void
  ) throws(SafetensorsError) {
    try stage(path, followsLinks) { (file) throws(SafetensorsError) in try file.write(content) }
  }

  /// A file that is written part by part.
  enum Part {
    /// The number of one that was begun here.
    case begun(Int)
    /// The number of one that another process has begun.
    case joined(Int)
  }

  /// Creates the new version of one more file, to be written part by part; ``commit()`` brings it to the disk.
  ///
  /// - Parameter isShared: Whether other processes write parts of it too, which ``join(_:temporaryPath:)``.
  mutating func begin(_ path: String, followsLinks: Bool, isShared: Bool) throws(SafetensorsError) -> Part {
    try stage(path, followsLinks) { (file) throws(SafetensorsError) in try file.begin(isShared: isShared) }
    return .begun(files.count - 1)
  }

  /// The name that a file has until it is in its place; `nil` if it has none.
  func temporaryPath(of part: Part) -> String? {
    guard case .begun(let number) = part else { return nil }
    return files[number].temporaryPath
  }

  /// Opens a file that another process has begun. ``commit()`` brings to the disk what is written here; the other process
  /// commits after that.
  mutating func join(_ path: String, temporaryPath: String) throws(SafetensorsError) -> Part {
    joined.append(try JoinedFile(path, temporaryPath: temporaryPath, operations))
    return .joined(joined.count - 1)
  }

  /// Writes a part of a file.
  func write(_ bytes: UnsafeRawBufferPointer, at offset: Int, of part: Part) throws(SafetensorsError) {
    switch part {
    case .begun(let number): try files[number].write(bytes, at: offset)
    case .joined(let number): try joined[number].write(bytes, at: offset)
    }
  }

  private mutating func stage(
    _ path: String, _ followsLinks: Bool, _ fill: (inout StagedFile) throws(SafetensorsError) -> Void
  ) throws(SafetensorsError) {
    var file = try StagedFile(OutputTarget(path, followsLinks: followsLinks), operations)
    do throws(SafetensorsError) {
      guard !files.contains(where: { $0.place == file.place }) else {
        throw SafetensorsError(file: path, reason: .duplicateTarget)
      }
      try fill(&file)
    } catch {
      file.discard()
      throw error
    }
    files.append(file)
  }

  /// Puts the new versions in place, all of them or, when it throws another error than
  /// ``SafetensorsError/Reason/notDurable(code:)``, none.
  mutating func commit() throws(SafetensorsError) {
    try completeJoined()
    var files = files
    self.files = []
    do throws(SafetensorsError) {
      for index in files.indices { try files[index].complete() }
    } catch {
      Self.discard(&files)
      throw error
    }
    try InterruptedWrites.postponed { () throws(SafetensorsError) in
      do throws(SafetensorsError) {
        // Nothing follows the last one that could fail, so its old version need not be kept.
        for index in files.indices { try files[index].prepare(keepsOld: index + 1 < files.endIndex) }
        for index in files.indices { try files[index].replace() }
      } catch {
        Self.discard(&files)
        throw error
      }
      for index in files.indices { files[index].letOldGo() }
      var failure: SafetensorsError?
      for file in files {
        do throws(SafetensorsError) { try file.finish() } catch { failure = failure ?? error }
      }
      if let failure { throw failure }
    }
    for file in files { Leftovers.remove(in: file.target.directory) }
  }

  private mutating func completeJoined() throws(SafetensorsError) {
    while let file = joined.popLast() {
      do throws(SafetensorsError) { try file.complete() } catch {
        discard()
        throw error
      }
    }
  }

  /// Takes everything back, the last file first.
  mutating func discard() {
    for file in joined { file.discard() }
    joined = []
    Self.discard(&files)
  }

  private static func discard(_ files: inout [StagedFile]) {
    for index in files.indices.reversed() { files[index].discard() }
    files = []
  }
}
