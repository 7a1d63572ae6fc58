/// A token of Swift source, as fine as names and brackets need it.
public struct SwiftToken: Hashable, Sendable {
  public enum Kind: Sendable {
    /// An identifier or a keyword.
    case word
    /// An identifier between backticks, which is never a keyword.
    case quotedWord
    case number
    /// A string without what it interpolates; that follows as tokens between parentheses.
    case string
    /// A bracket, or one of `, ; : . @ # \ ? !`.
    case punctuation
    /// Any other operator, as a whole.
    case symbol
  }

  public let kind: Kind
  public let text: String
  public let line: Int
  /// Whether something separates it from the token before.
  public let followsSpace: Bool

  /// Whether it is a certain keyword, bracket or operator.
  func `is`(_ text: String) -> Bool { self.text == text && kind != .quotedWord && kind != .string }

  var isName: Bool { kind == .quotedWord || (kind == .word && !Self.keywords.contains(text)) }

  /// Whether it is written as types are.
  var isTypeLike: Bool { kind == .word && text.first?.isUppercase == true }

  var typeOfNumber: TypeName {
    TypeName(
      name: !text.hasPrefix("0x") && text.contains { ".e".contains($0) } || text.contains("p") ? "Double" : "Int")
  }

  /// What can be no name where an expression is expected. `self`, `Self` and `init` are names here: they stand for something.
  private static let keywords: Set<String> = [
    "as", "await", "break", "case", "catch", "class", "continue", "default", "defer", "deinit", "do", "else", "enum",
    "extension", "fallthrough", "false", "for", "func", "guard", "if", "import", "in", "inout", "is", "let", "nil",
    "operator", "protocol", "repeat", "rethrows", "return", "static", "struct", "subscript", "super", "switch", "throw",
    "throws", "true", "try", "typealias", "var", "where", "while", "some", "any", "_", "associatedtype",
  ]
}

/// Splits Swift source into tokens. It knows comments, all kinds of strings, and code that strings interpolate; of regular
/// expressions it knows those between `#/` and `/#` only.
struct SwiftTokenizer {
  private let text: [UInt8]
  private var position = 0
  private var line = 1
  private var tokens: [SwiftToken] = []

  private init(_ text: String) { self.text = Array(text.utf8) }

  static func tokens(of text: String) -> [SwiftToken] {
    var tokenizer = SwiftTokenizer(text)
    tokenizer.readCode(isInterpolated: false)
    return tokenizer.tokens
  }

  private func peek(_ offset: Int = 0) -> UInt8 {
    position + offset < text.count ? text[position + offset] : 0
  }

  private func starts(with string: StaticString) -> Bool {
    (0..<string.utf8CodeUnitCount).allSatisfy { peek($0) == string.utf8Start[$0] }
  }

  private mutating func advance(_ count: Int = 1) {
    for _ in 0..<count {
      if peek() == UInt8(ascii: "\n") { line += 1 }
      position += 1
    }
  }

  private mutating func add(_ kind: SwiftToken.Kind, from start: Int, line: Int, strip: Int = 0) {
    let followsSpace = start == 0 || text[start - 1] == UInt8(ascii: " ") || text[start - 1] == UInt8(ascii: "\n")
    let bytes = text[start + strip..<position - strip]
    tokens.append(
      SwiftToken(kind: kind, text: String(decoding: bytes, as: UTF8.self), line: line, followsSpace: followsSpace))
  }

  /// Reads code: to the end, or to the parenthesis that ends an interpolation.
  private mutating func readCode(isInterpolated: Bool) {
    var depth = 0
    while position < text.count {
      let (start, byte) = (position, peek())
      switch byte {
      case UInt8(ascii: " "), UInt8(ascii: "\n"), UInt8(ascii: "\t"), UInt8(ascii: "\r"): advance()
      case UInt8(ascii: "/") where starts(with: "//"):
        while position < text.count, peek() != UInt8(ascii: "\n") { advance() }
      case UInt8(ascii: "/") where starts(with: "/*"): skipBlockComment()
      case UInt8(ascii: "#") where isDirective: while position < text.count, peek() != UInt8(ascii: "\n") { advance() }
      case _ where byte == UInt8(ascii: "\"") || (byte == UInt8(ascii: "#") && isDelimiter): readString()
      case UInt8(ascii: "`"):
        repeat { advance() } while position < text.count && peek() != UInt8(ascii: "`")
        advance()
        add(.quotedWord, from: start, line: line, strip: 1)
      case _ where Self.isWord(byte):
        readWord()
      case UInt8(ascii: "."):
        advance()
        while peek() == UInt8(ascii: ".") || (position > start + 1 && peek() == UInt8(ascii: "<")) { advance() }
        add(position == start + 1 ? .punctuation : .symbol, from: start, line: line)
      case UInt8(ascii: "?") where starts(with: "??"), UInt8(ascii: "!") where starts(with: "!="):
        while peek() == byte || peek() == UInt8(ascii: "=") { advance() }
        add(.symbol, from: start, line: line)
      case _ where Self.isSymbol(byte):
        while Self.isSymbol(peek()), !starts(with: "//"), !starts(with: "/*") { advance() }
        add(.symbol, from: start, line: line)
      default:
        if byte == UInt8(ascii: "(") { depth += 1 }
        if byte == UInt8(ascii: ")") { depth -= 1 }
        advance()
        add(.punctuation, from: start, line: line)
        if isInterpolated, depth == 0 { return }
      }
    }
  }

  private static func isWord(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), isDigit, UInt8(ascii: "_"),
      UInt8(ascii: "$"),
      0x80...:
      true
    default: false
    }
  }

  private static let isDigit = UInt8(ascii: "0")...UInt8(ascii: "9")

  private static func isSymbol(_ byte: UInt8) -> Bool { "/=-+*%<>&|^~".utf8.contains(byte) }

  /// Reads an identifier, a keyword or a number.
  private mutating func readWord() {
    let start = position
    guard Self.isDigit ~= peek() else {
      while Self.isWord(peek()) { advance() }
      return add(.word, from: start, line: line)
    }
    let isHexadecimal = starts(with: "0x")
    while Self.isWord(peek())
      || (peek() == UInt8(ascii: ".") && Self.isDigit ~= peek(1) && tokens.last?.text != ".")
      || ("+-".utf8.contains(peek()) && (isHexadecimal ? "pP" : "eEpP").utf8.contains(text[position - 1]))
    { advance() }
    add(.number, from: start, line: line)
  }

  /// Whether a line of conditional compilation begins. Code of all conditions counts.
  private var isDirective: Bool {
    starts(with: "#if") || starts(with: "#else") || starts(with: "#endif") || starts(with: "#sourceLocation")
  }

  private mutating func skipBlockComment() {
    var depth = 0
    repeat {
      if starts(with: "/*") {
        depth += 1
        advance(2)
      } else if starts(with: "*/") {
        depth -= 1
        advance(2)
      } else {
        advance()
      }
    } while depth > 0 && position < text.count
  }

  /// Whether a string, or a regular expression between number signs, begins.
  private var isDelimiter: Bool {
    var offset = 0
    while peek(offset) == UInt8(ascii: "#") { offset += 1 }
    return peek(offset) == UInt8(ascii: "\"") || (offset > 0 && peek(offset) == UInt8(ascii: "/"))
  }

  /// Reads a string of one line or of several, raw or not.
  private mutating func readString() {
    let (start, firstLine, first) = (position, line, tokens.count)
    var signs = 0
    while peek() == UInt8(ascii: "#") {
      signs += 1
      advance()
    }
    let quote = peek()
    let quotes = starts(with: "\"\"\"") ? 3 : 1
    advance(quotes)
    let closing = [UInt8](repeating: quote, count: quotes) + [UInt8](repeating: UInt8(ascii: "#"), count: signs)
    let escape = [UInt8(ascii: "\\")] + [UInt8](repeating: UInt8(ascii: "#"), count: signs)
    func isHere(_ bytes: [UInt8]) -> Bool { bytes.indices.allSatisfy { peek($0) == bytes[$0] } }
    while position < text.count, !isHere(closing) {
      if isHere(escape) {
        advance(escape.count)
        if peek() == UInt8(ascii: "("), quote == UInt8(ascii: "\"") {
          readCode(isInterpolated: true)
        } else {
          advance()
        }
      } else {
        advance()
      }
    }
    advance(closing.count)
    // Before what it interpolates, so that a call of a member of the string is found after both.
    let space = start == 0 || text[start - 1] == UInt8(ascii: " ") || text[start - 1] == UInt8(ascii: "\n")
    tokens.insert(SwiftToken(kind: .string, text: "", line: firstLine, followsSpace: space), at: first)
  }
}
