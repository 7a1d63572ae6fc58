/// The reason why reference values cannot be used. Every case names the file and says what to do.
public enum ReferenceError: Error, Hashable, Sendable {
  /// No folder with a manifest was found; `searched` are the folders tried.
  case fixturesNotFound(searched: [String])
  /// A file cannot be read or has the wrong content; `cause` says where and why.
  case unreadable(file: String, cause: String)
  /// A file has another format version than this reader.
  case otherFormat(file: String, found: Int, expected: Int)
  /// A file's bytes are not those the manifest was made for.
  case changed(file: String, found: String, expected: String)
  /// The manifest and the folder do not list the same files.
  case notInManifest(file: String)
  /// The generator here makes another vector than the one the reference value belongs to.
  case otherInput(recipe: String, found: String, expected: String)
}

extension ReferenceError: CustomStringConvertible {
  public var description: String {
    let remedy = "run Scripts/make-reference.sh to regenerate the reference values"
    return switch self {
    case .fixturesNotFound(let searched):
      "no Tests/Fixtures/\(ReferenceManifest.fileName) in or above \(searched.joined(separator: ", ")); "
        + "pass the folder with --fixtures"
    case .unreadable(let file, let cause):
      "\(file): \(cause); \(remedy)"
    case .otherFormat(let file, let found, let expected):
      "\(file): format \(found); expected \(expected); \(remedy)"
    case .changed(let file, let found, let expected):
      "\(file): digest \(found); the manifest says \(expected); restore the file or \(remedy)"
    case .notInManifest(let file):
      "\(file): not listed in \(ReferenceManifest.fileName); \(remedy)"
    case .otherInput(let recipe, let found, let expected):
      "input '\(recipe)' has checksum \(found); expected \(expected): the input generator differs from the one in "
        + "Scripts/reference"
    }
  }
}
