/// Finds the declarations of a file, without looking into the bodies of functions.
struct SourceOutline {
  let file: SourceFile
  var parts: [SourcePart] = []
  var declarations: [Declaration] = []
  var inheritance: [(type: String, from: TypeName)] = []

  /// Whether what is read is private, or a member of what is.
  private var isPrivate = false

  init(file: SourceFile) { self.file = file }

  private var tokens: [SwiftToken] { file.tokens }

  private static let introducers: Set<String> = [
    "import", "struct", "class", "enum", "protocol", "actor", "extension", "func", "var", "let", "init", "deinit",
    "subscript", "case", "typealias", "associatedtype", "operator", "precedencegroup",
  ]
  private static let modifiers: Set<String> = [
    "public", "package", "internal", "private", "fileprivate", "open", "static", "class", "final", "mutating",
    "nonmutating", "lazy", "override", "required", "convenience", "indirect", "prefix", "postfix", "infix", "weak",
    "unowned", "nonisolated", "isolated", "borrowing", "consuming", "dynamic", "optional",
  ]

  /// Reads the members of a type, or what a file declares.
  mutating func readMembers(_ range: Range<Int>, of owner: String?) {
    let starts = memberStarts(range)
    for (start, next) in zip(starts, starts.dropFirst() + [range.upperBound]) { readMember(start..<next, of: owner) }
  }

  /// Where declarations begin: at an attribute, a modifier or a keyword that stands in no bracket.
  private func memberStarts(_ range: Range<Int>) -> [Int] {
    var (starts, index): ([Int], Int) = ([], range.lowerBound)
    while index < range.upperBound {
      if let introducer = introducer(at: index, range.upperBound) {
        starts.append(index)
        index = introducer + 1
      } else {
        index = file.next(index)
      }
    }
    return starts
  }

  /// The keyword of a declaration that begins here, behind its attributes and modifiers.
  private func introducer(at start: Int, _ end: Int) -> Int? {
    guard start == 0 || !tokens[start - 1].is(".") else { return nil }
    var parser = TypeParser(file: file, position: start, end: end)
    while true {
      parser.skipAttributes()
      guard parser.position < end, tokens[parser.position].kind == .word else { return nil }
      let (text, index) = (tokens[parser.position].text, parser.position)
      if Self.introducers.contains(text) {
        // `class func` is a modifier and a keyword.
        let next = index + 1 < end ? tokens[index + 1].text : ""
        if text != "class" || !["func", "var", "let", "subscript"].contains(next) { return index }
      } else if !Self.modifiers.contains(text) {
        return nil
      }
      parser.position += 1
      if parser.position < end, tokens[parser.position].is("("), let close = file.partner[parser.position] {
        parser.position = close + 1
      }
    }
  }

  private mutating func readMember(_ range: Range<Int>, of owner: String?) {
    guard let keyword = introducer(at: range.lowerBound, range.upperBound), keyword + 1 < range.upperBound else {
      return
    }
    // Arguments of attributes may name something.
    if keyword > range.lowerBound { addPart(owner, nil, range.lowerBound..<keyword, nil) }
    let modifiers = range.lowerBound..<keyword
    let isStatic = modifiers.contains { tokens[$0].is("static") || tokens[$0].is("class") }
    let isOutsidePrivate = isPrivate
    defer { isPrivate = isOutsidePrivate }
    // But not `private(set)`.
    if modifiers.contains(where: { ["private", "fileprivate"].contains(tokens[$0].text) && !tokens[$0 + 1].is("(") }) {
      isPrivate = true
    }
    let rest = keyword + 1..<range.upperBound
    switch tokens[keyword].text {
    case "struct", "class", "enum", "protocol", "actor": readType(rest, owner)
    case "extension": readExtension(rest)
    case "func": readFunction(.function, keyword + 1, rest.dropFirst(), owner, isStatic)
    case "init": readFunction(.initializer, keyword, rest, owner, true)
    case "subscript": readFunction(.subscripting, keyword, rest, owner, isStatic)
    case "deinit": addPart(owner, nil, rest.lowerBound..<rest.lowerBound, rest)
    case "var", "let": readProperties(rest, owner, isStatic)
    case "case": readCases(rest, owner)
    case "typealias": readAlias(.alias, rest, owner)
    case "associatedtype": readAlias(.associatedType, rest, owner)
    default: break
    }
  }

  private mutating func addPart(_ owner: String?, _ declaration: Declaration?, _ head: Range<Int>, _ body: Range<Int>?)
  {
    parts.append(SourcePart(owner: owner, declaration: declaration, head: head, body: body))
    if let declaration { declarations.append(declaration) }
  }

  private func declaration(_ kind: Declaration.Kind, _ name: Int, _ owner: String?, isStatic: Bool = false)
    -> Declaration
  {
    Declaration(
      kind: kind, name: tokens[name].text, owner: owner, file: file.path, line: tokens[name].line, isStatic: isStatic,
      isPrivate: isPrivate)
  }

  /// The first of some tokens that stands in no bracket.
  private func first(_ text: String, in range: Range<Int>) -> Int? {
    var index = range.lowerBound
    while index < range.upperBound {
      if tokens[index].is(text) { return index }
      if tokens[index].is("<"), !tokens[index].followsSpace {
        index = TypeParser(file: file, position: index, end: range.upperBound).closingAngle() ?? index
      }
      index = file.next(index)
    }
    return nil
  }

  private mutating func readType(_ range: Range<Int>, _ owner: String?) {
    guard let open = first("{", in: range), let close = file.partner[open] else { return }
    var declared = declaration(.type, range.lowerBound, owner)
    var parser = TypeParser(file: file, position: range.lowerBound + 1, end: open)
    declared.generics = parser.genericParameters()
    readInheritance(parser, declared.qualifiedName)
    addPart(declared.qualifiedName, declared, range.lowerBound + 1..<open, nil)
    readMembers(open + 1..<close, of: declared.qualifiedName)
  }

  private mutating func readExtension(_ range: Range<Int>) {
    guard let open = first("{", in: range), let close = file.partner[open] else { return }
    var parser = TypeParser(file: file, position: range.lowerBound, end: open)
    guard let type = parser.type() else { return }
    readInheritance(parser, type.name)
    // The type's own name is looked up outside of it.
    addPart(nil, nil, range.lowerBound..<range.lowerBound, range.lowerBound..<parser.position)
    addPart(type.name, nil, parser.position..<open, nil)
    readMembers(open + 1..<close, of: type.name)
  }

  private mutating func readInheritance(_ parser: TypeParser, _ type: String) {
    var parser = parser
    guard parser.position < parser.end, tokens[parser.position].is(":") else { return }
    repeat {
      parser.position += 1
      if let from = parser.type() { inheritance.append((type, from)) }
    } while parser.position < parser.end && tokens[parser.position].is(",")
  }

  private mutating func readFunction(
    _ kind: Declaration.Kind, _ name: Int, _ range: Range<Int>, _ owner: String?, _ isStatic: Bool
  ) {
    let open = first("{", in: range)
    var declared = declaration(kind, name, owner, isStatic: isStatic)
    var parser = TypeParser(file: file, position: range.lowerBound, end: open ?? range.upperBound)
    if parser.position < parser.end, tokens[parser.position].is("?") || tokens[parser.position].is("!") {
      parser.position += 1
    }
    declared.generics = parser.genericParameters()
    declared.parameters = parser.parameters()
    if let word = first("throws", in: parser.position..<parser.end), word + 2 < parser.end, tokens[word + 1].is("(") {
      var thrown = TypeParser(file: file, position: word + 2, end: parser.end)
      declared.thrownType = thrown.type()
    }
    if let arrow = first("->", in: parser.position..<parser.end) {
      parser.position = arrow + 1
      declared.type = parser.type()
    } else if kind == .initializer {
      declared.type = owner.map { TypeName(name: $0) }
    }
    if let open, let close = file.partner[open] {
      addPart(owner, declared, range.lowerBound..<open, open + 1..<close)
    } else {
      addPart(owner, declared, range, nil)
    }
  }

  /// Reads `a: T = x, (b, c) = y { … }`.
  private mutating func readProperties(_ range: Range<Int>, _ owner: String?, _ isStatic: Bool) {
    var names: [Declaration] = []
    var start = range.lowerBound
    while start < range.upperBound {
      let end = first(",", in: start..<range.upperBound) ?? range.upperBound
      var parser = TypeParser(file: file, position: start + 1, end: end)
      if tokens[start].is("("), let close = file.partner[start] {
        names += (start + 1..<close).filter { tokens[$0].isName }
          .map { declaration(.property, $0, owner, isStatic: isStatic) }
        parser.position = close + 1
      } else {
        names.append(declaration(.property, start, owner, isStatic: isStatic))
      }
      let head = parser.position
      if head < end, tokens[head].is(":") {
        parser.position += 1
        names[names.count - 1].type = parser.type()
      } else if head < end, tokens[head].is("=") {
        names[names.count - 1].type = typeOfInitialValue(head + 1, end)
      }
      addPart(owner, nil, head..<min(parser.position, end), min(parser.position, end)..<end)
      start = end + 1
    }
    declarations += names
  }

  /// What `T(…)`, `T.name` or a literal are.
  private func typeOfInitialValue(_ start: Int, _ end: Int) -> TypeName? {
    guard start < end else { return nil }
    let token = tokens[start]
    switch token.kind {
    case .string: return TypeName(name: "String")
    case .number: return token.typeOfNumber
    case _ where token.is("true") || token.is("false"): return TypeName(name: "Bool")
    case _ where token.isName && token.text.first!.isUppercase:
      var parser = TypeParser(file: file, position: start, end: end)
      guard let type = parser.type() else { return nil }
      var next = parser.position
      if next < end, tokens[next].is("("), let close = file.partner[next] { next = close + 1 }
      return next >= end || tokens[next].is("{") ? type : nil
    default: return nil
    }
  }

  private mutating func readCases(_ range: Range<Int>, _ owner: String?) {
    var start = range.lowerBound
    while start < range.upperBound {
      let end = first(",", in: start..<range.upperBound) ?? range.upperBound
      var declared = declaration(.enumCase, start, owner, isStatic: true)
      var parser = TypeParser(file: file, position: start + 1, end: end)
      declared.parameters = parser.parameters()
      declared.type = owner.map { TypeName(name: $0) }
      addPart(owner, declared, start + 1..<end, nil)
      start = end + 1
    }
  }

  private mutating func readAlias(_ kind: Declaration.Kind, _ range: Range<Int>, _ owner: String?) {
    var declared = declaration(kind, range.lowerBound, owner)
    var parser = TypeParser(file: file, position: range.lowerBound + 1, end: range.upperBound)
    declared.generics = parser.genericParameters()
    if let sign = first("=", in: range) {
      parser.position = sign + 1
      declared.type = parser.type()
    } else if parser.position < parser.end, tokens[parser.position].is(":") {
      // What an associated type conforms to says what its members are.
      parser.position += 1
      declared.type = parser.type()
    }
    addPart(owner, declared, range.lowerBound + 1..<range.upperBound, nil)
  }
}
