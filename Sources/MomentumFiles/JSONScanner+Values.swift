/// What a header may hold beside its own forms: values that mean nothing here, read over as the reference does.
extension JSONScanner {
  /// The deepest nesting of objects and lists in a value of a header that is read over. With the header and the entry of a
  /// tensor around it, it is what the reference reads.
  static let deepestInHeader = 125

  /// Reads a value of any kind and forgets it. Does not recurse: no nesting of the input can exhaust the stack.
  ///
  /// - Parameter deepest: The deepest nesting of objects and lists in it.
  mutating func skipValue(deepest: Int = deepestInHeader) throws(Reason) {
    var closers: [Unicode.Scalar] = []
    while true {
      let start = offset
      if let closer = takeOpener() {
        guard closers.count < deepest else {
          throw .malformedHeader(offset: start, expected: "at most \(deepest) objects and lists in each other")
        }
        if !take(closer) {
          closers.append(closer)
          if closer == "}" { try key() }
          continue
        }
      } else {
        try skipScalar()
      }
      // The value has ended, and with it those whose last one it is.
      while let closer = closers.last, !take(",") {
        try expect(closer, "',' or '\(closer)' behind a value")
        closers.removeLast()
      }
      guard let closer = closers.last else { return }
      if closer == "}" { try key() }
    }
  }

  /// Reads one of the words of JSON, if it is next.
  mutating func takeWord(_ word: StaticString) -> Bool {
    skipSpace()
    return word.withUTF8Buffer { word in
      guard rest.starts(with: word) else { return false }
      advance(by: word.count)
      return true
    }
  }

  /// The end of the object or list that begins here, if one does.
  private mutating func takeOpener() -> Unicode.Scalar? {
    if take("{") { return "}" }
    return take("[") ? "]" : nil
  }

  private mutating func key() throws(Reason) {
    _ = try string()
    try expect(":", "':' behind a key")
  }

  private mutating func skipScalar() throws(Reason) {
    if nextIs("\"") {
      _ = try string()
    } else if !takeWord("true"), !takeWord("false"), !takeWord("null") {
      try skipNumber()
    }
  }

  /// Reads a number as JSON spells it; one that `Double` cannot hold is refused, as by the reference.
  private mutating func skipNumber() throws(Reason) {
    let start = offset
    let text = rest
    func refusal() -> Reason { .malformedHeader(offset: start, expected: "a value") }
    func takeDigits() throws(Reason) -> Int {
      let count = rest.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }.count
      guard count > 0 else { throw refusal() }
      advance(by: count)
      return count
    }
    func takeOne(of characters: String) -> Bool {
      guard let byte = rest.first, characters.utf8.contains(byte) else { return false }
      advance(by: 1)
      return true
    }
    _ = takeOne(of: "-")
    let hasLeadingZero = rest.first == UInt8(ascii: "0")
    guard try takeDigits() == 1 || !hasLeadingZero else { throw refusal() }
    if takeOne(of: ".") { _ = try takeDigits() }
    if takeOne(of: "eE") {
      _ = takeOne(of: "+-")
      _ = try takeDigits()
    }
    let spelling = String(decoding: text.prefix(offset - start), as: UTF8.self)
    guard let value = Double(spelling), value.isFinite else {
      throw .malformedHeader(offset: start, expected: "a number that Double can hold")
    }
  }
}
