#if canImport(Darwin)
  import Darwin
#elseif canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// What the path of a checkpoint stands for.
enum CheckpointLocation: Equatable {
  case file(String)
  case index(String, folder: String)

  /// Looks at a path and, if it is a folder's, for the one file in it that can be meant.
  init(of path: String) throws(SafetensorsError) {
    if Self.isFolder(path) {
      self = try Self.only(in: path)
    } else if path.utf8.reversed().starts(with: ".json".utf8.reversed()) {
      self = .index(path, folder: Self.folder(of: path))
    } else {
      self = .file(path)
    }
  }

  private static func only(in folder: String) throws(SafetensorsError) -> CheckpointLocation {
    let names = try DirectoryListing.names(in: folder)
    func ending(_ end: String) -> [String] {
      names.filter { $0.utf8.reversed().starts(with: end.utf8.reversed()) && !$0.utf8.starts(with: ".".utf8) }
    }
    let indices = ending(".safetensors.index.json")
    if indices.count == 1 { return .index("\(folder)/\(indices[0])", folder: folder) }
    let files = ending(".safetensors")
    if indices.isEmpty, files.count == 1 { return .file("\(folder)/\(files[0])") }
    throw SafetensorsError(file: folder, reason: .ambiguousFolder(candidates: indices + files))
  }

  static func isFolder(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }

  /// Whether there is something at a path, perhaps behind a link.
  static func exists(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0
  }

  private static func folder(of path: String) -> String {
    guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }
}
