import MomentumFiles
import XCTest

final class SafetensorsIndexTests: XCTestCase {
  private func parse(_ bytes: [UInt8]) throws(SafetensorsError) -> SafetensorsIndex {
    // A copy of exactly this size, so that a read behind the end is one behind the allocation.
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 8)
    defer { copy.deallocate() }
    copy.copyBytes(from: bytes)
    return try SafetensorsIndex.parse(UnsafeRawBufferPointer(copy), file: "test")
  }

  private func parse(_ text: String) throws(SafetensorsError) -> SafetensorsIndex { try parse(Array(text.utf8)) }

  private func assertRefused(_ text: String, _ reason: SafetensorsError.Reason, line: UInt = #line) {
    XCTAssertThrowsError(try parse(text), text, line: line) { error in
      XCTAssertEqual(error as? SafetensorsError, SafetensorsError(file: "test", reason: reason), line: line)
    }
  }

  func testAnIndexAsTransformersWritesIt() throws {
    let index = try parse(
      """
      {
        "metadata": {"total_parameters": 6, "total_size": 24},
        "weight_map": {
          "lm_head.weight": "model-00002-of-00002.safetensors",
          "model.embed.weight": "model-00001-of-00002.safetensors",
          "model.norm.weight": "model-00002-of-00002.safetensors"
        }
      }

      """)
    XCTAssertEqual(index.totalSize, 24)
    XCTAssertEqual(index.shards, ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"])
    XCTAssertEqual(index.entries.map(\.tensor), ["lm_head.weight", "model.embed.weight", "model.norm.weight"])
    XCTAssertEqual(index.entries[1].shard, "model-00001-of-00002.safetensors")
    XCTAssertEqual(index.unknownKeys, [])
  }

  func testWhatMeansNothingIsReadOver() throws {
    let index = try parse(
      #"{"format": {"a": [1, {"b": null}]}, "weight_map": {"w": "a\u002Esafetensors"}, "metadata": {"total_size": 1.5e3}}"#
    )
    XCTAssertEqual(index.unknownKeys, ["format"])
    XCTAssertNil(index.totalSize)
    XCTAssertEqual(index.entries, [SafetensorsIndex.Entry(tensor: "w", shard: "a.safetensors")])
    XCTAssertEqual(try parse(#"{"weight_map": {}}"#).shards, [])
    for metadata in ["null", "[24]", "24", #""24""#] {
      let index = try parse(#"{"metadata": \#(metadata), "weight_map": {"w": "a.safetensors"}}"#)
      XCTAssertEqual(index.shards, ["a.safetensors"])
      XCTAssertNil(index.totalSize)
    }
  }

  func testTextThatIsNoIndex() throws {
    assertRefused("", .foreign(.empty))
    assertRefused("<html><body>404</body></html>", .foreign(.html))
    assertRefused("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", .foreign(.gitLFSPointer))
    // The advice for a file of tensors would lead in a circle.
    assertRefused("\u{FEFF}{\"weight_map\": {}}", .malformedIndex(offset: 0, expected: "an object, '{'"))
    assertRefused("[\"weight_map\"]", .malformedIndex(offset: 0, expected: "an object, '{'"))
    assertRefused("{}", .noWeightMap)
    assertRefused(#"{"metadata": {"total_size": 1}}"#, .noWeightMap)
    assertRefused(#"{"weight_map": []}"#, .malformedIndex(offset: 15, expected: "an object, '{'"))
    assertRefused(#"{"weight_map": {"w": 1}}"#, .malformedIndex(offset: 21, expected: "a string, '\"'"))
    assertRefused(
      #"{"weight_map": {}} x"#, .malformedIndex(offset: 19, expected: "only white space behind the last '}'"))
    assertRefused(#"{"weight_map": {}"#, .malformedIndex(offset: 17, expected: "',' or '}' behind a value"))
    XCTAssertThrowsError(try parse(Array(#"{"weight_map": {"#.utf8) + [0xFF])) { error in
      XCTAssertEqual(
        (error as? SafetensorsError)?.reason, .malformedIndex(offset: 16, expected: "well-formed UTF-8"))
    }
  }

  /// What exceeds a limit is refused when it is met; what reaches it is read.
  func testLimits() throws {
    let tooLong = SafetensorsIndex.maximumLength + 1
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: tooLong, alignment: 1)
    defer { bytes.deallocate() }
    // Nobody looks at the bytes.
    XCTAssertThrowsError(try SafetensorsIndex.parse(UnsafeRawBufferPointer(bytes), file: "test")) { error in
      XCTAssertEqual(
        (error as? SafetensorsError)?.reason, .indexTooLarge(what: "bytes", count: tooLong, most: 100_000_000))
    }

    func map(_ count: Int, _ shard: (Int) -> String) -> String {
      "{\"weight_map\":{" + (0..<count).map { "\"\($0)\":\"\(shard($0)).safetensors\"" }.joined(separator: ",") + "}}"
    }
    let shards = SafetensorsIndex.maximumShardCount
    XCTAssertEqual(try parse(map(shards) { "\($0)" }).shards.count, shards)
    assertRefused(map(shards + 1) { "\($0)" }, .indexTooLarge(what: "files", count: 100_001, most: 100_000))
    let tensors = SafetensorsIndex.maximumTensorCount
    assertRefused(map(tensors + 1) { _ in "a" }, .indexTooLarge(what: "tensors", count: 1_048_577, most: 1_048_576))

    for (before, after) in [(#"{"x": "#, #", "weight_map": {}}"#), (#"{"weight_map": {}, "metadata": {"x": "#, "}}")] {
      func deep(_ depth: Int) -> String {
        before + String(repeating: "[", count: depth) + String(repeating: "]", count: depth) + after
      }
      XCTAssertNoThrow(try parse(deep(62)))
      assertRefused(
        deep(63),
        .malformedIndex(offset: before.utf8.count + 62, expected: "at most 62 objects and lists in each other"))
    }
  }

  func testKeysThatOccurTwice() {
    assertRefused(
      #"{"weight_map": {"w": "a.safetensors", "v": "a.safetensors", "w": "b.safetensors"}}"#,
      .duplicateKey(key: "w", object: "weight_map"))
    assertRefused(#"{"weight_map": {}, "weight_map": {}}"#, .duplicateKey(key: "weight_map", object: "index"))
    // Two spellings of "é" are two names.
    XCTAssertNoThrow(
      try parse("{\"weight_map\": {\"\u{E9}\": \"a.safetensors\", \"e\u{301}\": \"a.safetensors\"}}"))
  }

  func testNamesOfFiles() throws {
    let faults: [(name: String, fault: ShardNameFault)] = [
      ("", .empty), (#"a\\b.safetensors"#, .backslash), (#"\u0000.safetensors"#, .control),
      (#"a\n.safetensors"#, .control), (#"a\u007f.safetensors"#, .control), (#"a\u0085.safetensors"#, .control),
      ("/a.safetensors", .absolute), ("C:/a.safetensors", .absolute), ("//host/a.safetensors", .absolute),
      ("../a.safetensors", .parent), ("a/../../b.safetensors", .parent), ("a//b.safetensors", .emptyComponent),
      ("./a.safetensors", .emptyComponent), ("a/./b.safetensors", .emptyComponent), ("a/", .emptyComponent),
      ("a.bin", .ending), ("a.safetensors.exe", .ending), ("safetensors", .ending), ("..", .parent),
    ]
    for (name, fault) in faults {
      let text = #"{"weight_map": {"v": "b.safetensors", "w": "\#(name)"}}"#
      XCTAssertThrowsError(try parse(text), name) { error in
        guard case .refusedShardName(_, "w", fault) = (error as? SafetensorsError)?.reason else {
          return XCTFail("\(name): \(error)")
        }
        XCTAssertFalse("\(error)".unicodeScalars.contains { $0.properties.generalCategory == .control }, name)
      }
    }
    XCTAssertEqual(Set(faults.map(\.fault)).count, ShardNameFault.allCases.count)
    for name in ["a.safetensors", "sub/a-1.safetensors", "..a.safetensors", "a..safetensors", "\u{E9}.safetensors"] {
      XCTAssertEqual(try parse(#"{"weight_map": {"w": "\#(name)"}}"#).shards, [name])
    }
  }

  func testMessages() {
    func message(_ text: String) -> String {
      do { _ = try parse(text) } catch { return "\(error)" }
      return ""
    }
    XCTAssertEqual(
      message(#"{"weight_map": {"w": "../a.safetensors"}}"#),
      "test: the index places tensor 'w' in the file '../a.safetensors', whose name leads to the folder above; expected "
        + "the name of a .safetensors file in the folder of the index")
    XCTAssertEqual(
      message("{}"), "test: the index has no 'weight_map'; expected an object that gives each tensor its file")
    XCTAssertEqual(
      message(#"{"weight_map": 1}"#), "test: the index is malformed at byte 15; expected an object, '{'")
    XCTAssertEqual(
      message(#"{"weight_map": {"w": "a.safetensors", "w": "a.safetensors"}}"#),
      "test: the key 'w' occurs twice in 'weight_map'; expected unique keys")
  }

  /// No byte that is changed, added or left out makes anything worse than an error of one line.
  func testDamage() throws {
    let text =
      Array(
        #"{"metadata": {"total_size": 24}, "weight_map": {"a": "x-1.safetensors", "b\u00e9": "x-2.safetensors"}, "k": [1, "#
          .utf8) + Array(#"{"z": null}]}"#.utf8)
    XCTAssertNoThrow(try parse(text))
    var refused = 0
    func check(_ bytes: [UInt8]) {
      do {
        let index = try parse(bytes)
        XCTAssertTrue(index.shards.allSatisfy { !$0.isEmpty && $0.hasSuffix(".safetensors") && !$0.hasPrefix("/") })
      } catch {
        refused += 1
        XCTAssertFalse("\(error)".contains("\n"))
      }
    }
    for position in text.indices {
      for byte: UInt8 in [0, 0x22, 0x2C, 0x2F, 0x5C, 0x7B, 0x7D, 0xC3, 0xFF] {
        var changed = text
        changed[position] = byte
        check(changed)
        changed.insert(text[position], at: position)
        check(changed)
      }
      check(Array(text[..<position]))
      check(Array(text[..<position] + text[(position + 1)...]))
    }
    XCTAssertGreaterThan(refused, 1000)
  }
}
