/// A part of a file whose names are looked up together: a declaration with its body, or the head of a type or extension.
struct SourcePart: Sendable {
  /// The type within which it stands.
  let owner: String?
  let declaration: Declaration?
  /// The tokens that follow the name: parameters and types; and those of the body or of the initial value.
  let head: Range<Int>
  let body: Range<Int>?
}

/// A Swift file: its tokens, its declarations, and the parts they are in.
public struct SourceFile: Sendable {
  /// The path below the folder of the module.
  public let path: String
  let tokens: [SwiftToken]
  /// For every bracket the index of the one that belongs to it.
  let partner: [Int: Int]
  var parts: [SourcePart] = []
  public internal(set) var declarations: [Declaration] = []
  /// What types and extensions in this file conform to or inherit.
  var inheritance: [(type: String, from: TypeName)] = []

  public init(path: String, text: String) {
    self.path = path
    tokens = SwiftTokenizer.tokens(of: text)
    var (partner, open): ([Int: Int], [Int]) = ([:], [])
    for (index, token) in tokens.enumerated() where token.kind == .punctuation {
      switch token.text {
      case "(", "[", "{": open.append(index)
      case ")", "]", "}":
        guard let start = open.popLast() else { break }
        (partner[start], partner[index]) = (index, start)
      default: break
      }
    }
    self.partner = partner
    var outline = SourceOutline(file: self)
    outline.readMembers(tokens.indices, of: nil)
    (parts, declarations, inheritance) = (outline.parts, outline.declarations, outline.inheritance)
  }
}
