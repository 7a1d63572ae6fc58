public import Foundation

/// The results of the peers themselves: the files of `Tests/Fixtures/peers`, verified against their manifest.
public struct PeerFixtures: Sendable {
  public static let folderName = "peers"

  public var steps: [PeerStepCase]
  public var clips: [PeerClipCase]
  /// Runs with an average of the parameters.
  public var averages: [PeerStepCase]
  public var schedules: [PeerScheduleCase]
  /// Runs of rules beside SGD.
  public var rules: [PeerRuleCase]
  /// The versions of the packages that made each file.
  public var libraries: [String: [String: String]]

  /// Reads a folder.
  ///
  /// - Throws: ``ReferenceError`` if a file is missing, changed, unlisted, of another format version, or malformed.
  public init(folder: URL) throws(ReferenceError) {
    let text = String(
      decoding: try ReferenceManifest.read(folder.appending(path: ReferenceManifest.fileName)), as: UTF8.self)
    let files = try ReferenceManifest(text: text).verifiedFiles(in: folder)
    var libraries: [String: [String: String]] = [:]
    func cases<Case: Decodable & Sendable>(_ kind: String) throws(ReferenceError) -> [Case] {
      var result: [Case] = []
      for (file, data) in files.sorted(by: { $0.key < $1.key }) where file.hasPrefix(kind + "-") {
        let content = try ReferenceFile<Case>(data, file: file)
        libraries[file] = content.libraries
        result += content.cases
      }
      guard !result.isEmpty else { throw .unreadable(file: kind + "-*.json", cause: "missing from the manifest") }
      return result
    }
    steps = try cases("steps")
    clips = try cases("clips")
    averages = try cases("averages")
    schedules = try cases("schedules")
    rules = try cases("rules")
    self.libraries = libraries
  }
}
