#if canImport(Darwin)
  import Darwin
#elseif canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The new version of a file that another process has begun and puts in its place; this one writes parts of it.
struct JoinedFile {
  /// The path of its target, for errors.
  let path: String
  private let operations: FileOperations
  private let descriptor: CInt

  /// Opens the file under its temporary name.
  init(_ path: String, temporaryPath: String, _ operations: FileOperations) throws(SafetensorsError) {
    (self.path, self.operations) = (path, operations)
    descriptor = retryingInterrupts { operations.openForWriting(temporaryPath) }
    guard descriptor >= 0 else {
      throw .system("open \(temporaryPath), which another process has begun for it", file: path)
    }
  }

  func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(SafetensorsError) {
    try operations.writeAll(bytes, to: descriptor, at: offset, path: path)
  }

  /// Brings what this process has written to the disk, and lets go of the file.
  func complete() throws(SafetensorsError) {
    let result = retryingInterrupts { operations.synchronize(descriptor) }
    let code = errno
    // Where files are on another machine, an error of writing may come as late as this.
    let isClosed = operations.closeDescriptor(descriptor) == 0
    guard result == 0 else { throw .system("bring it to the disk", file: path, code: code) }
    guard isClosed else { throw .system("close it", file: path) }
  }

  /// Lets go of the file.
  func discard() { _ = operations.closeDescriptor(descriptor) }
}
