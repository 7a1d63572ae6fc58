import Foundation
import MomentumFiles
import Synchronization

/// The results of the command. Nothing else writes to standard output, so that no output is lost without an error.
///
/// When a file of tensors goes there, what is printed goes to standard error.
enum StandardOutput {
  /// Output that could not be written.
  struct Failure: Error, Hashable, CustomStringConvertible, LocalizedError {
    /// The `errno`.
    var code: Int32

    var description: String { "cannot write to standard output: \(String(cString: strerror(code)))" }
    var errorDescription: String? { description }
  }

  private static let isForFile = Atomic<Bool>(false)

  /// From now on what is printed goes to standard error, since a file of tensors goes to standard output, if any does.
  static func keepForFile() { isForFile.store(true, ordering: .relaxed) }

  /// Prints lines, with control characters escaped, also ends of lines: names from files are part of them.
  static func print(lines: [String]) throws(Failure) {
    if !lines.isEmpty { try write(lines.map(\.escapingControls).joined(separator: "\n") + "\n") }
  }

  /// Prints text of several lines, with all other control characters escaped.
  static func print(_ text: String) throws(Failure) { try write(text.escapingControlsButNewlines + "\n") }

  /// Writes text as it is.
  static func write(_ text: String) throws(Failure) {
    var text = text
    do {
      try text.withUTF8 { try write(UnsafeRawBufferPointer($0)) }
    } catch {
      throw error as! Failure
    }
  }

  /// Writes a file of tensors.
  ///
  /// - Throws: ``Failure``, or ``SafetensorsError`` for what has to do with the tensors.
  static func write(_ file: SafetensorsWriter) throws {
    keepForFile()
    do {
      try file.write(toDescriptor: STDOUT_FILENO)
    } catch {
      guard case .system(_, let code) = error.reason else { throw error }
      throw Failure(code: code)
    }
  }

  private static func write(_ bytes: UnsafeRawBufferPointer) throws(Failure) {
    let stream = isForFile.load(ordering: .relaxed) ? STDERR_FILENO : STDOUT_FILENO
    var rest = bytes
    while !rest.isEmpty {
      let count = Foundation.write(stream, rest.baseAddress, min(rest.count, 1 << 30))
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw Failure(code: count == 0 ? EIO : errno) }
      rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
    }
  }

  /// Ends the output. Some file systems say only now that there was no room for it.
  static func close() throws(Failure) {
    guard Foundation.close(STDOUT_FILENO) == 0 || errno == EINTR else { throw Failure(code: errno) }
  }
}
