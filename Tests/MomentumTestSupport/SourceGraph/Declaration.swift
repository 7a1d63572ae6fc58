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
  /// Whether no other file can see it.
  let isPrivate: Bool
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
    switch kind {
    case .type, .alias, .associatedType: return true
    case .property: return type == nil || type?.name == TypeName.function
    case .function, .initializer, .enumCase, .subscripting:
      var rest = labels[...]
      for parameter in parameters {
        if rest.first == parameter.label { rest.removeFirst() } else if !parameter.isOptional { return false }
      }
      return rest.isEmpty
    }
  }
}
