#if canImport(Darwin)
  import Darwin
#elseif canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Where a new file goes: what its path names now.
struct OutputTarget {
  /// The path as the caller gave it, for errors.
  let path: String
  /// The path of the file itself, behind a symbolic link that is followed.
  let location: String
  /// What the file that is there hands on; `nil` if there is none.
  let existing: FileAttributes?

  /// Looks at a path.
  ///
  /// - Parameter followsLinks: Whether a symbolic link at its end stands for the file behind it. It often leads into a
  ///   store whose files must not change, such as the cache of a model hub, where a file is named by its content.
  /// - Throws: ``SafetensorsError`` if there is anything but a regular file or nothing.
  init(_ path: String, followsLinks: Bool) throws(SafetensorsError) {
    self.path = path
    location = try Self.isLink(path) ? Self.followed(path, followsLinks) : path
    var status = stat()
    guard lstat(location, &status) == 0 else {
      guard errno == ENOENT else { throw .system("examine it", file: path) }
      existing = nil
      return
    }
    try Self.checkRegular(status, path)
    existing = FileAttributes(status, at: location)
  }

  /// The directory of the file.
  var directory: String {
    guard let slash = location.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "." }
    return slash == location.startIndex ? "/" : String(location[..<slash])
  }

  /// The name of the file in its directory.
  var name: String {
    location.utf8.lastIndex(of: UInt8(ascii: "/")).map { String(location[location.utf8.index(after: $0)...]) }
      ?? location
  }

  private static func isLink(_ path: String) -> Bool {
    var status = stat()
    return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFLNK
  }

  private static func followed(_ path: String, _ followsLinks: Bool) throws(SafetensorsError) -> String {
    // A link to a device is one, also where links are not followed.
    var status = stat()
    if stat(path, &status) == 0 { try checkRegular(status, path) }
    guard let resolved = realpath(path, nil) else {
      guard followsLinks else { throw SafetensorsError(file: path, reason: .symbolicLink(target: destination(path))) }
      throw .system("follow the link", file: path)
    }
    defer { free(resolved) }
    let target = String(cString: resolved)
    guard followsLinks else { throw SafetensorsError(file: path, reason: .symbolicLink(target: target)) }
    return target
  }

  /// What a link says.
  private static func destination(_ path: String) -> String {
    let bytes = [UInt8](unsafeUninitializedCapacity: Int(PATH_MAX)) { buffer, count in
      count = buffer.withMemoryRebound(to: CChar.self) { max(0, readlink(path, $0.baseAddress!, $0.count)) }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  private static func checkRegular(_ status: stat, _ path: String) throws(SafetensorsError) {
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw SafetensorsError(file: path, reason: .notRegularFile(kind: fileKind(mode: status.st_mode)))
    }
  }
}
