import Foundation
import MomentumFiles

/// Messages to the person at the terminal, on standard error.
enum Message {
  /// Writes one line; all control characters are escaped, also ends of lines.
  static func write(_ line: String) { write(text: line.escapingControls) }

  /// Writes one or several lines; all other control characters are escaped.
  static func write(text: String) {
    // Where this fails there is nobody to tell, and the exit status has to do.
    try? FileHandle.standardError.write(contentsOf: Data((text.escapingControlsButNewlines + "\n").utf8))
  }
}
