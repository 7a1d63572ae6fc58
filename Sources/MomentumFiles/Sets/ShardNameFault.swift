/// Why the name that an index gives a file is refused. Names come from elsewhere, so none may lead out of the folder of
/// the index, on any system, and none may hide in a message.
public enum ShardNameFault: String, CaseIterable, Hashable, Sendable {
  /// No text.
  case empty = "is empty"
  /// A backslash, which separates folders on some systems.
  case backslash = "has a backslash"
  /// NUL or another control character.
  case control = "has a control character"
  /// A path from the root, or with the letter of a drive.
  case absolute = "is absolute"
  /// `..` between slashes.
  case parent = "leads to the folder above"
  /// `.`, or nothing, between slashes.
  case emptyComponent = "has an empty part"
  /// Another ending than `.safetensors`.
  case ending = "does not end in .safetensors"

  /// The first fault of a name; `nil` if it has none.
  init?(of name: String) {
    let bytes = name.utf8
    let parts = bytes.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    func isDrive(_ part: Substring.UTF8View) -> Bool { part.dropFirst().first == UInt8(ascii: ":") }
    if bytes.isEmpty {
      self = .empty
    } else if bytes.contains(UInt8(ascii: "\\")) {
      self = .backslash
    } else if name.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) {
      self = .control
    } else if parts[0].isEmpty || isDrive(parts[0]) {
      self = .absolute
    } else if parts.contains(where: { $0.elementsEqual("..".utf8) }) {
      self = .parent
    } else if parts.contains(where: { $0.isEmpty || $0.elementsEqual(".".utf8) }) {
      self = .emptyComponent
    } else if !bytes.reversed().starts(with: ".safetensors".utf8.reversed()) {
      self = .ending
    } else {
      return nil
    }
  }
}
