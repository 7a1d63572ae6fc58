import MomentumFiles
import XCTest

/// Rule 2: the text of the header is UTF-8 and JSON of the right form, read more strictly than usual decoders do.
final class HeaderTextTests: XCTestCase {
  /// A header with one entry made of these members.
  private func tensor(_ members: String) -> [UInt8] { fileBytes("{\"a\":{\(members)}}") }

  /// A header that names one empty tensor; the name is written as given, escapes and all.
  private func named(_ name: [UInt8]) -> [UInt8] {
    fileBytes(header: Array("{\"".utf8) + name + Array(#"":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}"#.utf8))
  }

  private func assertName(_ spelling: String, is name: String, line: UInt = #line) throws {
    let header = try parse(named(Array(spelling.utf8)))
    XCTAssertEqual(header.tensors.map { Array($0.name.utf8) }, [Array(name.utf8)], line: line)
  }

  func testIllFormedUTF8() {
    // A lone continuation, a cut sequence, overlong forms, a surrogate, above the last plane, bytes never used.
    for bytes: [UInt8] in [
      [0x80], [0xC3], [0xE2, 0x82], [0xC0, 0xAF], [0xE0, 0x80, 0xAF], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80],
      [0xF0, 0x9F, 0x98], [0xFE], [0xFF],
    ] {
      assertRefused(named([0x61] + bytes), .invalidUTF8(offset: 11))
    }
  }

  func testUTF8IsCheckedBeforeTheGrammar() {
    assertRefused(fileBytes(header: Array("{nonsense".utf8) + [0xFF]), .invalidUTF8(offset: 17))
  }

  func testNamesOfAnyCharacters() throws {
    for name in ["", "é", "e\u{301}", "日本語", "\u{1F600}", "a b/c.d", "\u{7F}", "\u{FFFF}", "\u{10FFFF}"] {
      try assertName(name, is: name)
    }
  }

  func testEscapes() throws {
    try assertName(#"\"\\\/\b\f\n\r\t"#, is: "\"\\/\u{8}\u{C}\n\r\t")
    try assertName(#"\u0041\u00e9\u00E9\u20ac\u0000"#, is: "A\u{E9}\u{E9}\u{20AC}\0")
    try assertName(#"\ud83d\ude00\uDBFF\uDFFF"#, is: "\u{1F600}\u{10FFFF}")
  }

  func testWrongEscapes() {
    for spelling in [#"\x"#, #"\U0041"#, #"\'"#] {
      assertRefused(
        named(Array(spelling.utf8)),
        .malformedHeader(offset: 10, expected: "one of the escapes \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u"))
    }
    for spelling in [#"\u12"#, #"\u+123"#, #"\u12g4"#] {
      assertRefused(named(Array(spelling.utf8)), .malformedHeader(offset: 12, expected: "four hex digits"))
    }
    for spelling in [#"\ud83d"#, #"\ude00"#, #"\ude00\ud83d"#, #"\ud83d\u0041"#, #"\ud83d\n"#, #"\ud83dx"#] {
      assertRefused(
        named(Array(spelling.utf8)),
        .malformedHeader(offset: 10, expected: "surrogates in pairs, the high one first"))
    }
    assertRefused(fileBytes(#"{"a\"#), .malformedHeader(offset: 11, expected: "a whole escape"))
    assertRefused(fileBytes(#"{"a\u00"#), .malformedHeader(offset: 13, expected: "four hex digits"))
  }

  func testControlCharactersMustBeEscaped() {
    for byte in UInt8(0)..<0x20 {
      assertRefused(
        named([byte]), .malformedHeader(offset: 10, expected: "an escape in place of control character \(byte)"))
    }
  }

  func testGrammar() {
    for (text, offset, expected) in [
      ("{", 9, "a string, '\"'"), (#"{"a"#, 11, "'\"' at the end of a string"), (#"{"a""#, 12, "':' behind a key"),
      (#"{"a":"#, 13, "an object, '{'"), ("{a:1}", 9, "a string, '\"'"),
      ("{,}", 9, "a string, '\"'"), (#"{"__metadata__":{},}"#, 27, "a string, '\"'"),
      (#"{"__metadata__":{} "b"}"#, 27, "',' or '}' behind a value"), (#"{"a":null}"#, 13, "an object, '{'"),
      (#"{"__metadata__":nul}"#, 24, "an object, '{'"), (#"{"__metadata__":nullx}"#, 28, "',' or '}' behind a value"),
      (#"{"a":[]}"#, 13, "an object, '{'"),
      (#"{"a":{"shape":3}}"#, 22, "a list of integers, '['"),
      (#"{"a":{"shape":[1 2]}}"#, 25, "',' or ']' behind an integer"),
      (#"{"a":{"shape":[1,]}}"#, 25, "an integer"), (#"{"a":{"shape":["1"]}}"#, 23, "an integer"),
      (#"{"a":{"shape":[[1]]}}"#, 23, "an integer"), (#"{"a":{"dtype":3}}"#, 22, "a string, '\"'"),
      (#"{"a":{"data_offsets":[0]}}"#, 29, "two data offsets"),
      (#"{"a":{"data_offsets":[0,1,2]}}"#, 29, "two data offsets"),
      ("{}}", 10, "only white space behind the last '}'"),
      ("{} {}", 11, "only white space behind the last '}'"),
      ("{}\0", 10, "only white space behind the last '}'"),
      ("{}\u{B}", 10, "only white space behind the last '}'"),
    ] {
      assertRefused(fileBytes(text), .malformedHeader(offset: offset, expected: expected))
    }
  }

  func testWhiteSpace() throws {
    let text =
      "{ \n\t\r\"a\" : {\"dtype\" : \"F32\" ,\n\"shape\" : [ 1 , 2 ] , \"data_offsets\" : [ 0 , 8 ] } , "
      + "\"__metadata__\":{ } }   "
    for text in [text, "\n\t\r \(text)", "\(text)\r\n\t "] {
      let header = try parse(fileBytes(text, dataCount: 8))
      XCTAssertEqual(header.tensors.map(\.shape), [[1, 2]])
      XCTAssertEqual(header.dataStart, 8 + text.utf8.count)
    }
  }

  func testNumbersThatAreNoPlainIntegers() {
    for number in [
      "-1", "-0", "+1", "1.0", "1.5", "1e3", "1E3", "01", "00", "9223372036854775808", "18446744073709551616",
      "99999999999999999999999999", ".5", "1.",
    ] {
      assertRefused(tensor(#""shape":[\#(number)]"#), .invalidInteger(offset: 23))
      assertRefused(tensor(#""data_offsets":[0,\#(number)]"#), .invalidInteger(offset: 32))
    }
    for word in ["NaN", "Infinity", "true", "null", "0x10", "1_000"] {
      XCTAssertThrowsError(try parse(tensor(#""shape":[\#(word)]"#)))
    }
  }

  func testDuplicateKeys() {
    let info = #"{"dtype":"F32","shape":[0],"data_offsets":[0,0]}"#
    assertRefused(fileBytes(#"{"a":\#(info),"a":\#(info)}"#), .duplicateKey(key: "a", object: ""))
    assertRefused(fileBytes(#"{"a":\#(info),"\u0061":\#(info)}"#), .duplicateKey(key: "a", object: ""))
    assertRefused(
      fileBytes(#"{"__metadata__":{},"__metadata__":{}}"#), .duplicateKey(key: "__metadata__", object: ""))
    assertRefused(
      fileBytes(#"{"__metadata__":null,"__metadata__":{}}"#), .duplicateKey(key: "__metadata__", object: ""))
    assertRefused(tensor(#""dtype":"F32","dtype":"F32""#), .duplicateKey(key: "dtype", object: "a"))
    assertRefused(tensor(#""shape":[],"shape":[]"#), .duplicateKey(key: "shape", object: "a"))
    assertRefused(
      tensor(#""data_offsets":[0,0],"data_offsets":[0,0]"#), .duplicateKey(key: "data_offsets", object: "a"))
  }

  /// For Swift's `String` these are equal, for the format they are not.
  func testNamesAreToldApartByTheirBytes() throws {
    let info = #"{"dtype":"F32","shape":[0],"data_offsets":[0,0]}"#
    let header = try parse(fileBytes("{\"e\u{301}\":\(info),\"\u{E9}\":\(info)}"))
    XCTAssertEqual(header.tensors.map { $0.name.utf8.count }, [3, 2])
  }

  func testMetadataKeysAreToldApartByTheirBytes() throws {
    let header = try parse(fileBytes("{\"__metadata__\":{\"e\u{301}\":\"1\",\"\u{E9}\":\"2\"}}"))
    XCTAssertEqual(header.metadata.count, 2)
    XCTAssertEqual(header.metadata["e\u{301}"], "1")
    XCTAssertEqual(header.metadata["\u{E9}"], "2")
  }

  /// As the reference has them.
  func testMetadataThatAreNullOrHaveAKeyTwice() throws {
    XCTAssertEqual(try parse(fileBytes(#"{"__metadata__":null}"#)).metadata, [:])
    XCTAssertEqual(try parse(fileBytes(#"{"__metadata__": null }"#)).metadata, [:])
    XCTAssertEqual(try parse(fileBytes(#"{"__metadata__":{"k":"1","l":"","k":"2"}}"#)).metadata, ["k": "2", "l": ""])
  }

  func testMetadataIsText() {
    for value in ["1", "null", "true", "{}", "[]"] {
      assertRefused(fileBytes(#"{"__metadata__":{"k":\#(value)}}"#), .metadataNotText(key: "k"))
    }
  }

  func testFields() {
    assertRefused(tensor(#""shape":[0],"data_offsets":[0,0]"#), .missingField(tensor: "a", field: "dtype"))
    assertRefused(tensor(#""dtype":"F32","data_offsets":[0,0]"#), .missingField(tensor: "a", field: "shape"))
    assertRefused(tensor(#""dtype":"F32","shape":[0]"#), .missingField(tensor: "a", field: "data_offsets"))
  }

  private static let fields = #""dtype":"F32","shape":[1],"data_offsets":[0,4]"#

  /// Whatever else an entry says is read over, if it is JSON. The reference gives the same verdict on each of these.
  func testFurtherFields() throws {
    let nested = String(repeating: "[", count: 125) + String(repeating: "]", count: 125)
    for value in [
      "1", "-1.5e3", "-0", "0", "1E+5", "0.1e-3", "123456789012345678901234567890", #""text \u00e9""#, "true", "false",
      "null",
      "{}", "[]", "[ ]", #"{"y":[1,{"z":null}],"t":true, "f" : false}"#, #"[1,"]",{"}":[]}]"#, nested,
    ] {
      for members in ["\(Self.fields),\"x\":\(value)", "\"x\": \(value) ,\(Self.fields),\"x\":0"] {
        let header = try parse(fileBytes("{\"a\":{\(members)}}", dataCount: 4))
        XCTAssertEqual(header.tensors.map(\.count), [1], members)
      }
    }
  }

  func testFurtherFieldsThatAreNotJSON() {
    let place = 8 + #"{"a":{"x":"#.utf8.count
    for (value, offset, expected) in [
      ("tru", 0, "a value"), ("01", 0, "a value"), ("-", 0, "a value"), ("1.", 0, "a value"), (".5", 0, "a value"),
      ("1e", 0, "a value"), ("1e+", 0, "a value"), ("NaN", 0, "a value"), ("+1", 0, "a value"), ("", 0, "a value"),
      ("1e999", 0, "a number that Double can hold"), ("[1,]", 3, "a value"), ("[,]", 1, "a value"),
      ("[1 2]", 3, "',' or ']' behind a value"), ("[1}", 2, "',' or ']' behind a value"),
      (#"{"a":1]"#, 6, "',' or '}' behind a value"), (#"{"a":1,}"#, 7, "a string, '\"'"),
      ("{1:1}", 1, "a string, '\"'"),
      (#"{"a" 1}"#, 5, "':' behind a key"), (#""\q""#, 1, "one of the escapes \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u"),
      (#""\ud800""#, 1, "surrogates in pairs, the high one first"),
    ] {
      assertRefused(
        tensor("\"x\":\(value),\(Self.fields)"), .malformedHeader(offset: place + offset, expected: expected))
    }
  }

  /// A parser that recursed would need a stack as deep as this text.
  func testDeepNesting() {
    let expected = "at most 125 objects and lists in each other"
    for opening in ["[", #"{"a":"#] {
      for depth in [126, 1_000_000] {
        let text = #"{"a":{"x":"# + String(repeating: opening, count: depth)
        assertRefused(
          fileBytes(text), .malformedHeader(offset: 8 + 10 + 125 * opening.utf8.count, expected: expected))
      }
    }
  }

  func testMessagesStayOnOneLine() {
    let error = SafetensorsError(file: "f", reason: .unknownTensor(name: "a\n\u{2028}\u{1B}[31mé"))
    XCTAssertEqual(
      error.description,
      "f: has no tensor 'a\\n\\u{2028}\\u{1B}[31mé'; expected the name of one of its tensors")
  }
}
