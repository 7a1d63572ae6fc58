import Foundation

/// Messages to the person at the terminal, on standard error.
enum Message {
  static func write(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }
}
