#if canImport(Darwin)
  import Darwin
#elseif canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The names in a directory.
enum DirectoryListing {
  /// All names but `.` and `..`, sorted by their bytes.
  static func names(in directory: String) throws(SafetensorsError) -> [String] {
    guard let stream = opendir(directory) else { throw .system("open the folder", file: directory) }
    defer { closedir(stream) }
    var names: [ExactText] = []
    while true {
      errno = 0
      guard let entry = readdir(stream) else { break }
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != ".", name != ".." { names.append(ExactText(name)) }
    }
    guard errno == 0 else { throw .system("read the folder", file: directory) }
    return names.sorted().map(\.text)
  }
}
