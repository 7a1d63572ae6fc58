extension ReferenceWalker {
  /// Walks tokens; tells what they are, if they are one expression.
  ///
  /// - Parameters:
  ///   - expected: What the context wants, which tells what a member without a type belongs to.
  ///   - subject: What the cases of a `switch` are compared with.
  @discardableResult
  mutating func walk(
    _ range: Range<Int>, _ place: Place, expected: TypeName? = nil, subject: TypeName? = nil
  ) -> Value? {
    var (position, isCase) = (range.lowerBound, false)
    // What is expected where it goes on; and what is on both sides of a `?:` or behind a `??`.
    var (hint, whole) = (expected, expected)
    var (expression, isBinding) = (Expression(), false)
    while position < range.upperBound {
      let token = tokens[position]
      if token.kind == .word, !token.isName {
        position += 1
        switch token.text {
        case "let", "var":
          let type = walkBinding(&position, range.upperBound, place, isCase, expected: hint)
          if !isCase { (hint, whole, isBinding) = (type, type, true) }
        case "for": walkLoop(&position, range.upperBound)
        case "func": walkLocalFunction(&position, range.upperBound)
        case "switch":
          let subject = walkChain(&position, range.upperBound, .block)?.type
          if isAt(position, "{"), let close = file.partner[position] {
            walkBlock(position, close, expected: whole, subject: subject)
            position = close + 1
          }
        case "case": (hint, isCase) = (subject, true)
        case "default": isCase = true
        case "return": (hint, whole) = (returnType, returnType)
        case "throw": hint = thrownType
        case "try", "await": break
        case "true", "false": expression.add(Value(type: TypeName(name: "Bool")))
        default: expression.operators.insert(token.text)
        }
      } else if token.is("{"), let close = file.partner[position] {
        walkBlock(position, close)
        position = close + 1
      } else if token.is("@") {
        position += 2
      } else if token.kind == .symbol {
        position += 1
        let left = expression.last?.type
        switch token.text {
        case "=": (hint, whole) = (left, left)
        case "==", "!=", "~=": hint = left
        case "??": hint = left ?? whole
        case "&&", "||": hint = nil
        default: break
        }
        if token.text != "&" { expression.operators.insert(token.text) }
      } else if token.kind != .punctuation || ["(", "[", ".", "\\"].contains(where: token.is) {
        expression.add(walkChain(&position, range.upperBound, place, expected: hint))
      } else {
        if token.is(":"), isCase {
          (hint, whole, isCase) = (expected, expected, false)
        } else if token.is("?") || token.is(":") {
          hint = whole ?? hint
        }
        if token.is("?") { expression.operators.insert("?") }
        position += 1
        if token.is(","), isBinding, place == .block, position + 1 < range.upperBound, tokens[position].isName,
          isAt(position + 1, "=") || isAt(position + 1, ":")
        {
          // `let a = x, b = y`.
          hint = walkBinding(&position, range.upperBound, place, false, expected: nil)
          whole = hint
        }
      }
    }
    return expression.value
  }

  /// Operands with operators between them.
  private struct Expression {
    var operators: Set<String> = []
    private var first: Value?
    private(set) var last: Value?

    mutating func add(_ value: Value?) {
      first = first ?? value
      last = value
    }

    var value: Value? {
      if operators.isEmpty { return first }
      if operators.contains("?") { return last }
      if !operators.isDisjoint(with: ["..<", "..."]) { return Value(type: TypeName(name: "Range")) }
      if !operators.isDisjoint(with: ["==", "!=", "<", ">", "<=", ">=", "&&", "||", "is"]) {
        return Value(type: TypeName(name: "Bool"))
      }
      return operators.isSubset(of: Self.ofOneType) ? first : nil
    }

    /// Operators whose result is what their left side is.
    static let ofOneType: Set<String> = ["+", "-", "*", "/", "??", "&+", "&-", "&*"]
  }

  // MARK: - Blocks

  /// Walks a block or a closure.
  mutating func walkBlock(_ open: Int, _ close: Int, expected: TypeName? = nil, subject: TypeName? = nil) {
    var start = open + 1
    scopes.append(pending)
    pending = [:]
    if let end = closureHead(start, close) {
      walkClosureHead(start, end)
      start = end + 1
    }
    walk(start..<close, .block, expected: expected, subject: subject)
    scopes.removeLast()
  }

  /// The `in` of a closure that names its parameters.
  private func closureHead(_ start: Int, _ end: Int) -> Int? {
    var position = start
    while position < end {
      let token = tokens[position]
      if token.is("in") { return position }
      if token.is("(") || token.is("["), let close = file.partner[position] { position = close }
      let isPart = token.isName || token.kind == .punctuation || Self.closureWords.contains(token.text)
      guard isPart, !token.is("{"), !token.is("}"), !token.is("."), position - start < 40 else { return nil }
      position += 1
    }
    return nil
  }

  private static let closureWords: Set<String> = ["throws", "async", "_", "->", "inout", "any", "some"]

  private mutating func walkClosureHead(_ start: Int, _ end: Int) {
    var parser = TypeParser(file: file, position: start, end: end)
    parser.skipAttributes()
    if isAt(parser.position, "("), let close = file.partner[parser.position],
      (parser.position..<close).contains(where: { isAt($0, ":") })
    {
      // With types.
      for parameter in parser.parameters() { declare(parameter.name, parameter.type.map(resolve)) }
      walk(start..<end, .head)
    } else {
      let namesEnd = (start..<end).first { isAt($0, "throws") || isAt($0, "->") } ?? end
      let names = (start..<namesEnd).filter { position in
        tokens[position].isName && !isAt(position + 1, "]")
          && (position == start || ["(", ",", "]"].contains { isAt(position - 1, $0) })
      }
      for name in names { declare(tokens[name].text, names.count == 1 ? closureArgument : nil) }
      walk(namesEnd..<end, .head)
    }
  }

  /// Walks what follows `for` up to its sequence; the names are those of the block.
  private mutating func walkLoop(_ position: inout Int, _ end: Int) {
    guard !isAt(position, "case") else { return }
    let start = position
    while position < end, !isAt(position, "in") { position += 1 }
    let names = (start..<position).filter { tokens[$0].isName || isAt($0, "_") }.map { tokens[$0].text }
    position += 1
    let sequence = walkChain(&position, end, .block)?.type
    let isWhole = isAt(position, "{") || isAt(position, "where")
    let element = isWhole ? sequence?.arguments.last : isAt(position, "..<") ? TypeName(name: "Int") : nil
    for (offset, name) in names.enumerated() {
      let isElement = names.count == 1 || (offset == 1 && sequence?.name == "EnumeratedSequence")
      pending[name] = .some(isElement ? element : nil)
      // A condition after `where` sees them, too.
      if isAt(position, "where") { declare(name, isElement ? element : nil) }
    }
  }

  private mutating func walkLocalFunction(_ position: inout Int, _ end: Int) {
    declare(tokens[position].text, nil)
    var parser = TypeParser(file: file, position: position + 1, end: end)
    generics.merge(parser.genericParameters()) { $1 }
    let head = parser.position
    let parameters = parser.parameters()
    position = parser.position
    while position < end, !isAt(position, "{") { position += 1 }
    walk(head..<position, .head)
    for parameter in parameters { pending[parameter.name] = .some(parameter.type.map(resolve)) }
  }

  // MARK: - Constants and variables

  /// Walks what follows `let` or `var`; returns the type of what it declares.
  private mutating func walkBinding(
    _ position: inout Int, _ end: Int, _ place: Place, _ isCase: Bool, expected: TypeName?
  ) -> TypeName? {
    let start = position
    var names: [String] = []
    let isTuple = isAt(position, "(")
    if isTuple, let close = file.partner[position] {
      names = (position + 1..<close).filter { tokens[$0].isName && !isAt($0 + 1, ":") || isAt($0, "_") }
        .map { tokens[$0].text }
      position = close + 1
    } else if position < end, isAt(position, "_") || tokens[position].isName {
      names = [tokens[position].text]
      position += 1
    }
    var types: [TypeName?] = names.map { _ in nil }
    let isPattern = place == .list || (isCase && isAt(start - 2, "case"))
    if isPattern {
      if names.count == 1 { types[0] = expected }
    } else if isAt(position, ":"), position < end {
      var parser = TypeParser(file: file, position: position + 1, end: end)
      if let type = parser.type(), names.count == 1 { types[0] = resolve(type) }
      walk(position + 1..<parser.position, .head)
      position = parser.position
    }
    if isAt(position, "="), position < end {
      position += 1
      let values = walkInitialValues(&position, end, names.count, isTuple, expected: types.first ?? nil)
      types = zip(types, values).map { $0 ?? $1 }
    } else if place == .block, !isPattern, names.count == 1, types[0] == nil,
      isAt(position, ",") || isAt(position, "{") || isAt(position, "else")
    {
      // `if let x` asks for another x than the one it declares.
      var before = start
      types[0] = walkChain(&before, start + 1, .block)?.type
    }
    for (name, type) in zip(names, types) { declare(name, type) }
    return types.count == 1 ? types[0] : nil
  }

  /// Walks the beginning of the values after `=`, which do not see the names yet; their types, as far as they are known.
  private mutating func walkInitialValues(
    _ position: inout Int, _ end: Int, _ count: Int, _ isTuple: Bool, expected: TypeName?
  ) -> [TypeName?] {
    let unknown = [TypeName?](repeating: nil, count: count)
    while isAt(position, "await") || isAt(position, "try")
      || (isAt(position - 1, "try") && (isAt(position, "?") || isAt(position, "!")))
    { position += 1 }
    guard position < end else { return unknown }
    if isTuple, isAt(position, "("), let close = file.partner[position], !isAt(close + 1, ".") {
      let values = walkList(position, close)
      position = close + 1
      return values.count == count ? values.map { $0?.type } : unknown
    }
    let token = tokens[position]
    guard token.isName || token.kind == .number || ["[", "(", "."].contains(where: token.is) else { return unknown }
    let value = walkChain(&position, end, .block, expected: expected)
    guard count == 1 else { return unknown }
    guard position < end else { return [value?.type] }
    let next = tokens[position]
    let isOtherType =
      (next.kind == .symbol && !Expression.ofOneType.contains(next.text)) || next.is("?") || next.is("as")
    return [isOtherType ? nil : value?.type]
  }
}
