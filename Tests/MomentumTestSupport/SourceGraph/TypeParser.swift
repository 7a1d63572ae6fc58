/// Reads types and lists of parameters from the tokens of a file.
struct TypeParser {
  let file: SourceFile
  var position: Int
  let end: Int

  private static let modifiers: Set<String> = [
    "some", "any", "inout", "borrowing", "consuming", "sending", "isolated", "nonisolated", "__owned", "__shared",
  ]

  private var tokens: [SwiftToken] { file.tokens }

  private func isAt(_ text: String) -> Bool { position < end && tokens[position].is(text) }

  /// Passes over attributes, with their arguments.
  mutating func skipAttributes() {
    while isAt("@") {
      position += 2
      if isAt("("), !tokens[position].followsSpace, let close = file.partner[position] { position = close + 1 }
    }
  }

  /// Reads a type; `nil` if there is none. Leaves `position` behind it.
  mutating func type() -> TypeName? {
    skipAttributes()
    while position < end, Self.modifiers.contains(tokens[position].text) {
      position += 1
      skipAttributes()
    }
    guard position < end else { return nil }
    var type: TypeName
    if isAt("~") {
      position += 1
      return self.type()
    } else if isAt("("), let close = file.partner[position] {
      var inner = TypeParser(file: file, position: position + 1, end: close)
      let elements = inner.list()
      position = close + 1
      type = elements.count == 1 ? elements[0] : TypeName(name: TypeName.tuple, arguments: elements)
    } else if isAt("["), let close = file.partner[position] {
      var inner = TypeParser(file: file, position: position + 1, end: close)
      let key = inner.type()
      var arguments = key.map { [$0] } ?? []
      if inner.isAt(":") {
        inner.position += 1
        if let value = inner.type() { arguments.append(value) }
      }
      type = TypeName(name: arguments.count == 2 ? "Dictionary" : "Array", arguments: arguments)
      position = close + 1
    } else if tokens[position].isName {
      type = TypeName(name: tokens[position].text)
      position += 1
      type.arguments = genericArguments()
      while isAt("."), position + 1 < end, tokens[position + 1].kind != .punctuation {
        position += 1
        if !["Type", "Protocol"].contains(tokens[position].text) { type.name += "." + tokens[position].text }
        position += 1
        let arguments = genericArguments()
        if !arguments.isEmpty { type.arguments = arguments }
      }
    } else {
      return nil
    }
    while isAt("?") || isAt("!") { position += 1 }
    // Of a composition the first part is enough.
    while isAt("&") {
      position += 1
      _ = self.type()
    }
    var lookahead = self
    while lookahead.isAt("async") || lookahead.isAt("throws") || lookahead.isAt("rethrows") {
      lookahead.position += 1
      if lookahead.isAt("("), let close = file.partner[lookahead.position] { lookahead.position = close + 1 }
    }
    if lookahead.isAt("->") {
      position = lookahead.position + 1
      return TypeName(name: TypeName.function, arguments: self.type().map { [$0] } ?? [])
    }
    return type
  }

  /// Types between commas; labels before them are passed over.
  private mutating func list() -> [TypeName] {
    var types: [TypeName] = []
    while position < end {
      while position + 1 < end, tokens[position].kind == .word,
        tokens[position + 1].is(":") || tokens[position + 1].kind == .word,
        !Self.modifiers.contains(tokens[position].text)
      { position += 1 }
      if isAt(":") { position += 1 }
      guard let type = type() else { break }
      types.append(type)
      while position < end, !isAt(",") { position += 1 }
      position += 1
    }
    return types
  }

  /// Reads `<A, B>` if it follows without a space. The operator that closes it may close an outer list, too.
  private mutating func genericArguments() -> [TypeName] {
    guard isAt("<"), !tokens[position].followsSpace, let close = closingAngle() else { return [] }
    var inner = TypeParser(file: file, position: position + 1, end: close)
    let types = inner.list()
    position = close + 1
    return types
  }

  /// The end of a generic list that begins here.
  func closingAngle() -> Int? {
    var (depth, index) = (0, position)
    while index < end {
      let token = tokens[index]
      if token.kind == .symbol, token.text != "->" {
        guard token.text.allSatisfy({ "<>&~=".contains($0) }) else { return nil }
        depth += token.text.count { $0 == "<" } - token.text.count { $0 == ">" }
        if depth <= 0 { return index }
      } else if token.is("{") || token.is("}") || token.is(";") {
        return nil
      }
      index = (token.is("(") || token.is("[") ? file.partner[index] ?? index : index) + 1
    }
    return nil
  }

  /// Reads `<A: P, B>`, and leaves what they conform to.
  mutating func genericParameters() -> [String: TypeName] {
    guard isAt("<"), let close = closingAngle() else { return [:] }
    var generics: [String: TypeName] = [:]
    var inner = TypeParser(file: file, position: position + 1, end: close)
    while inner.position < close {
      let name = tokens[inner.position].text
      inner.position += 1
      generics[name] = TypeName(name: "Any")
      if inner.isAt(":") {
        inner.position += 1
        generics[name] = inner.type() ?? TypeName(name: "Any")
      }
      while inner.position < close, !inner.isAt(",") { inner.position += 1 }
      inner.position += 1
    }
    position = close + 1
    return generics
  }

  /// Reads `(label name: Type = value, …)`.
  mutating func parameters() -> [Declaration.Parameter] {
    guard isAt("("), let close = file.partner[position] else { return [] }
    var parameters: [Declaration.Parameter] = []
    var inner = TypeParser(file: file, position: position + 1, end: close)
    while inner.position < close {
      inner.skipAttributes()
      let label = tokens[inner.position].text
      var (name, type): (String, TypeName?) = (label, nil)
      let isNamed =
        inner.position + 1 < close
        && (tokens[inner.position + 1].is(":") || (inner.position + 2 < close && tokens[inner.position + 2].is(":")))
      if isNamed {
        inner.position += 1
        if !inner.isAt(":") {
          name = tokens[inner.position].text
          inner.position += 1
        }
        inner.position += 1
      }
      type = inner.type()
      var hasDefault = false
      while inner.position < close, !inner.isAt(",") {
        if inner.isAt("=") { hasDefault = true }
        inner.position = (inner.isBracket ? file.partner[inner.position] ?? inner.position : inner.position) + 1
      }
      inner.position += 1
      parameters.append(
        Declaration.Parameter(
          label: isNamed ? label : "_", name: isNamed ? name : "_", type: type,
          isOptional: hasDefault || type?.name == TypeName.function))
    }
    position = close + 1
    return parameters
  }

  private var isBracket: Bool { isAt("(") || isAt("[") || isAt("{") }
}
