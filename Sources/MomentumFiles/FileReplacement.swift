#if canImport(Darwin)
  import Darwin
#elseif canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// New versions of one or more files that take the place of the old ones together. Every whole file that this package's
/// products write is written so; ``write(_:to:)`` does it for one file whose bytes are at hand.
///
/// Each is first written under a temporary name in the directory of its target and brought to the disk (``stage``);
/// ``commit()`` then renames all of them. A process that dies at any moment leaves each target whole, old or new. When
/// a step fails, everything is taken back: the targets are what they were and no temporary file is left.
///
/// Taking back a rename needs the old file, so `commit` first gives it a second name, which costs no copy. On the few
/// file systems without hard links a failure of the *last* steps (a rename after another one, or bringing the directory
/// to the disk) therefore leaves the new file.
///
/// A new file has the mode 0666 less the umask; one that is replaced hands its permissions on. A symbolic link is
/// followed and stays a link: the file behind it is the one that is replaced, and there must be one. Devices, pipes,
/// sockets and directories are refused.
package struct FileReplacement {
  private struct Staged {
    /// The path as the caller gave it, for errors.
    var path: String
    /// The path with a symbolic link at its end followed, so that the link stays a link.
    var target: String
    var directory: CInt
    var place: Place
    var temporary: String
    /// A second name of the old file while the targets are replaced.
    var backup: String?
    var isReplacement: Bool
    var isRenamed = false
  }

  /// Tells targets apart however their paths are spelled.
  private struct Place: Equatable {
    var device: dev_t
    var directory: ino_t
    var name: String
  }

  private let operations: FileOperations
  private var files: [Staged] = []

  init(operations: FileOperations) {
    self.operations = operations
  }

  typealias Emit = (UnsafeRawBufferPointer) throws(SafetensorsError) -> Void

  /// Writes one file, whole or not at all.
  ///
  /// - Throws: ``SafetensorsError`` with one of its reasons of the file system; what was at the path is then as it was.
  package static func write(_ bytes: some Sequence<UInt8>, to path: String) throws(SafetensorsError) {
    let bytes = Array(bytes)
    var replacement = FileReplacement(operations: .system)
    try replacement.stage(path) { emit throws(SafetensorsError) in
      try bytes.withUnsafeBufferPointer { bytes throws(SafetensorsError) in try emit(UnsafeRawBufferPointer(bytes)) }
    }
    try replacement.commit()
  }

  /// Writes one text file in UTF-8, whole or not at all; see the other `write(_:to:)`.
  package static func write(_ text: String, to path: String) throws(SafetensorsError) {
    try write(text.utf8, to: path)
  }

  /// Writes the new version of one more file and brings it to the disk, under a temporary name.
  ///
  /// - Parameter content: is given the function that appends bytes to the file.
  /// - Throws: when anything fails; this file's temporary is then gone, those staged before await ``discard()``.
  mutating func stage(
    _ path: String, content: (Emit) throws(SafetensorsError) -> Void
  ) throws(SafetensorsError) {
    let target = try Self.resolved(path)
    let existingMode = try Self.modeOfFile(at: target, path: path)
    let folder = Self.directory(of: target)
    // Opened now, so that nothing but the last fsync can fail once the target is replaced.
    let directory = retryingInterrupts { operations.openDirectory(folder) }
    guard directory >= 0 else { throw .system("open its directory \(folder)", file: path) }
    do throws(SafetensorsError) {
      let place = try Self.place(of: target, in: directory, path: path)
      guard !files.contains(where: { $0.place == place }) else {
        throw SafetensorsError(file: path, reason: .duplicateTarget)
      }
      // 0666 less the umask, as for any new file; never more than the file that is replaced allows.
      let (temporary, descriptor) = try create(in: folder, mode: existingMode ?? 0o666, path: path)
      do throws(SafetensorsError) {
        try fill(descriptor, mode: existingMode, path: path, content: content)
      } catch {
        _ = operations.remove(temporary)
        throw error
      }
      files.append(
        Staged(
          path: path, target: target, directory: directory, place: place, temporary: temporary,
          isReplacement: existingMode != nil))
    } catch {
      _ = operations.closeDescriptor(directory)
      throw error
    }
  }

  /// Puts the new versions in place, all of them or, when it throws, none.
  mutating func commit() throws(SafetensorsError) {
    do throws(SafetensorsError) {
      for index in files.indices where files[index].isReplacement { try backUp(&files[index]) }
      for index in files.indices { try rename(&files[index]) }
      for file in files { try synchronizeDirectory(of: file) }
    } catch {
      discard()
      throw error
    }
    for file in files {
      if let backup = file.backup { _ = operations.remove(backup) }
      _ = operations.closeDescriptor(file.directory)
    }
    files = []
  }

  /// Takes everything back, the last file first.
  mutating func discard() {
    for file in files.reversed() {
      if file.isRenamed {
        if let backup = file.backup {
          _ = operations.move(backup, file.target)
        } else if !file.isReplacement {
          _ = operations.remove(file.target)
        }
        _ = operations.synchronize(file.directory)
      } else {
        _ = operations.remove(file.temporary)
        if let backup = file.backup { _ = operations.remove(backup) }
      }
      _ = operations.closeDescriptor(file.directory)
    }
    files = []
  }

  // MARK: Steps

  private func create(
    in directory: String, mode: mode_t, path: String
  ) throws(SafetensorsError) -> (temporary: String, descriptor: CInt) {
    let temporary = Self.temporaryName(in: directory)
    let descriptor = retryingInterrupts { operations.create(temporary, UInt32(mode)) }
    guard descriptor >= 0 else { throw .system("create a file in \(directory)", file: path) }
    return (temporary, descriptor)
  }

  private func fill(
    _ descriptor: CInt, mode: mode_t?, path: String, content: (Emit) throws(SafetensorsError) -> Void
  ) throws(SafetensorsError) {
    do throws(SafetensorsError) {
      if let mode, operations.setMode(descriptor, UInt32(mode)) != 0 { throw .system("set its mode", file: path) }
      func writeAll(_ bytes: UnsafeRawBufferPointer) throws(SafetensorsError) {
        var rest = bytes
        while !rest.isEmpty {
          let part = UnsafeRawBufferPointer(rebasing: rest.prefix(largestTransfer))
          let count = retryingInterrupts { operations.writeSome(descriptor, part) }
          guard count > 0 else { throw .system("write it", file: path, code: count == 0 ? EIO : errno) }
          rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
        }
      }
      var gathered = GatheredBytes()
      try content { (bytes) throws(SafetensorsError) in try gathered.append(bytes, writeAll) }
      try gathered.flush(writeAll)
      let result = retryingInterrupts { operations.synchronize(descriptor) }
      guard result == 0 else { throw .system("bring it to the disk", file: path) }
    } catch {
      _ = operations.closeDescriptor(descriptor)
      throw error
    }
    // Never repeated: after an error the descriptor may already belong to another thread's file.
    guard operations.closeDescriptor(descriptor) == 0 else { throw .system("close it", file: path) }
  }

  private func backUp(_ file: inout Staged) throws(SafetensorsError) {
    let backup = Self.temporaryName(in: Self.directory(of: file.target))
    if operations.addLink(file.target, backup) == 0 {
      file.backup = backup
    } else if ![EPERM, ENOTSUP, EOPNOTSUPP, ENOSYS, EMLINK].contains(errno) {
      throw .system("keep its old version", file: file.path)
    }
  }

  private func rename(_ file: inout Staged) throws(SafetensorsError) {
    guard operations.move(file.temporary, file.target) == 0 else { throw .system("replace it", file: file.path) }
    file.isRenamed = true
  }

  private func synchronizeDirectory(of file: Staged) throws(SafetensorsError) {
    let result = retryingInterrupts { operations.synchronize(file.directory) }
    // Some file systems cannot do this for a directory and say so.
    guard result == 0 || errno == EINVAL || errno == ENOTSUP else {
      throw .system("bring its directory to the disk", file: file.path)
    }
  }

  // MARK: Names

  private static func resolved(_ path: String) throws(SafetensorsError) -> String {
    var status = stat()
    guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFLNK else { return path }
    guard let resolved = realpath(path, nil) else { throw .system("follow the link", file: path) }
    defer { free(resolved) }
    return String(cString: resolved)
  }

  /// The permissions of the file at the target; nil when there is none.
  private static func modeOfFile(at target: String, path: String) throws(SafetensorsError) -> mode_t? {
    var status = stat()
    guard lstat(target, &status) == 0 else {
      if errno == ENOENT { return nil }
      throw .system("examine it", file: path)
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw SafetensorsError(file: path, reason: .notRegularFile(kind: fileKind(mode: status.st_mode)))
    }
    return status.st_mode & 0o777
  }

  private static func place(
    of target: String, in directory: CInt, path: String
  ) throws(SafetensorsError) -> Place {
    var status = stat()
    guard fstat(directory, &status) == 0 else { throw .system("examine its directory", file: path) }
    let name = target.utf8.lastIndex(of: UInt8(ascii: "/")).map { target[target.utf8.index(after: $0)...] }
    return Place(device: status.st_dev, directory: status.st_ino, name: name.map(String.init) ?? target)
  }

  private static func directory(of path: String) -> String {
    guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  /// A hidden name of its own length, since one made from the target's could become too long.
  private static func temporaryName(in directory: String) -> String {
    "\(directory)/.momentum-\(getpid())-\(String(UInt64.random(in: .min ... .max), radix: 16)).tmp"
  }
}
