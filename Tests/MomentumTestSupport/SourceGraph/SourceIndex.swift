/// Looks up what names mean: the declarations of a module by name, by type and by conformance.
struct SourceIndex {
  private var byName: [String: [Declaration]] = [:]
  /// Members by the qualified name of their type.
  private var members: [String: [String: [Declaration]]] = [:]
  private var types: [String: Declaration] = [:]
  /// What a type conforms to or inherits, directly or by way of others; the nearest first.
  private var ancestors: [String: [String]] = [:]

  /// The name of the module, which may stand before what belongs to no type.
  let module: String

  init(_ files: [SourceFile], module: String) {
    self.module = module
    for declaration in files.flatMap(\.declarations) where declaration.isType {
      types[declaration.qualifiedName] = declaration
    }
    for declaration in files.flatMap(\.declarations) {
      byName[declaration.name, default: []].append(declaration)
      members[declaration.owner ?? "", default: [:]][declaration.name, default: []].append(declaration)
    }
    var supertypes: [String: [String]] = [:]
    for (type, from) in files.flatMap(\.inheritance) {
      supertypes[type, default: []].append(resolve(from, within: type).name)
    }
    for type in supertypes.keys {
      var found: [String] = []
      var queue = supertypes[type]![...]
      while let next = queue.popFirst() {
        guard next != type, !found.contains(next) else { continue }
        found.append(next)
        queue += supertypes[next] ?? []
      }
      ancestors[type] = found
    }
  }

  /// Whether the module declares a type of this qualified name.
  func declares(_ type: String) -> Bool { types[type] != nil }

  func type(_ name: String) -> Declaration? { types[name] }

  func named(_ name: String) -> [Declaration] { byName[name] ?? [] }

  /// Declarations that belong to no type.
  func global(_ name: String) -> [Declaration] { members[""]?[name] ?? [] }

  /// The members of a type, or else of what it conforms to or inherits.
  func members(_ name: String, of type: String) -> [Declaration] {
    if let found = members[type]?[name] { return found }
    return ancestors[type]?.lazy.compactMap { members[$0]?[name] }.first ?? []
  }

  /// Members that extensions add to types of other modules.
  func foreignMembers(_ name: String) -> [Declaration] {
    named(name).filter { declaration in
      guard let owner = declaration.owner else { return false }
      return types[owner] == nil || types[owner]?.kind == .alias
    }
  }

  /// Leaves out declarations that meet a requirement which is among them, too.
  func mostGeneral(_ declarations: [Declaration]) -> [Declaration] {
    guard declarations.count > 1 else { return declarations }
    let owners = Set(declarations.compactMap(\.owner))
    return declarations.filter { one in
      guard let owner = one.owner else { return true }
      return owners.isDisjoint(with: ancestors[owner] ?? [])
    }
  }

  /// The initializer that the compiler writes: it takes the stored properties.
  func memberwiseInitializer(of type: String) -> Declaration {
    let properties = (members[type] ?? [:]).values.joined().filter { $0.kind == .property && !$0.isStatic }
    var initializer = Declaration(
      kind: .initializer, name: "init", owner: type, file: types[type]?.file ?? "", line: types[type]?.line ?? 0,
      isStatic: true, isPrivate: false)
    initializer.parameters = properties.sorted { $0.line < $1.line }
      .map { Declaration.Parameter(label: $0.name, name: $0.name, type: $0.type, isOptional: true) }
    return initializer
  }

  /// The types around a type, itself first: `A.B`, `A`.
  static func enclosing(_ owner: String?) -> [String] {
    guard let owner else { return [] }
    let parts = owner.split(separator: ".")
    return (0..<parts.count).map { parts.dropLast($0).joined(separator: ".") }
  }

  /// The declaration of a type that code within another calls so; `nil` if it is a generic parameter or of another module.
  func lookUpType(_ name: String, within owner: String?) -> Declaration? {
    for outer in Self.enclosing(owner) {
      if types[outer]?.generics[name] != nil { return nil }
      if let found = members(name, of: outer).first(where: { $0.isType }) {
        return found
      }
    }
    return types[name]
  }

  /// A type by its qualified name, an alias by what it stands for, a generic parameter by what it conforms to.
  func resolve(_ type: TypeName, within owner: String?, _ generics: [String: TypeName] = [:], depth: Int = 0)
    -> TypeName
  {
    guard depth < 8 else { return type }
    var result = type
    result.arguments = type.arguments.map { resolve($0, within: owner, generics, depth: depth + 1) }
    let parts = type.name.split(separator: ".").map(String.init)
    guard let first = parts.first else { return result }
    if first == "Self", let owner {
      result.name = ([owner] + parts.dropFirst()).joined(separator: ".")
      return declares(result.name) || parts.count == 1 ? result : TypeName(name: TypeName.unknown)
    }
    if let bound = generics[first] ?? Self.enclosing(owner).lazy.compactMap({ types[$0]?.generics[first] }).first {
      return parts.count == 1 ? resolve(bound, within: nil, depth: depth + 1) : TypeName(name: TypeName.unknown)
    }
    guard var declaration = lookUpType(first, within: owner) else { return result }
    for part in parts.dropFirst() {
      var outer = declaration
      if outer.kind == .alias, let target = outer.type {
        outer = types[resolve(target, within: outer.owner, depth: depth + 1).name] ?? outer
      }
      guard let next = members(part, of: outer.qualifiedName).first else { return TypeName(name: TypeName.unknown) }
      if next.kind == .property || next.kind == .function || next.kind == .enumCase {
        // Not a type, but a value of one.
        return next.type.map { resolve($0, within: next.owner, depth: depth + 1) } ?? TypeName(name: TypeName.unknown)
      }
      declaration = next
    }
    if declaration.kind != .type, let target = declaration.type {
      return resolve(target, within: declaration.owner, declaration.generics, depth: depth + 1)
    }
    result.name = declaration.qualifiedName
    return result
  }
}
