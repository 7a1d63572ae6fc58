/// Where a set of files goes that is made from another set: into one file, or into a folder with the names of that set and
/// an index like its own.
package struct SetOutput {
  /// The path of each file.
  package let paths: [String]
  /// Whether the files lie in a folder, perhaps with an index.
  package let isFolder: Bool
  private let indices: [(path: String, index: SafetensorsIndex)]
  private let followsLinks: Bool

  /// Plans the output.
  ///
  /// - Parameters:
  ///   - path: A file's if the set is one file without an index and no folder is there; else that of a folder, which need
  ///     not exist.
  ///   - set: The set whose names are to be kept.
  ///   - hasIndex: Whether the indices of the set are written too.
  package init(_ path: String, like set: SafetensorsSet, hasIndex: Bool = true, followsLinks: Bool)
    throws(SafetensorsError)
  {
    self.followsLinks = followsLinks
    isFolder = set.files.count > 1 || (hasIndex && !set.indices.isEmpty) || CheckpointLocation.isFolder(path)
    guard isFolder else {
      (paths, indices) = ([path], [])
      return
    }
    if CheckpointLocation.exists(path), !CheckpointLocation.isFolder(path) {
      throw SafetensorsError(file: path, reason: .noFolder(fileCount: set.files.count))
    }
    let folder = path.utf8.last == UInt8(ascii: "/") ? path : path + "/"
    paths = set.names.map { folder + $0 }
    indices =
      !hasIndex
      ? [] : set.indices.map { (folder + ($0.path.split(separator: "/").last.map(String.init) ?? $0.path), $0.index) }
    var known: Set<ExactText> = []
    for path in paths + indices.map(\.path) where !known.insert(ExactText(path)).inserted {
      throw SafetensorsError(file: path, reason: .duplicateTarget)
    }
  }

  /// The path of something that is made of one file of a set and has no index: the path that was given if the set is one
  /// file and no folder is there, else one in the folder.
  package static func path(_ path: String, ofFile number: Int, of set: SafetensorsSet) -> String {
    guard set.files.count > 1 || CheckpointLocation.isFolder(path) else { return path }
    return (path.utf8.last == UInt8(ascii: "/") ? path : path + "/") + set.names[number]
  }

  /// Makes the folders that are missing, and refuses paths that could not be written to, as far as that can be seen.
  package func prepare(_ batch: FileBatch) throws(SafetensorsError) {
    for path in isFolder ? paths : [] { try batch.makeFolder(of: path) }
    for path in paths + indices.map(\.path) { try FileReplacement.check(path, followsLinks: followsLinks) }
  }

  /// Adds the indices, behind all files.
  ///
  /// - Parameter byteCount: The bytes of a tensor of the set in the new files; `nil` for one that is not there.
  package func addIndices(
    to batch: FileBatch, byteCount: (SafetensorsSet.Place) -> Int?, of set: SafetensorsSet
  ) throws(SafetensorsError) {
    for (path, index) in indices {
      let sizes = index.entries.map { set.place(of: $0.tensor).flatMap(byteCount) }
      let entries = zip(index.entries, sizes).filter { $1 != nil }.map(\.0)
      let total = sizes.reduce(0) { $0 + ($1 ?? 0) }
      try batch.add(SafetensorsIndex(entries, totalSize: total).text, path: path, followsLinks: followsLinks)
    }
  }
}
