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
      self = try Content(of: path).only()
    } else if path.utf8.reversed().starts(with: ".json".utf8.reversed()) {
      self = .index(path, folder: Self.folder(of: path))
    } else {
      self = .file(path)
    }
  }

  /// The same of a path of files that need no index: a folder without one stands for all `.safetensors` files in it.
  ///
  /// - Parameter names: What files in a folder may be called too.
  static func all(of path: String, named names: [String]) throws(SafetensorsError) -> [CheckpointLocation] {
    guard isFolder(path) else { return [try CheckpointLocation(of: path)] }
    let content = try Content(of: path, named: names)
    guard content.indices.isEmpty, !content.files.isEmpty else { return [try content.only()] }
    return content.files.map { .file("\(path)/\($0)") }
  }

  /// What is in a folder, hidden files left out.
  private struct Content {
    let folder: String
    let indices: [String]
    let files: [String]

    init(of folder: String, named others: [String] = []) throws(SafetensorsError) {
      let others = Set(others.map(ExactText.init))
      let names = try DirectoryListing.names(in: folder)
      func ends(_ name: String, _ end: String) -> Bool {
        name.utf8.reversed().starts(with: end.utf8.reversed()) && !name.utf8.starts(with: ".".utf8)
      }
      self.folder = folder
      indices = names.filter { ends($0, ".safetensors.index.json") }
      files = names.filter { ends($0, ".safetensors") || others.contains(ExactText($0)) }
    }

    /// The one file that can be meant.
    func only() throws(SafetensorsError) -> CheckpointLocation {
      if indices.count == 1 { return .index("\(folder)/\(indices[0])", folder: folder) }
      if indices.isEmpty, files.count == 1 { return .file("\(folder)/\(files[0])") }
      throw SafetensorsError(file: folder, reason: .ambiguousFolder(candidates: indices + files))
    }
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
