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
  private let descriptor: CInt
  private let opened: Stamp

  /// The marks by which a change of the file is noticed.
  private struct Stamp: Equatable {
    var size: Int
    var seconds: Int
    var nanoseconds: Int

    init(_ status: stat) {
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
    close(descriptor)
  }

  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: opened.size) }

  /// Reads a part of the file into memory of its own, without touching the mapping.
  func read(_ range: Range<Int>, into target: UnsafeMutableRawPointer) throws(SafetensorsError) {
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

  /// Throws when the file was cut, extended or written since it was opened.
  func checkUnchanged() throws(SafetensorsError) {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw .system("examine it", file: path) }
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
