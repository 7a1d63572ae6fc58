#if canImport(Darwin)
  import Darwin
#elseif canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

extension SafetensorsWriter {
  /// Writes the content to an open file, such as a pipe, instead of to ``path``.
  ///
  /// - Throws: ``SafetensorsError``; what has been written by then stays written.
  package func write(toDescriptor descriptor: Int32) throws(SafetensorsError) {
    let path = path
    func writeAll(_ bytes: UnsafeRawBufferPointer) throws(SafetensorsError) {
      var rest = bytes
      while !rest.isEmpty {
        let count = retryingInterrupts { Self.writeSome(descriptor, rest) }
        guard count > 0 else { throw .system("write it", file: path, code: count == 0 ? EIO : errno) }
        rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
      }
    }
    var gathered = GatheredBytes()
    try emit { bytes throws(SafetensorsError) in try gathered.append(bytes, writeAll) }
    try gathered.flush(writeAll)
  }

  private static func writeSome(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Int {
    FileOperations.system.writeSome(descriptor, UnsafeRawBufferPointer(rebasing: bytes.prefix(largestTransfer)))
  }
}
