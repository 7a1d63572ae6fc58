import Foundation

/// The list of the reference files with the digest of each, to detect values that were changed by accident.
///
/// A comparison with a tolerance cannot detect a reference value that moved by less; a digest can.
public struct ReferenceManifest: Hashable, Sendable {
  public static let fileName = "MANIFEST.txt"

  public struct Entry: Hashable, Sendable {
    public var digest: String
    public var byteCount: Int
    public var file: String
  }

  public var entries: [Entry]

  /// Reads the manifest's text: comment lines, and lines of digest, bytes and file.
  ///
  /// - Throws: ``ReferenceError/unreadable(file:cause:)``.
  public init(text: String) throws(ReferenceError) {
    entries = []
    for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      if line.isEmpty || line.hasPrefix("#") { continue }
      let fields = line.split(separator: " ")
      guard fields.count == 3, let byteCount = Int(fields[1]) else {
        throw .unreadable(file: Self.fileName, cause: "line \(number + 1): expected digest, bytes and file")
      }
      entries.append(Entry(digest: String(fields[0]), byteCount: byteCount, file: String(fields[2])))
    }
  }

  /// Compares the files of a folder with the manifest, both ways.
  ///
  /// - Returns: the bytes of each file.
  /// - Throws: ``ReferenceError/changed(file:found:expected:)``, ``ReferenceError/notInManifest(file:)``,
  ///   ``ReferenceError/unreadable(file:cause:)``.
  func verifiedFiles(in folder: URL) throws(ReferenceError) -> [String: Data] {
    var files: [String: Data] = [:]
    for entry in entries {
      let data = try Self.read(folder.appending(path: entry.file))
      let found = FNV1a(data).text
      guard found == entry.digest, data.count == entry.byteCount else {
        throw .changed(file: entry.file, found: found, expected: entry.digest)
      }
      files[entry.file] = data
    }
    let present = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    for file in present.sorted() where file.hasSuffix(".json") && files[file] == nil {
      throw .notInManifest(file: file)
    }
    return files
  }

  static func read(_ url: URL) throws(ReferenceError) -> Data {
    do {
      return try Data(contentsOf: url)
    } catch {
      throw .unreadable(file: url.lastPathComponent, cause: error.localizedDescription)
    }
  }
}
