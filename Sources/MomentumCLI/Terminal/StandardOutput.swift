import Foundation
import MomentumFiles

/// The results of the command. Nothing else writes to standard output, so that no output is lost without an error.
enum StandardOutput {
  /// Output that could not be written.
  struct Failure: Error, Hashable, CustomStringConvertible, LocalizedError {
    /// The `errno`.
    var code: Int32

    var description: String { "cannot write to standard output: \(String(cString: strerror(code)))" }
    var errorDescription: String? { description }
  }

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

  /// Writes bytes as they are.
  static func write(_ bytes: UnsafeRawBufferPointer) throws(Failure) {
    var rest = bytes
    while !rest.isEmpty {
      let count = Foundation.write(STDOUT_FILENO, rest.baseAddress, min(rest.count, 1 << 30))
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
