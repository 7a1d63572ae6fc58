public import Foundation

/// All reference values of a folder, verified against its manifest.
public struct ReferenceFixtures: Sendable {
  public var folder: URL
  public var blas: [BLASCase]
  public var grid: [NormGridCase]
  public var golden: [GoldenCase]
  public var norms: [NormCase]
  public var clips: [ClipCase]
  public var updates: [UpdateCase]
  /// The results of the peers themselves.
  public var peers: PeerFixtures

  /// Reads a folder.
  ///
  /// - Throws: ``ReferenceError`` if a file is missing, changed, unlisted, of another format version, or malformed.
  public init(folder: URL) throws(ReferenceError) {
    self.folder = folder
    let text = String(
      decoding: try ReferenceManifest.read(folder.appending(path: ReferenceManifest.fileName)), as: UTF8.self)
    let files = try ReferenceManifest(text: text).verifiedFiles(in: folder)
    func cases<Case: Decodable & Sendable>(_ file: String) throws(ReferenceError) -> [Case] {
      guard let data = files[file] else { throw .unreadable(file: file, cause: "missing from the manifest") }
      return try ReferenceFile<Case>(data, file: file).cases
    }
    blas = try cases("blas-check1.json") + cases("blas-check2.json")
    grid = try cases("nrm2-grid.json")
    golden = try cases("reproblas.json")
    norms = try cases("norms.json")
    clips = try cases("clip.json")
    updates = try cases("updates.json")
    peers = try PeerFixtures(folder: folder.appending(path: PeerFixtures.folderName))
  }

  /// Finds `Tests/Fixtures` in or above the executable's folder, then in or above the current folder.
  ///
  /// The executable is the running one, whatever it was called by; where a loader was started to run it, the one that was named.
  ///
  /// - Throws: ``ReferenceError/fixturesNotFound(searched:)``.
  public static func locate() throws(ReferenceError) -> URL {
    let executables = [Bundle.main.executableURL, CommandLine.arguments.first.map { URL(filePath: $0) }]
    let starts =
      executables.compactMap { $0?.resolvingSymlinksInPath().deletingLastPathComponent() }
      + [URL(filePath: FileManager.default.currentDirectoryPath)]
    for start in starts {
      var folder = start.standardizedFileURL
      while true {
        let candidate = folder.appending(path: "Tests/Fixtures")
        if FileManager.default.fileExists(atPath: candidate.appending(path: ReferenceManifest.fileName).path) {
          return candidate
        }
        let parent = folder.deletingLastPathComponent()
        if parent.path == folder.path { break }
        folder = parent
      }
    }
    throw .fixturesNotFound(searched: starts.map(\.path))
  }
}
