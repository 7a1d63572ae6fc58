/// A type as source writes it, as far as it matters to what a member of a value is: an optional is what it wraps, `[T]` is
/// `Array<T>`, and a function is what it returns.
struct TypeName: Hashable, Sendable {
  /// With dots between its components, for example `BLAS.Vector`.
  var name: String
  var arguments: [TypeName] = []

  /// Names of what has none.
  static let (tuple, function, unknown) = ("()", "->", "?")
}

/// A declaration of a name that code can refer to.
public struct Declaration: Hashable, Sendable {
  public enum Kind: Sendable {
    case type, alias, function, initializer, property, enumCase, associatedType, subscripting
  }

  struct Parameter: Hashable, Sendable {
    /// `_` for none.
    let label: String
    let name: String
    let type: TypeName?
    /// Whether a call may leave it out: because it has a default, or is a closure that may stand behind the parentheses.
    let isOptional: Bool
  }

  public let kind: Kind
  public let name: String
  /// The type that it is a member of, as its container writes it.
  public let owner: String?
  /// Where it stands: the path of the file, and the line.
  public let file: String
  public let line: Int
  let isStatic: Bool
  var parameters: [Parameter] = []
  /// The type of its value or of what it returns; for an alias, what it stands for.
  var type: TypeName?
  var thrownType: TypeName?
  /// The generic parameters, and what they conform to.
  var generics: [String: TypeName] = [:]

  var isType: Bool { kind == .type || kind == .alias || kind == .associatedType }

  /// The name within the module, for example `TensorTable.Entry`.
  var qualifiedName: String { owner.map { "\($0).\(name)" } ?? name }

  /// Whether a call with these labels can be meant; those of closures behind the parentheses are not among them.
  func accepts(_ labels: [String]) -> Bool {
    guard kind != .property || type == nil || type?.name == TypeName.function else { return false }
    guard kind != .property, kind != .type, kind != .alias else { return true }
    var rest = labels[...]
    for parameter in parameters {
      if rest.first == parameter.label { rest.removeFirst() } else if !parameter.isOptional { return false }
    }
    return rest.isEmpty
  }
}

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
