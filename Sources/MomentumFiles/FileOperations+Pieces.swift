#if canImport(Darwin)
  import Darwin
#elseif canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

extension FileOperations {
  /// What is written by one call. Linux takes as large a page for it as it can get, and those are slow to come by: with 32 MB
  /// a call, writing took three to nine times as long.
  private static let pieceByteCount = 1 << 20

  /// Writes bytes at a place of an open file, and has the system bring them to the disk if they are many.
  ///
  /// - Parameter path: The file in errors.
  func writeAll(
    _ bytes: UnsafeRawBufferPointer, to descriptor: CInt, at offset: Int, path: String
  ) throws(SafetensorsError) {
    try writePieces(bytes, path: path) { part, done in writeSomeAt(descriptor, part, offset + done) }
    if bytes.count >= Self.pieceByteCount { startWriteback(descriptor, offset..<offset + bytes.count) }
  }

  /// - Parameter write: Writes some of the bytes, of which so many have been written.
  func writePieces(
    _ bytes: UnsafeRawBufferPointer, path: String, _ write: (UnsafeRawBufferPointer, _ done: Int) -> Int
  ) throws(SafetensorsError) {
    var done = 0
    while done < bytes.count {
      let part = UnsafeRawBufferPointer(rebasing: bytes.dropFirst(done).prefix(Self.pieceByteCount))
      let count = retryingInterrupts { write(part, done) }
      guard count > 0 else { throw .system("write it", file: path, code: count == 0 ? EIO : errno) }
      done += count
    }
  }
}
