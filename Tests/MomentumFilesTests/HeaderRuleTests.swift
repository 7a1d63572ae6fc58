import MomentumFiles
import XCTest

/// One corrupt file for each rule of the format; the errors are compared whole.
final class HeaderRuleTests: XCTestCase {
  private func info(_ dtype: String, _ shape: String, _ offsets: String) -> String {
    #"{"dtype":"\#(dtype)","shape":\#(shape),"data_offsets":\#(offsets)}"#
  }

  func testReadsAWholeHeader() throws {
    let text = #"{"__metadata__":{"k":"v"},"b":\#(info("F32", "[2,3]", "[8,32]")),"a":\#(info("F64", "[]", "[0,8]"))} "#
    let header = try parse(fileBytes(text, dataCount: 32))
    XCTAssertEqual(
      header.tensors,
      [
        SafetensorsTensor(name: "a", dtype: .f64, shape: [], count: 1, dataRange: 0..<8),
        SafetensorsTensor(name: "b", dtype: .f32, shape: [2, 3], count: 6, dataRange: 8..<32),
      ])
    XCTAssertEqual(header.metadata, ["k": "v"])
    XCTAssertEqual(header.dataStart, 8 + text.utf8.count)
  }

  func testAFileOfNothingIsLegal() throws {
    let header = try parse(fileBytes("{}"))
    XCTAssertEqual(header.tensors, [])
    XCTAssertEqual(header.metadata, [:])
  }

  // MARK: Rule 1

  func testFewerThanEightBytes() {
    for count in 1..<8 {
      assertRefused([UInt8](repeating: 0, count: count), .tooShort(bytes: count))
    }
  }

  func testHeaderLongerThanAllowed() {
    for length in [100_000_001, UInt64(Int.max) - 7, UInt64(Int.max), UInt64.max - 7, UInt64.max] {
      let bytes = withUnsafeBytes(of: length.littleEndian) { Array($0) } + Array("{}".utf8)
      assertRefused(bytes, .headerTooLong(length: length))
    }
  }

  func testHeaderBehindTheEnd() {
    let bytes = fileBytes("{} ")
    assertRefused(Array(bytes.dropLast()), .headerBeyondEnd(length: 3, fileBytes: 10))
    assertRefused([0, 0xE1, 0xF5, 0x05, 0, 0, 0, 0], .headerBeyondEnd(length: 100_000_000, fileBytes: 8))
  }

  func testHeaderWithoutBrace() {
    assertRefused(fileBytes("[]"), .headerStart(found: 91))
    assertRefused(fileBytes(" \n[]"), .headerStart(found: 91))
    assertRefused(fileBytes("\u{FEFF}{}"), .headerStart(found: 0xEF))
    assertRefused(fileBytes(""), .headerStart(found: nil))
    assertRefused(fileBytes(" \t"), .headerStart(found: nil))
  }

  // MARK: Rule 3

  func testUnknownDtype() {
    for name in ["F33", "f32", "", "F32 "] {
      assertRefused(
        fileBytes(#"{"a":\#(info(name, "[1]", "[0,4]"))}"#, dataCount: 4), .unknownDtype(tensor: "a", dtype: name))
    }
  }

  func testEveryDtypeHasItsSize() throws {
    let bits = [
      "BOOL": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8,
      "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32,
      "C64": 64, "F64": 64, "I64": 64,
      "U64": 64,
    ]
    XCTAssertEqual(Set(bits.keys), Set(SafetensorsDtype.allCases.map(\.rawValue)))
    for (name, width) in bits {
      // Four elements fill whole bytes of any type.
      let bytes = width / 2
      let text = #"{"a":\#(info(name, "[4]", "[0,\(bytes)]"))}"#
      let header = try parse(fileBytes(text, dataCount: bytes))
      XCTAssertEqual(header.tensors.map(\.count), [4])
      let wrong = #"{"a":\#(info(name, "[4]", "[0,\(bytes + 1)]"))}"#
      assertRefused(
        fileBytes(wrong, dataCount: bytes + 1), .byteCountMismatch(tensor: "a", bytes: bytes + 1, expected: bytes))
    }
  }

  func testSizesThatOverflow() {
    for (shape, extents) in [
      ("[9223372036854775807]", [Int.max]), ("[4294967296,2147483648]", [4_294_967_296, 2_147_483_648]),
      ("[288230376151711744]", [1 << 58]), ("[9223372036854775807,2]", [Int.max, 2]),
    ] {
      assertRefused(
        fileBytes(#"{"a":\#(info("F32", shape, "[0,0]"))}"#),
        .sizeOverflow(tensor: "a", dtype: .f32, shape: extents))
    }
  }

  func testEmptyIsEmptyWhereverTheZeroStands() throws {
    for shape in [
      [0, 1 << 40, 1 << 40], [1 << 40, 1 << 40, 0], [1 << 40, 0, 1 << 40], [Int.max, 2, 0], [0, Int.max, 2], [0, 0],
    ] {
      let header = try parse(fileBytes(#"{"a":\#(info("F4", "\(shape)", "[0,0]"))}"#))
      XCTAssertEqual(header.tensors.map(\.shape), [shape])
      XCTAssertEqual(header.tensors[0].count, 0)
      var writer = SafetensorsWriter(path: "none")
      XCTAssertEqual(try writer.add("a", dtype: .f64, shape: shape) { _ in }, 0)
    }
    var writer = SafetensorsWriter(path: "none")
    assertThrows(SafetensorsError(file: "none", reason: .sizeOverflow(tensor: "a", dtype: .f64, shape: [-1, 0]))) {
      try writer.add("a", dtype: .f64, shape: [-1, 0]) { _ in }
    }
  }

  func testPartlyUsedByte() {
    assertRefused(
      fileBytes(#"{"a":\#(info("F4", "[3]", "[0,2]"))}"#, dataCount: 2),
      .partialByte(tensor: "a", dtype: .f4, shape: [3]))
    assertRefused(
      fileBytes(#"{"a":\#(info("F6_E2M3", "[2]", "[0,2]"))}"#, dataCount: 2),
      .partialByte(tensor: "a", dtype: .f6E2M3, shape: [2]))
  }

  // MARK: Rule 4

  func testHoles() {
    assertRefused(
      fileBytes(#"{"a":\#(info("F32", "[1]", "[4,8]"))}"#, dataCount: 8),
      .notContiguous(tensor: "a", begin: 4, expected: 0))
    assertRefused(
      fileBytes(#"{"a":\#(info("F32", "[1]", "[0,4]")),"b":\#(info("F32", "[1]", "[5,9]"))}"#, dataCount: 9),
      .notContiguous(tensor: "b", begin: 5, expected: 4))
  }

  func testOverlaps() {
    assertRefused(
      fileBytes(#"{"a":\#(info("F32", "[2]", "[0,8]")),"b":\#(info("F32", "[2]", "[4,12]"))}"#, dataCount: 12),
      .notContiguous(tensor: "b", begin: 4, expected: 8))
    assertRefused(
      fileBytes(#"{"a":\#(info("F32", "[1]", "[0,4]")),"b":\#(info("F32", "[1]", "[0,4]"))}"#, dataCount: 4),
      .notContiguous(tensor: "b", begin: 0, expected: 4))
  }

  func testReversedOffsets() {
    assertRefused(
      fileBytes(#"{"a":\#(info("F32", "[1]", "[0,4]")),"b":\#(info("F32", "[1]", "[4,0]"))}"#, dataCount: 4),
      .reversedOffsets(tensor: "b", begin: 4, end: 0))
  }

  func testSizeThatContradictsTheShape() {
    assertRefused(
      fileBytes(#"{"a":\#(info("F32", "[2]", "[0,4]"))}"#, dataCount: 4),
      .byteCountMismatch(tensor: "a", bytes: 4, expected: 8))
    assertRefused(
      fileBytes(#"{"a":\#(info("F64", "[0]", "[0,8]"))}"#, dataCount: 8),
      .byteCountMismatch(tensor: "a", bytes: 8, expected: 0))
  }

  func testEmptyTensorsMayShareAPlace() throws {
    let text =
      #"{"full":\#(info("F32", "[1]", "[0,4]")),"none":\#(info("F32", "[0]", "[0,0]")),"#
      + #""end":\#(info("F64", "[2,0]", "[4,4]")),"end2":\#(info("F32", "[0]", "[4,4]"))}"#
    let header = try parse(fileBytes(text, dataCount: 4))
    XCTAssertEqual(header.tensors.map(\.name), ["none", "full", "end", "end2"])
  }

  // MARK: Rule 5

  func testEndOfTheFile() {
    let text = #"{"a":\#(info("F32", "[2]", "[0,8]"))}"#
    let size = 8 + text.utf8.count
    assertRefused(fileBytes(text, dataCount: 7), .truncated(fileBytes: size + 7, expected: size + 8))
    assertRefused(fileBytes(text, dataCount: 0), .truncated(fileBytes: size, expected: size + 8))
    assertRefused(fileBytes(text, dataCount: 9), .trailingBytes(fileBytes: size + 9, expected: size + 8))
    assertRefused(fileBytes("{}", dataCount: 1), .trailingBytes(fileBytes: 11, expected: 10))
  }

  func testEndThatOverflows() {
    // Eight tensors of the greatest size, whose end is 7 bytes short of the greatest offset.
    let most = Int.max / 8
    let entries = (0..<8).map { #""\#($0)":\#(info("U8", "[\(most)]", "[\($0 * most),\(($0 + 1) * most)]"))"# }
    let text = "{\(entries.joined(separator: ","))}"
    assertRefused(fileBytes(text), .truncated(fileBytes: 8 + text.utf8.count, expected: Int.max))
  }

  // MARK: Order

  /// A file that breaks every rule is refused for the first; each repair shows the next.
  func testRulesAreCheckedInOrder() {
    let wrongSize = #""b":\#(info("F32", "[2]", "[0,4]"))"#
    let unknown = #""a":\#(info("F33", "[1]", "[9,4]"))"#
    assertRefused(fileBytes("X\(unknown),\"x\":1.5}"), .headerStart(found: 88))
    let fraction = "{\(wrongSize),\(unknown),"
    assertRefused(
      fileBytes(fraction + #""c":{"shape":[1.5]}}"#), .invalidInteger(offset: 8 + fraction.utf8.count + 14))
    assertRefused(fileBytes("{\(wrongSize),\(unknown)}"), .unknownDtype(tensor: "a", dtype: "F33"))
    assertRefused(fileBytes("{\(wrongSize)}"), .byteCountMismatch(tensor: "b", bytes: 4, expected: 8))
    let right = "{\(#""b":\#(info("F32", "[1]", "[0,4]"))"#)}"
    assertRefused(fileBytes(right), .truncated(fileBytes: 8 + right.utf8.count, expected: 12 + right.utf8.count))
  }
}
