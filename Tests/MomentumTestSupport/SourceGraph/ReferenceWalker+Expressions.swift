extension ReferenceWalker {
  /// Walks a name or a literal with the members, calls and subscripts that follow.
  mutating func walkChain(_ position: inout Int, _ end: Int, _ place: Place, expected: TypeName? = nil) -> Value? {
    guard position < end else { return nil }
    let token = tokens[position]
    var value: Value
    switch token.kind {
    case .string:
      value = Value(type: TypeName(name: "String"))
      position += 1
      while isAt(position, "("), position < end, let close = file.partner[position] {
        walkList(position, close)
        position = close + 1
      }
    case .number:
      value = Value(type: token.typeOfNumber)
      position += 1
    case .punctuation where token.is("\\"):
      // A key path: \.name or \Type.name.
      position += 1
      guard isAt(position, ".") else { return walkChain(&position, end, place, expected: expected) }
      value = Value(type: closureArgument)
    case .punctuation where token.is("."):
      position += 1
      guard position < end, tokens[position].kind != .punctuation else { return nil }
      value = walkImplicitMember(&position, end, expected)
    case .punctuation:
      guard let close = file.partner[position], close > position else {
        position += 1
        return nil
      }
      if token.is("(") {
        let values = walkList(position, close, place: place)
        value = (values.count == 1 ? values[0] : nil) ?? Value()
      } else {
        let element = walk(position + 1..<close, .block, expected: expected?.arguments.first)
        let type = TypeName(name: "Array", arguments: element?.type.map { [$0] } ?? [])
        value = Value(type: type, isType: element?.isType ?? false)
      }
      position = close + 1
    default:
      guard !isLabel(position, place) else {
        position += 1
        return nil
      }
      value = walkName(&position, end)
    }
    while position < end, walkSuffix(&value, &position, end, place) {}
    return value
  }

  /// Whether a word is the label of an argument, or a parameter's.
  private func isLabel(_ position: Int, _ place: Place) -> Bool {
    switch place {
    case .block: return false
    case .list:
      return isAt(position + 1, ":")
        && (isAt(position - 1, "(") || isAt(position - 1, ",") || isAt(position - 1, "["))
    case .head:
      let isFirstOfTwo = position + 2 < tokens.count && tokens[position + 1].kind == .word && isAt(position + 2, ":")
      return isAt(position + 1, ":") || isFirstOfTwo
    }
  }

  /// Walks one member, call or subscript; false if there is none.
  private mutating func walkSuffix(_ value: inout Value, _ position: inout Int, _ end: Int, _ place: Place) -> Bool {
    let token = tokens[position]
    func begins(_ position: Int) -> Bool {
      !tokens[position].followsSpace || tokens[position].line != tokens[position - 1].line
    }
    if token.is("."), begins(position), position + 1 < end {
      walkMember(&value, &position, end)
    } else if token.is("{"), let close = file.partner[position], isAt(close + 1, "."), begins(close + 1) {
      walkBlock(position, close)
      position = close + 1
    } else if token.followsSpace {
      return false
    } else if token.is("("), let close = file.partner[position] {
      walkCall(&value, position, close, place)
      position = close + 1
    } else if token.is("["), let close = file.partner[position] {
      walkSubscript(&value, position, close)
      position = close + 1
    } else if token.is("!")
      || (token.is("?") && (place == .head || [".", "[", "("].contains { isAt(position + 1, $0) }))
    {
      position += 1
    } else {
      return false
    }
    return true
  }

  private mutating func walkCall(_ value: inout Value, _ open: Int, _ close: Int, _ place: Place) {
    if value.isType, let type = value.type, index.declares(type.name) {
      let labels = file.labels(ofListAt: open) ?? []
      var initializers = index.members("init", of: type.name).filter { $0.accepts(labels) }
      if initializers.isEmpty {
        initializers = [index.memberwiseInitializer(of: type.name)]
      } else {
        note(open, "init", initializers)
      }
      walkList(open, close, initializers, place: place)
    } else {
      walkList(open, close, value.callee, place: place)
    }
    value = Value(type: value.type)
  }

  private mutating func walkSubscript(_ value: inout Value, _ open: Int, _ close: Int) {
    let inner = walkList(open, close)
    guard let type = value.type else { return }
    let element = StandardLibrary.element(of: type)
    if index.declares(type.name) {
      value = refer(open, to: index.members("subscript", of: type.name), open, isKnown: true)
    } else if inner.count == 1, inner[0]?.type?.name == "Range" {
      value = Value(type: type)
    } else if let labels = file.labels(ofListAt: open), labels != ["_"] {
      value = refer(open, to: index.foreignMembers("subscript"), open, isKnown: true)
      if value.type == nil || value.type?.name == "Any" { value.type = element }
    } else {
      value = Value(type: element)
    }
  }

  /// Walks what stands between brackets and commas: each with the type of the parameter that it is for.
  @discardableResult
  mutating func walkList(
    _ open: Int, _ close: Int, _ callee: [Declaration] = [], place: Place = .list
  ) -> [Value?] {
    var values: [Value?] = []
    var parameters = callee.first?.parameters[...] ?? []
    let argument = closureArgument
    for (item, label) in zip(file.items(open, close), file.argumentLabels(open, close)) {
      var expected: TypeName?
      if let match = parameters.firstIndex(where: { $0.label == label }) {
        expected = parameters[match].type.map { index.resolve($0, within: callee[0].owner, callee[0].generics) }
        parameters = parameters[(match + 1)...]
      }
      values.append(walk(item, place == .head ? .head : .list, expected: expected))
      closureArgument = argument
    }
    return values
  }

  mutating func walkGenericArguments(_ position: inout Int, _ end: Int) -> [TypeName] {
    guard position < end, isAt(position, "<"), !tokens[position].followsSpace else { return [] }
    guard let close = TypeParser(file: file, position: position, end: end).closingAngle() else { return [] }
    let open = position
    position = close + 1
    walk(open + 1..<close, .list)
    return file.items(open, close).compactMap { item in
      var parser = TypeParser(file: file, position: item.lowerBound, end: item.upperBound)
      return parser.type().map(resolve)
    }
  }
}
