/// A name in source, and the declarations of the module that it can mean.
public struct SourceReference: Hashable, Sendable {
  public let file: String
  public let line: Int
  public let name: String
  public let candidates: [Declaration]
}

/// Finds what the parts of a file refer to.
///
/// It follows the types of values as far as declarations tell them: of parameters, of properties, of what functions return, of
/// constants made by a call. A member of a value whose type it does not know may be any of that name; unless the standard
/// library has that name too, because the value is then more likely one of its types.
struct ReferenceWalker {
  let index: SourceIndex
  let file: SourceFile
  private(set) var references: [SourceReference] = []

  /// The type within which the part stands, and what its function adds to the generic parameters.
  private(set) var owner: String?
  private var enclosing: [String] = []
  var generics: [String: TypeName] = [:]
  /// Names of each block that has begun, and their types where these are known.
  var scopes: [[String: TypeName?]] = []
  /// Names for the block that comes next.
  var pending: [String: TypeName?] = [:]
  private(set) var returnType: TypeName?
  private(set) var thrownType: TypeName?
  /// What a closure is given most often: an element of the collection whose member is called.
  var closureArgument: TypeName?

  /// What an expression is: a value of a type, or the type itself.
  struct Value {
    var type: TypeName?
    var isType = false
    /// What is called if parentheses follow.
    var callee: [Declaration] = []
  }

  /// Where tokens stand, which tells labels from names.
  enum Place {
    /// Between braces, or nowhere in particular.
    case block
    /// Between parentheses, or in a subscript.
    case list
    /// Among parameters and types.
    case head
  }

  init(_ file: SourceFile, _ index: SourceIndex) {
    (self.file, self.index) = (file, index)
    for part in file.parts { walk(part) }
  }

  var tokens: [SwiftToken] { file.tokens }

  func isAt(_ position: Int, _ text: String) -> Bool { position < tokens.count && tokens[position].is(text) }

  private mutating func walk(_ part: SourcePart) {
    (owner, enclosing) = (part.owner, SourceIndex.enclosing(part.owner))
    generics = part.declaration?.generics ?? [:]
    (scopes, pending, returnType, closureArgument) = ([[:]], [:], nil, nil)
    walk(part.head, .head)
    guard let body = part.body else { return }
    for parameter in part.declaration?.parameters ?? [] { declare(parameter.name, parameter.type.map(resolve)) }
    returnType = part.declaration?.type.map(resolve)
    thrownType = part.declaration?.thrownType.map(resolve)
    walk(body, .block, expected: returnType)
  }

  func resolve(_ type: TypeName) -> TypeName { index.resolve(type, within: owner, generics) }

  /// Makes a name one of the innermost block.
  mutating func declare(_ name: String, _ type: TypeName?) { scopes[scopes.count - 1][name] = .some(type) }

  // MARK: - What names mean

  /// A name that does not follow a dot.
  mutating func walkName(_ position: inout Int, _ end: Int) -> Value {
    let at = position
    let name = tokens[at].text
    position += 1
    if name == index.module, isAt(position, "."), position + 1 < end {
      position += 2
      return refer(position - 1, to: index.global(tokens[position - 1].text), position, isKnown: true)
    }
    if name == "self" { return Value(type: owner.map { resolve(TypeName(name: $0)) }) }
    if name == "Self" {
      if let owner, let type = index.type(owner) { note(at, type.name, [type]) }
      return Value(type: owner.map { resolve(TypeName(name: $0)) }, isType: true)
    }
    if name == "$0" { return Value(type: closureArgument) }
    let arguments = tokens[at].isTypeLike ? walkGenericArguments(&position, end) : []
    if let local = scopes.reversed().lazy.compactMap({ $0[name] }).first { return Value(type: local) }
    let parameterized = enclosing.lazy.compactMap(index.type).first { $0.generics[name] != nil }
    if generics[name] != nil || parameterized != nil {
      if generics[name] == nil, let parameterized { note(at, name, [parameterized]) }
      return Value(type: resolve(TypeName(name: name)), isType: true)
    }
    var found: [Declaration] = []
    for outer in enclosing where found.isEmpty { found = index.members(name, of: outer) }
    if found.isEmpty, let owner, !index.declares(owner) { found = index.foreignMembers(name) }
    if found.isEmpty { found = index.global(name) }
    return refer(at, to: found, position, isKnown: true, arguments)
  }

  /// A member behind a dot alone, whose type the context tells.
  mutating func walkImplicitMember(_ position: inout Int, _ end: Int, _ expected: TypeName?) -> Value {
    let name = tokens[position].text
    position += 1
    let known = members(name, of: expected)
    let found =
      known
      ?? index.named(name).filter {
        $0.isStatic && $0.kind != .initializer && !StandardLibrary.memberNames.contains(name)
      }
    return refer(position - 1, to: found, position, isKnown: known != nil)
  }

  /// A member behind a dot that follows a value.
  mutating func walkMember(_ value: inout Value, _ position: inout Int, _ end: Int) {
    let at = position + 1
    let name = tokens[at].text
    position += 2
    if name == "self" { return }
    if name == "init" {
      value.isType = true
      return
    }
    guard tokens[at].kind == .word || tokens[at].kind == .quotedWord, name != "Type" else {
      value = Value()
      return
    }
    let arguments = tokens[at].isTypeLike ? walkGenericArguments(&position, end) : []
    let known = members(name, of: value.type)
    if known?.isEmpty == true, let type = value.type, !index.declares(type.name) {
      value = Value(type: StandardLibrary.type(ofMember: name, of: type))
      closureArgument = StandardLibrary.element(of: type)
      return
    }
    let found =
      known
      ?? index.named(name).filter {
        $0.owner != nil && $0.kind != .enumCase && !StandardLibrary.memberNames.contains(name)
      }
    value = refer(at, to: found, position, isKnown: known != nil, arguments)
  }

  /// The members of a type by name; `nil` if the type is not known.
  private func members(_ name: String, of type: TypeName?) -> [Declaration]? {
    guard let type, ![TypeName.unknown, "Any", TypeName.function].contains(type.name) else { return nil }
    return index.declares(type.name) ? index.members(name, of: type.name) : index.foreignMembers(name)
  }

  mutating func note(_ position: Int, _ name: String, _ candidates: [Declaration]) {
    references.append(
      SourceReference(file: file.path, line: tokens[position].line, name: name, candidates: candidates))
  }

  /// Notes a reference to those declarations that the arguments fit, if it is called, and tells what it is.
  mutating func refer(
    _ at: Int, to found: [Declaration], _ next: Int, isKnown: Bool, _ arguments: [TypeName] = []
  ) -> Value {
    let found = found.filter { !$0.isPrivate || $0.file == file.path }
    var candidates = found
    if let labels = file.labels(ofListAt: next) {
      let fitting = found.filter { $0.accepts(labels) }
      if !fitting.isEmpty || !isKnown { candidates = fitting }
    } else if !isKnown, !isAt(next, "{") {
      candidates = found.filter { $0.kind != .function }
    }
    candidates = index.mostGeneral(candidates)
    guard let first = candidates.first else {
      guard tokens[at].isTypeLike else { return Value() }
      return Value(type: resolve(TypeName(name: tokens[at].text, arguments: arguments)), isType: true)
    }
    note(at, isAt(at, "[") ? "subscript" : tokens[at].text, candidates)
    if first.isType {
      let isAlias = first.kind != .type
      let name = TypeName(name: isAlias ? first.name : first.qualifiedName, arguments: arguments)
      return Value(type: index.resolve(name, within: isAlias ? first.owner : nil, generics), isType: true)
    }
    let types = Set(
      candidates.map { one in one.type.map { index.resolve($0, within: one.owner, one.generics) } })
    return Value(type: types.count == 1 ? types.first! : nil, callee: candidates)
  }
}
