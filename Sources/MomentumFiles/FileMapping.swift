#if canImport(Darwin)
  import Darwin
#elseif canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A whole file in memory, with the open file behind it.
struct FileMapping: ~Copyable {
  let path: String
  /// Where the file begins in memory; nil for an empty file, which cannot be mapped.
  let base: UnsafeMutableRawPointer?
  /// The open file; nil once it has been closed, which leaves the memory as it is.
  private var descriptor: CInt?
  private let opened: Stamp
  private let isWritable: Bool

  /// The marks by which a change of the file is noticed.
  private struct Stamp: Equatable {
    var device: dev_t
    var inode: ino_t
    var size: Int
    var seconds: Int
    var nanoseconds: Int

    init(_ status: stat) {
      (device, inode) = (status.st_dev, status.st_ino)
      size = Int(status.st_size)
      #if canImport(Darwin)
        seconds = status.st_mtimespec.tv_sec
        nanoseconds = status.st_mtimespec.tv_nsec
      #else
        seconds = status.st_mtim.tv_sec
        nanoseconds = status.st_mtim.tv_nsec
      #endif
    }
  }

  /// Maps a regular file.
  ///
  /// - Parameter isWritable: whether the memory may be changed. Pages are then private and copied by the system at the
  ///   first change; nothing reaches the file.
  init(path: String, isWritable: Bool) throws(SafetensorsError) {
    // Without O_NONBLOCK the opening of a pipe would wait for a writer.
    let descriptor = retryingInterrupts { open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) }
    guard descriptor >= 0 else {
      let code = errno
      throw .system(code == ENOENT && Self.isLink(path) ? "follow the link" : "open it", file: path, code: code)
    }
    do throws(SafetensorsError) {
      (base, opened) = try Self.map(descriptor, isWritable: isWritable, path: path)
    } catch {
      close(descriptor)
      throw error
    }
    self.path = path
    self.descriptor = descriptor
    self.isWritable = isWritable
  }

  private static func isLink(_ path: String) -> Bool {
    var status = stat()
    return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFLNK
  }

  private static func map(
    _ descriptor: CInt, isWritable: Bool, path: String
  ) throws(SafetensorsError) -> (base: UnsafeMutableRawPointer?, opened: Stamp) {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw .system("examine it", file: path) }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw SafetensorsError(file: path, reason: .notRegularFile(kind: fileKind(mode: status.st_mode)))
    }
    let opened = Stamp(status)
    if opened.size == 0 { return (nil, opened) }
    let base = mmap(
      nil, opened.size, isWritable ? PROT_READ | PROT_WRITE : PROT_READ, isWritable ? MAP_PRIVATE : MAP_SHARED,
      descriptor, 0)
    guard base != MAP_FAILED else { throw .system("map it", file: path) }
    return (base, opened)
  }

  deinit {
    if let base { munmap(base, opened.size) }
    if let descriptor { close(descriptor) }
  }

  /// Closes the file: of a set of thousands, not all can be open at once. Afterwards nothing more can be ``read(_:into:)``.
  mutating func closeFile() {
    if let descriptor { close(descriptor) }
    descriptor = nil
  }

  /// Gives the memory of all changes back to the system; the mapping then shows the file again.
  func discardChanges() {
    if isWritable, let base { madvise(base, opened.size, MADV_DONTNEED) }
  }

  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: opened.size) }

  /// Reads a part of the file into memory of its own, without touching the mapping.
  func read(_ range: Range<Int>, into target: UnsafeMutableRawPointer) throws(SafetensorsError) {
    guard let descriptor else { preconditionFailure("the file was closed") }
    var done = 0
    while done < range.count {
      let count = retryingInterrupts {
        pread(descriptor, target + done, min(range.count - done, largestTransfer), off_t(range.lowerBound + done))
      }
      guard count >= 0 else { throw .system("read it", file: path) }
      guard count > 0 else { throw SafetensorsError(file: path, reason: .changedWhileOpen) }
      done += count
    }
  }

  /// Copies a part of the file, through the mapping if the file has been closed.
  func copy(_ range: Range<Int>, to target: UnsafeMutableRawPointer) throws(SafetensorsError) {
    if descriptor != nil { return try read(range, into: target) }
    guard let base else { return }
    target.copyMemory(from: base + range.lowerBound, byteCount: range.count)
    release(range)
  }

  func prefetch(_ range: Range<Int>) { advise(range, MADV_WILLNEED) }

  /// Lets go of the pages of a part of the file that has not been changed in memory.
  func release(_ range: Range<Int>) { advise(range, MADV_DONTNEED) }

  private func advise(_ range: Range<Int>, _ advice: CInt) {
    guard let base, !range.isEmpty else { return }
    let first = range.lowerBound / Self.pageSize * Self.pageSize
    madvise(base + first, range.upperBound - first, advice)
  }

  private static let pageSize = Int(getpagesize())

  /// Throws when the file was cut, extended or written since it was opened.
  ///
  /// A file that has been closed is found by its path. Where that now is another file's, or nobody's, the old one was
  /// replaced or removed, and nobody can change it any more who has not opened it before.
  func checkUnchanged() throws(SafetensorsError) {
    var status = stat()
    if let descriptor {
      guard fstat(descriptor, &status) == 0 else { throw .system("examine it", file: path) }
    } else {
      guard stat(path, &status) == 0, (status.st_dev, status.st_ino) == (opened.device, opened.inode) else { return }
    }
    guard Stamp(status) == opened else { throw SafetensorsError(file: path, reason: .changedWhileOpen) }
  }
}

/// The most bytes given to one read or write; the systems stop somewhat below 2 GiB.
let largestTransfer = 1 << 30

/// Repeats a call for as long as a signal interrupts it.
func retryingInterrupts<Result: SignedInteger>(_ call: () -> Result) -> Result {
  while true {
    let result = call()
    if result != -1 || errno != EINTR { return result }
  }
}
