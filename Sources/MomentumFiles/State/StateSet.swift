/// The open files of a state: one, or several that each know some of the tensors, however these are divided among them.
///
/// Each file says of the run what the others say: how many steps have been taken, and what adapts. So files of two steps,
/// or of two runs, are not taken for one state.
package struct StateSet: Sendable {
  /// The paths, for errors.
  package let name: String
  /// What is unusual about the files but does no harm.
  package let warnings: [SafetensorsWarning]
  let files: [SafetensorsFile]
  /// Which file knows a tensor.
  private let owners: [ExactText: Int]

  /// Opens files, indices and folders, at least one.
  ///
  /// - Parameters:
  ///   - paths: Of a folder without an index all `.safetensors` files are taken.
  ///   - names: What the files in a folder may be called too.
  /// - Throws: ``OptimizerFileError``, also if two files know the same tensor, or have other metadata.
  package init(paths: [String], inFolders names: [String] = []) throws(OptimizerFileError) {
    let name = paths.joined(separator: ", ")
    self = try OptimizerFileError.naming(name) {
      try StateSet(name, SafetensorsSet(paths: paths, inFolders: names))
    }
  }

  private init(_ name: String, _ set: SafetensorsSet) throws {
    let files = set.files
    var owners: [ExactText: Int] = [:]
    for (number, file) in files.enumerated() {
      try Self.check(file, against: files[0])
      for name in try StateMetadata(of: file).names() {
        if let other = owners.updateValue(number, forKey: name) {
          let reason = SafetensorsError.Reason.tensorInTwoFiles(tensor: name.text, other: files[other].path)
          throw OptimizerFileError(file: file.path, reason: .safetensors(reason))
        }
      }
    }
    (self.name, warnings, self.files, self.owners) = (name, set.warnings, files, owners)
  }

  /// Throws unless two files are of the same format and say the same of the run.
  private static func check(_ file: SafetensorsFile, against other: SafetensorsFile) throws(OptimizerFileError) {
    for key in StateMetadata.sharedKeys where file.metadata[key] != other.metadata[key] {
      throw OptimizerFileError(
        file: file.path,
        reason: .metadataMismatch(
          key: key, value: file.metadata[key], expected: other.metadata[key], other: other.path))
    }
  }

  /// The number of the file that knows a tensor.
  func owner(of name: String) -> Int? { owners[ExactText(name)] }
}
