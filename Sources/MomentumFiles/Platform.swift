#if canImport(Darwin)
  import Darwin
#elseif canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

extension SafetensorsError {
  /// The failure of a call of the operating system just made, by its `errno`.
  static func system(_ operation: String, file: String, code: Int32 = errno) -> SafetensorsError {
    SafetensorsError(file: file, reason: .system(operation: operation, code: code))
  }
}

/// Whether two pieces of memory hold the same bytes.
func areSame(_ left: UnsafeBufferPointer<UInt8>, _ right: UnsafeBufferPointer<UInt8>) -> Bool {
  guard left.count == right.count, let start = left.baseAddress, let other = right.baseAddress else {
    return left.count == right.count
  }
  return memcmp(start, other, left.count) == 0
}

/// The operating system's words for an `errno`.
func systemMessage(_ code: Int32) -> String {
  var buffer = [CChar](repeating: 0, count: 256)
  // Unlike strerror this may be called from several threads.
  guard strerror_r(code, &buffer, buffer.count) == 0 else { return "error \(code)" }
  return String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
}

/// The kind of file that a mode describes, with its article.
func fileKind(mode: mode_t) -> String {
  switch mode & S_IFMT {
  case S_IFREG: "a regular file"
  case S_IFDIR: "a directory"
  case S_IFIFO: "a pipe"
  case S_IFCHR, S_IFBLK: "a device"
  case S_IFSOCK: "a socket"
  default: "a special file"
  }
}
