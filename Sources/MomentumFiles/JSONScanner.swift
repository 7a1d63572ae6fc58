/// Reads the few forms of JSON that a safetensors header is made of, strictly: objects, strings, lists of non-negative
/// integers. Each call skips the white space before what it reads.
struct JSONScanner {
  typealias Reason = SafetensorsError.Reason

  private let bytes: UnsafeRawBufferPointer
  private let base: Int
  private var position = 0

  /// - Parameters:
  ///   - bytes: the text, which must outlive the scanner.
  ///   - offset: where the text begins in the file, for the offsets in errors.
  init(_ bytes: UnsafeRawBufferPointer, offset: Int) {
    self.bytes = bytes
    base = offset
  }

  /// Where the scanner is in the file.
  var offset: Int { base + position }

  /// Checks the whole text; the other calls rely on it.
  func checkUTF8() throws(Reason) {
    var index = 0
    while index < bytes.count {
      if bytes[index] < 0x80 {
        index += 1
        continue
      }
      // A scalar takes at most 4 bytes.
      var iterator = bytes[index..<min(index + 4, bytes.count)].makeIterator()
      var parser = Unicode.UTF8.ForwardParser()
      guard case .valid(let scalar) = parser.parseScalar(from: &iterator) else {
        throw .invalidUTF8(offset: base + index)
      }
      index += scalar.count
    }
  }

  /// Whether the next character is this one, which stays unread.
  mutating func nextIs(_ character: Unicode.Scalar) -> Bool {
    skipSpace()
    return peek == UInt8(ascii: character)
  }

  /// Reads an object; `member` is called behind each key and colon and must read the value.
  mutating func object(_ member: (inout JSONScanner, String) throws(Reason) -> Void) throws(Reason) {
    try expect("{", "an object, '{'")
    if take("}") { return }
    repeat {
      let key = try string()
      try expect(":", "':' behind a key")
      try member(&self, key)
    } while take(",")
    try expect("}", "',' or '}' behind a value")
  }

  /// Reads a list of non-negative integers.
  mutating func integers() throws(Reason) -> [Int] {
    try expect("[", "a list of integers, '['")
    var values: [Int] = []
    if take("]") { return values }
    repeat { values.append(try integer()) } while take(",")
    try expect("]", "',' or ']' behind an integer")
    return values
  }

  /// Reads an integer: digits only, without a sign, fraction, exponent or leading zero.
  mutating func integer() throws(Reason) -> Int {
    skipSpace()
    let start = position
    var value = 0
    while let byte = peek, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) {
      let (tens, overflow) = value.multipliedReportingOverflow(by: 10)
      let (sum, carry) = tens.addingReportingOverflow(Int(byte - UInt8(ascii: "0")))
      if overflow || carry { throw .invalidInteger(offset: base + start) }
      value = sum
      position += 1
    }
    let length = position - start
    let hasLeadingZero = length > 1 && bytes[start] == UInt8(ascii: "0")
    let goesOn = peek.map { "+-.eE".utf8.contains($0) } ?? false
    if goesOn || hasLeadingZero { throw .invalidInteger(offset: base + start) }
    if length == 0 { throw .malformedHeader(offset: base + start, expected: "an integer") }
    return value
  }

  /// Reads the end of the text, which may be filled up with white space.
  mutating func end() throws(Reason) {
    skipSpace()
    guard peek == nil else {
      throw .malformedHeader(offset: offset, expected: "only white space behind the last '}'")
    }
  }

  /// Reads a string.
  mutating func string() throws(Reason) -> String {
    try expect("\"", "a string, '\"'")
    var text: [UInt8] = []
    while true {
      guard let byte = peek else { throw .malformedHeader(offset: offset, expected: "'\"' at the end of a string") }
      switch byte {
      case UInt8(ascii: "\""):
        position += 1
        return String(decoding: text, as: UTF8.self)
      case UInt8(ascii: "\\"):
        text.append(contentsOf: String(try escape()).utf8)
      case 0..<0x20:
        throw .malformedHeader(offset: offset, expected: "an escape in place of control character \(byte)")
      default:
        text.append(byte)
        position += 1
      }
    }
  }

  /// Reads an escape, from its backslash on. A character outside the basic plane takes two of them.
  private mutating func escape() throws(Reason) -> Unicode.Scalar {
    let start = offset
    position += 1
    guard let kind = peek else { throw .malformedHeader(offset: start, expected: "a whole escape") }
    position += 1
    switch kind {
    case UInt8(ascii: "\""): return "\""
    case UInt8(ascii: "\\"): return "\\"
    case UInt8(ascii: "/"): return "/"
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{C}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"): break
    default: throw .malformedHeader(offset: start, expected: "one of the escapes \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u")
    }

    let unit = try hexUnit()
    if let scalar = Unicode.Scalar(unit) { return scalar }
    let misplaced = Reason.malformedHeader(offset: start, expected: "surrogates in pairs, the high one first")
    guard UTF16.isLeadSurrogate(unit), peek == UInt8(ascii: "\\") else { throw misplaced }
    position += 1
    guard peek == UInt8(ascii: "u") else { throw misplaced }
    position += 1
    let trail = try hexUnit()
    guard UTF16.isTrailSurrogate(trail) else { throw misplaced }
    return Unicode.Scalar(0x10000 + (UInt32(unit) - 0xD800) << 10 + (UInt32(trail) - 0xDC00))!
  }

  /// Reads the four digits of a `\u` escape.
  private mutating func hexUnit() throws(Reason) -> UInt16 {
    let digits = bytes[position..<min(position + 4, bytes.count)]
    // The initialiser of integers would also take a sign.
    guard digits.count == 4, digits.allSatisfy({ Unicode.Scalar($0).properties.isASCIIHexDigit }),
      let unit = UInt16(String(decoding: digits, as: UTF8.self), radix: 16)
    else { throw .malformedHeader(offset: offset, expected: "four hex digits") }
    position += 4
    return unit
  }

  private var peek: UInt8? { position < bytes.count ? bytes[position] : nil }

  /// What has not been read yet.
  var rest: Slice<UnsafeRawBufferPointer> { bytes[position...] }

  mutating func advance(by count: Int) { position += count }

  mutating func skipSpace() {
    while let byte = peek, Self.isSpace(byte) { position += 1 }
  }

  /// Whether a byte is one of the four that JSON calls white space.
  static func isSpace(_ byte: UInt8) -> Bool { " \t\n\r".utf8.contains(byte) }

  /// Reads this character, if it is next.
  mutating func take(_ character: Unicode.Scalar) -> Bool {
    guard nextIs(character) else { return false }
    position += 1
    return true
  }

  mutating func expect(_ character: Unicode.Scalar, _ expected: String) throws(Reason) {
    guard take(character) else { throw .malformedHeader(offset: offset, expected: expected) }
  }
}
