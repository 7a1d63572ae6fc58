/// The tensors of a checkpoint as people have them: in one file, in the files of an index, in a folder, or in several files
/// that belong together.
///
/// ```swift
/// let checkpoint = try SafetensorsSet(paths: ["model"])  // a folder with model.safetensors.index.json
/// for place in checkpoint.tensors { print(place.tensor.name, place.file.path) }
/// ```
///
/// A path that ends in `.json` is an index; a folder stands for its only index, or else for its only `.safetensors` file;
/// any other path is a file. All of them together are one set, in which a name occurs once.
///
/// Opening reads and checks every header, and nothing of the data. Beside files that an index does not name nothing is
/// opened.
public struct SafetensorsSet: Sendable {
  /// A tensor and the file that has it.
  public struct Place: Sendable {
    /// The file.
    public var file: SafetensorsFile
    /// The tensor as its header describes it.
    public var tensor: SafetensorsTensor
  }

  /// The files: of an index sorted by name, of several paths in the given order.
  public let files: [SafetensorsFile]
  /// The indices among the paths, with their paths.
  public let indices: [(path: String, index: SafetensorsIndex)]
  /// What is unusual but does no harm.
  public let warnings: [SafetensorsWarning]
  /// The name of each file: as its index has it, or the last part of its path.
  public let names: [String]
  /// Which file has a tensor.
  private let owners: [ExactText: Int]

  /// The most files of a set that are kept open; the others are closed as soon as they are mapped.
  static let openFileCount = 64

  /// Opens all files of a set.
  ///
  /// - Parameters:
  ///   - paths: Files, indices and folders, at least one.
  ///   - access: The access to the tensors in memory.
  /// - Throws: ``SafetensorsError`` naming the file, the tensor, what was expected: for a folder without an obvious file, a
  ///   header or an index that breaks a rule, shards that are missing (all of them in one error), tensors that are in a
  ///   shard and not in its index or the other way round, names that occur twice, and shards that hold parts of tensors.
  public init(paths: [String], access: SafetensorsFile.Access = .readOnly) throws(SafetensorsError) {
    try self.init(paths.map { path throws(SafetensorsError) in try CheckpointLocation(of: path) }, access)
  }

  /// Opens files that need no index: of a folder without one all `.safetensors` files are taken.
  ///
  /// - Parameter names: What the files in a folder may be called too.
  package init(paths: [String], inFolders names: [String]) throws(SafetensorsError) {
    let locations = try paths.map { path throws(SafetensorsError) in
      try CheckpointLocation.all(of: path, named: names)
    }
    try self.init(locations.flatMap(\.self), .readOnly)
  }

  private init(_ locations: [CheckpointLocation], _ access: SafetensorsFile.Access) throws(SafetensorsError) {
    var (files, names): ([SafetensorsFile], [String]) = ([], [])
    var indices: [(path: String, index: SafetensorsIndex)] = []
    var warnings: [SafetensorsWarning] = []
    for location in locations {
      switch location {
      case .file(let path):
        files.append(try Self.open(path, access, number: files.count))
        names.append(path.split(separator: "/").last.map(String.init) ?? path)
      case .index(let path, let folder):
        let index = try SafetensorsIndex(path: path)
        let shards = try Self.open(index, path: path, folder: folder, access, number: files.count)
        warnings += SafetensorsWarning.all(of: index, path: path, shards)
        files += shards
        names += index.shards
        indices.append((path, index))
      }
    }
    owners = try Self.owners(in: files)
    (self.files, self.names, self.indices, self.warnings) = (files, names, indices, warnings)
  }

  /// The tensor of exactly this name, byte for byte, and the file that has it; nil when there is none.
  public func place(of name: String) -> Place? {
    guard let owner = owners[ExactText(name)] else { return nil }
    return files[owner].tensor(named: name).map { Place(file: files[owner], tensor: $0) }
  }

  /// All tensors, file by file.
  public var tensors: some Collection<Place> {
    files.lazy.flatMap { file in file.tensors.lazy.map { Place(file: file, tensor: $0) } }
  }

  /// Throws ``SafetensorsError/Reason/changedWhileOpen`` if one of the files has changed since it was opened.
  public func checkUnchanged() throws(SafetensorsError) {
    for file in files { try file.checkUnchanged() }
  }

  // MARK: Opening

  /// Opens a file that may be a shard.
  ///
  /// - Parameter number: How many files of the set have been opened before.
  private static func open(
    _ path: String, _ access: SafetensorsFile.Access, number: Int
  ) throws(SafetensorsError) -> SafetensorsFile {
    let file = try SafetensorsFile(path: path, access: access, staysOpen: number < openFileCount)
    // PyTorch's distributed checkpoints say so in their metadata, and in names like shard-00001-model-00001-of-00002.
    let name = path.split(separator: "/").last ?? ""
    let isPart = name.utf8.starts(with: "shard-".utf8) && name.contains("-model-")
    guard !isPart, file.metadata["DCP_SHARDING_INFO"] == nil else {
      throw SafetensorsError(file: path, reason: .partsOfTensors)
    }
    return file
  }

  private static func open(
    _ index: SafetensorsIndex, path: String, folder: String, _ access: SafetensorsFile.Access, number: Int
  ) throws(SafetensorsError) -> [SafetensorsFile] {
    guard !index.entries.isEmpty else { throw SafetensorsError(file: path, reason: .emptyIndex) }
    let missing = index.shards.filter { !CheckpointLocation.exists("\(folder)/\($0)") }
    guard missing.isEmpty else {
      throw SafetensorsError(file: path, reason: .missingShards(missing, of: index.shards.count))
    }
    var shards: [SafetensorsFile] = []
    for name in index.shards { shards.append(try open("\(folder)/\(name)", access, number: number + shards.count)) }
    try check(index, path: path, shards)
    return shards
  }

  /// Checks that the index and the headers of its files say the same.
  private static func check(
    _ index: SafetensorsIndex, path: String, _ shards: [SafetensorsFile]
  ) throws(SafetensorsError) {
    let files = Dictionary(uniqueKeysWithValues: zip(index.shards.map(ExactText.init), shards))
    var shardOfTensor: [ExactText: String] = [:]
    for entry in index.entries {
      shardOfTensor[ExactText(entry.tensor)] = entry.shard
      guard files[ExactText(entry.shard)]!.tensor(named: entry.tensor) != nil else {
        throw SafetensorsError(file: path, reason: .tensorNotInShard(tensor: entry.tensor, shard: entry.shard))
      }
    }
    for (name, file) in zip(index.shards, shards) {
      for tensor in file.tensors {
        guard let shard = shardOfTensor[ExactText(tensor.name)] else {
          throw SafetensorsError(file: path, reason: .tensorNotInIndex(tensor: tensor.name, shard: name))
        }
        guard ExactText(shard) == ExactText(name) else {
          throw SafetensorsError(file: file.path, reason: .tensorInTwoFiles(tensor: tensor.name, other: shard))
        }
      }
    }
  }

  /// Finds out which file has which tensor: one file only.
  private static func owners(in files: [SafetensorsFile]) throws(SafetensorsError) -> [ExactText: Int] {
    var owners: [ExactText: Int] = [:]
    for (number, file) in files.enumerated() {
      for tensor in file.tensors {
        if let other = owners.updateValue(number, forKey: ExactText(tensor.name)) {
          throw SafetensorsError(
            file: file.path, reason: .tensorInTwoFiles(tensor: tensor.name, other: files[other].path))
        }
      }
    }
    return owners
  }
}
