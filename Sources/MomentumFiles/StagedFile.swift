#if canImport(Darwin)
  import Darwin
#elseif canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The new version of one file on its way to its place.
///
/// Where the system can (`O_TMPFILE`), it has no name until all its bytes are on the disk: whatever ends the process,
/// nothing is left. Elsewhere it has a temporary name, which ``InterruptedWrites`` knows.
struct StagedFile {
  /// Tells targets apart however their paths are spelled.
  struct Place: Equatable {
    var device: dev_t
    var directory: ino_t
    var name: String
  }

  /// How much is written before the system is asked to bring it to the disk. So the disk works while the rest is computed,
  /// and little is left to wait for at the end.
  private static let writebackByteCount = 8 << 20

  let target: OutputTarget
  let place: Place
  private let operations: FileOperations
  /// The directory, opened early, so that nothing but its fsync can fail once the target is replaced.
  private let directory: CInt
  /// The open file, while it is written or has no name.
  private var descriptor: CInt?
  private var temporary: TemporaryName?
  /// A second name of the old file until the last target is replaced.
  private var backup: TemporaryName?
  private var isInPlace = false
  /// Whether the file is still to be brought to the disk.
  private var isIncomplete = false
  /// Whether the attributes of the old file, by which other processes could perhaps not open this one, are still to come.
  private var lacksAttributes = false

  /// Opens the directory of a target; nothing is created yet.
  init(_ target: OutputTarget, _ operations: FileOperations) throws(SafetensorsError) {
    self.target = target
    self.operations = operations
    directory = retryingInterrupts { operations.openDirectory(target.directory) }
    guard directory >= 0 else { throw .system("open its directory \(target.directory)", file: target.path) }
    var status = stat()
    guard fstat(directory, &status) == 0 else {
      let code = errno
      _ = operations.closeDescriptor(directory)
      throw .system("examine its directory", file: target.path, code: code)
    }
    place = Place(device: status.st_dev, directory: status.st_ino, name: target.name)
  }

  // MARK: Content

  /// Writes the whole file and brings it to the disk.
  mutating func write(
    _ content: (FileReplacement.Emit) throws(SafetensorsError) -> Void
  ) throws(SafetensorsError) {
    let descriptor = try begin()
    let (operations, target) = (operations, target)
    var (count, begun) = (0, 0)
    func writeAll(_ bytes: UnsafeRawBufferPointer) throws(SafetensorsError) {
      try operations.writePieces(bytes, path: target.path) { part, _ in operations.writeSome(descriptor, part) }
      count += bytes.count
      guard count - begun >= Self.writebackByteCount else { return }
      operations.startWriteback(descriptor, begun..<count)
      begun = count
    }
    var gathered = GatheredBytes()
    try content { (bytes) throws(SafetensorsError) in try gathered.append(bytes, writeAll) }
    try gathered.flush(writeAll)
    try complete()
  }

  /// Creates the new file, which is still empty and will be written part by part.
  ///
  /// - Parameter isShared: Whether other processes of this user write parts of it, which then open its ``temporaryPath``.
  @discardableResult
  mutating func begin(isShared: Bool = false) throws(SafetensorsError) -> CInt {
    let descriptor = try isShared ? createNamed(mode: target.existing == nil ? 0o666 : 0o600) : create()
    self.descriptor = descriptor
    (isIncomplete, lacksAttributes) = (true, isShared)
    if !isShared { try target.existing?.apply(to: descriptor, operations, path: target.path) }
    return descriptor
  }

  /// The name that the file has until it is in its place; `nil` if it has none.
  var temporaryPath: String? { temporary?.path }

  /// Writes a part of the file that has been begun.
  func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(SafetensorsError) {
    guard let descriptor else { preconditionFailure("the file is not open") }
    try operations.writeAll(bytes, to: descriptor, at: offset, path: target.path)
  }

  /// Brings the file to the disk, if that has not been done.
  mutating func complete() throws(SafetensorsError) {
    guard isIncomplete, let descriptor else { return }
    if lacksAttributes { try target.existing?.apply(to: descriptor, operations, path: target.path) }
    let result = retryingInterrupts { operations.synchronize(descriptor) }
    guard result == 0 else { throw .system("bring it to the disk", file: target.path) }
    isIncomplete = false
    if temporary != nil { try close() }
  }

  private mutating func create() throws(SafetensorsError) -> CInt {
    // 0666 less the umask, as for any new file; never more than the file that is replaced allows.
    let mode = target.existing?.mode ?? 0o666
    let result = retryingInterrupts { operations.createUnnamed(target.directory, mode) }
    // What systems and file systems say that cannot do this. If it is true of all files, the next call says it again.
    if result < 0, [ENOTSUP, EOPNOTSUPP, EISDIR, ENOENT, EINVAL, ENOSYS].contains(errno) {
      return try createNamed(mode: mode)
    }
    guard result >= 0 else { throw .system("create a file in \(target.directory)", file: target.path) }
    return result
  }

  private mutating func createNamed(mode: UInt32) throws(SafetensorsError) -> CInt {
    let name = TemporaryName(in: target.directory)
    let result = retryingInterrupts { operations.create(name.path, mode) }
    guard result >= 0 else {
      let code = errno
      name.forget()
      throw .system("create a file in \(target.directory)", file: target.path, code: code)
    }
    temporary = name
    return result
  }

  /// Closes the file. Never repeated: after an error the descriptor may already belong to another thread's file.
  private mutating func close() throws(SafetensorsError) {
    guard let descriptor else { return }
    self.descriptor = nil
    guard operations.closeDescriptor(descriptor) == 0 else { throw .system("close it", file: target.path) }
  }

  // MARK: Place

  /// Gives the new file a temporary name if it will replace an old one.
  ///
  /// - Parameter keepsOld: Whether the old file gets a second name, which costs no copy, to be put back by.
  mutating func prepare(keepsOld: Bool) throws(SafetensorsError) {
    guard target.existing != nil else { return }
    if keepsOld { try keepOld() }
    if temporary == nil { try giveTemporaryName() }
  }

  private mutating func keepOld() throws(SafetensorsError) {
    let backup = TemporaryName(in: target.directory)
    if operations.addLink(target.location, backup.path) == 0 {
      self.backup = backup
      return
    }
    let code = errno
    backup.forget()
    guard [EPERM, ENOTSUP, EOPNOTSUPP, ENOSYS, EMLINK].contains(code) else {
      throw .system("keep its old version", file: target.path, code: code)
    }
  }

  private mutating func giveTemporaryName() throws(SafetensorsError) {
    guard let descriptor else { return }
    let name = TemporaryName(in: target.directory)
    guard operations.giveName(descriptor, name.path) == 0 else {
      let code = errno
      name.forget()
      throw .system("name it in \(target.directory)", file: target.path, code: code)
    }
    temporary = name
    try close()
  }

  /// Puts the new file in the place of the old one, or where none is.
  mutating func replace() throws(SafetensorsError) {
    if temporary == nil, let descriptor {
      isInPlace = operations.giveName(descriptor, target.location) == 0
      if isInPlace { return try close() }
      guard errno == EEXIST else { throw .system("name it", file: target.path) }
      // Another program has created a file there meanwhile.
      try giveTemporaryName()
    }
    guard let temporary else { return }
    guard operations.move(temporary.path, target.location) == 0 else {
      throw .system("replace it", file: target.path)
    }
    isInPlace = true
    temporary.forget()
    self.temporary = nil
  }

  /// Removes the second name of the old file: it will not be put back any more.
  mutating func letOldGo() { remove(&backup) }

  // MARK: End

  /// Brings the names in the directory to the disk, as far as its file system can, and lets go of it.
  func finish() throws(SafetensorsError) {
    let result = retryingInterrupts { operations.synchronize(directory) }
    let code = errno
    _ = operations.closeDescriptor(directory)
    // Some file systems cannot do this for a directory and say so.
    guard result == 0 || code == EINVAL || code == ENOTSUP else {
      throw SafetensorsError(file: target.path, reason: .notDurable(code: code))
    }
  }

  /// Takes everything back.
  mutating func discard() {
    if let descriptor { _ = operations.closeDescriptor(descriptor) }
    descriptor = nil
    if isInPlace {
      if let backup {
        _ = operations.move(backup.path, target.location)
        backup.forget()
      } else if target.existing == nil {
        _ = operations.remove(target.location)
      }
      _ = operations.synchronize(directory)
    } else {
      remove(&temporary)
      remove(&backup)
    }
    _ = operations.closeDescriptor(directory)
  }

  private func remove(_ name: inout TemporaryName?) {
    guard let known = name else { return }
    _ = operations.remove(known.path)
    known.forget()
    name = nil
  }
}
