import Foundation

/// Where a command puts its report.
enum ReportFolder {
  /// The folder that was asked for, or the first of `name`, `name-2`, `name-3`, … that does not exist. An earlier
  /// report is never mixed with a new one.
  static func choose(_ wanted: String?, name: String) throws -> URL {
    let files = FileManager.default
    guard let wanted else {
      let free = (1...).lazy.map { $0 == 1 ? name : "\(name)-\($0)" }.first { !files.fileExists(atPath: $0) }!
      return try make(URL(fileURLWithPath: free, isDirectory: true))
    }
    if StandardStream.isOutput(wanted) { throw DataFileError(file: wanted, cause: "is standard output, and no folder") }
    let url = URL(fileURLWithPath: wanted, isDirectory: true)
    if files.fileExists(atPath: wanted) {
      guard let content = try? files.contentsOfDirectory(atPath: wanted) else {
        throw DataFileError(file: wanted, cause: "is not a folder that can be read")
      }
      guard content.isEmpty else {
        throw DataFileError(file: wanted, cause: "is not empty; a report needs a new or an empty folder")
      }
    }
    return try make(url)
  }

  private static func make(_ url: URL) throws -> URL {
    do {
      try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    } catch {
      throw DataFileError(file: url.path, cause: "cannot be created: \(error.localizedDescription)")
    }
    return url
  }
}
