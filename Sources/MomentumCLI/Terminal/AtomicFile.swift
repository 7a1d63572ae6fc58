import Foundation

/// Files that are either the old or the new ones, whatever happens while they are written.
enum AtomicFile {
  /// Writes through a temporary file in the same folder, fsync, rename, and fsync of the folder.
  static func write(_ data: Data, to url: URL) throws {
    let path = url.path
    let temporary = path + ".partial-\(getpid())"
    let file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard file >= 0 else { throw failure(path, "cannot be created") }
    do {
      try writeAll(data, to: file, path)
      guard fsync(file) == 0 else { throw failure(path, "cannot be flushed to disk") }
    } catch {
      close(file)
      unlink(temporary)
      throw error
    }
    guard close(file) == 0, rename(temporary, path) == 0 else {
      defer { unlink(temporary) }
      throw failure(path, "cannot be put in place")
    }
    let folder = open(url.deletingLastPathComponent().path, O_RDONLY | O_CLOEXEC)
    guard folder >= 0 else { return }
    fsync(folder)
    close(folder)
  }

  static func write(_ text: String, to url: URL) throws { try write(Data(text.utf8), to: url) }

  private static func writeAll(_ data: Data, to file: Int32, _ path: String) throws {
    try data.withUnsafeBytes { bytes in
      var done = 0
      while done < bytes.count {
        let n = Foundation.write(file, bytes.baseAddress! + done, bytes.count - done)
        if n < 0 && errno == EINTR { continue }
        guard n > 0 else { throw failure(path, "cannot be written") }
        done += n
      }
    }
  }

  private static func failure(_ path: String, _ what: String) -> DataFileError {
    DataFileError(file: path, cause: "\(what): \(String(cString: strerror(errno)))")
  }
}
