import Foundation
import MomentumFiles
import XCTest

final class SafetensorsSetTests: FolderTestCase {
  /// Writes a file whose tensors have one element each.
  private func write(_ name: String, _ tensors: [String: Float], metadata: SafetensorsMetadata = [:]) throws {
    var writer = SafetensorsWriter(path: path(name), metadata: metadata)
    let names = tensors.keys.sorted()
    try names.map { tensors[$0]! }.withUnsafeBufferPointer { values in
      for (index, tensor) in names.enumerated() {
        try writer.add(tensor, shape: [1], values: UnsafeBufferPointer(rebasing: values[index...index]))
      }
      try writer.write()
    }
  }

  private func writeIndex(_ map: [String: String], totalSize: String? = nil, as name: String = "model") throws {
    let entries = map.sorted { $0.key < $1.key }.map { "\"\($0.key)\": \"\($0.value)\"" }.joined(separator: ", ")
    let size = totalSize.map { "\"metadata\": {\"total_size\": \($0)}, " } ?? ""
    try store(Array("{\(size)\"weight_map\": {\(entries)}}".utf8), as: "\(name).safetensors.index.json")
  }

  private func writeTwoShards() throws {
    try write("m-1-of-2.safetensors", ["a": 1, "b": 2])
    try write("m-2-of-2.safetensors", ["c": 3])
    try writeIndex(
      ["a": "m-1-of-2.safetensors", "b": "m-1-of-2.safetensors", "c": "m-2-of-2.safetensors"], totalSize: "12")
  }

  private func assertRefused(
    _ paths: [String], _ file: String, _ reason: SafetensorsError.Reason, line: UInt = #line
  ) {
    assertThrows(SafetensorsError(file: file, reason: reason), { _ = try SafetensorsSet(paths: paths) }, line: line)
  }

  private func values(_ set: SafetensorsSet) throws -> [String: Float] {
    try Dictionary(
      uniqueKeysWithValues: set.tensors.map { place in
        (place.tensor.name, try place.file.withUnsafeBuffer(of: place.tensor.name, as: Float.self) { $0[0] })
      })
  }

  private let whole: [String: Float] = ["a": 1, "b": 2, "c": 3]

  func testTheSameTensorsByEveryPath() throws {
    try writeTwoShards()
    let index = path("model.safetensors.index.json")
    let shards = ["m-1-of-2.safetensors", "m-2-of-2.safetensors"].map(path)
    for paths in [[folder], [folder + "/"], [index], shards, shards.reversed()] {
      let set = try SafetensorsSet(paths: paths)
      XCTAssertEqual(try values(set), whole)
      XCTAssertEqual(set.files.count, 2)
      XCTAssertEqual(set.warnings, [])
      XCTAssertNoThrow(try set.checkUnchanged())
    }
    XCTAssertEqual(try SafetensorsSet(paths: [folder]).indices.map(\.index.totalSize), [12])
  }

  func testShardsBehindLinksAsInADownloadCache() throws {
    try FileManager.default.createDirectory(atPath: path("blobs"), withIntermediateDirectories: true)
    try FileManager.default.createDirectory(atPath: path("snapshot"), withIntermediateDirectories: true)
    try writeTwoShards()
    for (number, name) in try names.filter({ $0.contains("safetensors") }).enumerated() {
      try FileManager.default.moveItem(atPath: path(name), toPath: path("blobs/\(number)"))
      try FileManager.default.createSymbolicLink(
        atPath: path("snapshot/\(name)"), withDestinationPath: "../blobs/\(number)")
    }
    XCTAssertEqual(try values(SafetensorsSet(paths: [path("snapshot")])), whole)
  }

  func testFolders() throws {
    assertRefused([folder], folder, .ambiguousFolder(candidates: []))
    try write("one.safetensors", ["a": 1])
    try write(".hidden.safetensors", ["a": 1])
    try store([1, 2], as: "config.json")
    XCTAssertEqual(try values(SafetensorsSet(paths: [folder])), ["a": 1])
    try write("two.safetensors", ["b": 2])
    assertRefused([folder], folder, .ambiguousFolder(candidates: ["one.safetensors", "two.safetensors"]))
    XCTAssertEqual(try values(SafetensorsSet(paths: [path("one.safetensors"), path("two.safetensors")])).count, 2)

    // What an index does not name is never opened.
    try store([0xFF], as: "stray.safetensors")
    try writeIndex(["a": "one.safetensors", "b": "two.safetensors"])
    XCTAssertEqual(try values(SafetensorsSet(paths: [folder])), ["a": 1, "b": 2])
    try writeIndex(["a": "one.safetensors"], as: "model.fp16")
    assertRefused(
      [folder], folder,
      .ambiguousFolder(
        candidates: ["model.fp16.safetensors.index.json", "model.safetensors.index.json"]
          + ["one.safetensors", "stray.safetensors", "two.safetensors"]))
  }

  func testMissingShardsAreNamedTogether() throws {
    try writeTwoShards()
    let index = path("model.safetensors.index.json")
    try FileManager.default.removeItem(atPath: path("m-2-of-2.safetensors"))
    assertRefused([folder], index, .missingShards(["m-2-of-2.safetensors"], of: 2))
    try FileManager.default.removeItem(atPath: path("m-1-of-2.safetensors"))
    assertRefused([folder], index, .missingShards(["m-1-of-2.safetensors", "m-2-of-2.safetensors"], of: 2))
    XCTAssertEqual(
      "\(SafetensorsError.Reason.missingShards(["a", "b"], of: 15))", "2 of 15 shards are missing: 'a', 'b'")
    XCTAssertEqual(
      "\(SafetensorsError.Reason.missingShards((0..<10).map { "\($0)" }, of: 15))",
      "10 of 15 shards are missing: '0', '1', '2', '3', '4', '5', '6', '7' and 2 more")
  }

  func testAnIndexWithoutTensorsIsRefused() throws {
    try writeTwoShards()
    try writeIndex([:], totalSize: "0")
    assertRefused([folder], path("model.safetensors.index.json"), .emptyIndex)
    assertRefused(
      [path("m-1-of-2.safetensors"), path("model.safetensors.index.json")], path("model.safetensors.index.json"),
      .emptyIndex)
    XCTAssertEqual(
      "\(SafetensorsError.Reason.emptyIndex)", "the index names no tensor; expected at least one in its 'weight_map'")
  }

  func testIndexAndShardsMustAgree() throws {
    try writeTwoShards()
    let (first, second) = ("m-1-of-2.safetensors", "m-2-of-2.safetensors")
    let index = path("model.safetensors.index.json")
    try writeIndex(["a": first, "b": first, "c": second, "d": second])
    assertRefused([folder], index, .tensorNotInShard(tensor: "d", shard: second))
    try writeIndex(["a": first, "c": second])
    assertRefused([folder], index, .tensorNotInIndex(tensor: "b", shard: first))
    try write(second, ["c": 3, "b": 4])
    try writeIndex(["a": first, "b": first, "c": second])
    assertRefused([folder], path(second), .tensorInTwoFiles(tensor: "b", other: first))
    XCTAssertEqual(
      "\(SafetensorsError(file: "x", reason: .tensorInTwoFiles(tensor: "b", other: "y")))",
      "x: tensor 'b' is in y too; expected each name once in a set of files")
  }

  func testSeveralFilesHaveEachNameOnce() throws {
    try write("one.safetensors", ["a": 1, "b": 2])
    try write("two.safetensors", ["b": 3])
    let (one, two) = (path("one.safetensors"), path("two.safetensors"))
    assertRefused([one, two], two, .tensorInTwoFiles(tensor: "b", other: one))
    assertRefused([one, one], one, .tensorInTwoFiles(tensor: "a", other: one))
  }

  func testPartsOfTensorsAreRefused() throws {
    try write("a.safetensors", ["a": 1], metadata: ["DCP_SHARDING_INFO": "{}"])
    assertRefused([path("a.safetensors")], path("a.safetensors"), .partsOfTensors)
    let part = "shard-00001-model-00001-of-00004.safetensors"
    try write(part, ["a": 1])
    assertRefused([path(part)], path(part), .partsOfTensors)
    XCTAssertEqual(
      "\(SafetensorsError.Reason.partsOfTensors)",
      "holds parts of tensors, of a distributed checkpoint; expected whole tensors: consolidate the checkpoint first")
  }

  func testWhatDoesNoHarmIsAWarning() throws {
    try writeTwoShards()
    let index = path("model.safetensors.index.json")
    let (first, second) = ("m-1-of-2.safetensors", "m-2-of-2.safetensors")
    try writeIndex(["a": first, "b": first, "c": second])
    XCTAssertEqual(try SafetensorsSet(paths: [folder]).warnings, [.noTotalSize(index: index)])
    try writeIndex(["a": first, "b": first, "c": second], totalSize: "13")
    let set = try SafetensorsSet(paths: [folder])
    XCTAssertEqual(set.warnings, [.otherTotalSize(index: index, stated: 13, found: 12)])
    XCTAssertEqual(try values(set), whole)
    XCTAssertEqual(
      set.warnings.map(\.description), ["\(index): gives 13 bytes as the size of all tensors; they have 12"])
  }

  func testNotAllFilesStayOpenAndChangesAreNoticed() throws {
    let shards = (100..<170).map { "m-\($0).safetensors" }
    for (number, shard) in shards.enumerated() { try write(shard, ["t\(number)": Float(number)]) }
    let set = try SafetensorsSet(paths: shards.map(path))
    #if os(Linux)
      let descriptors = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").filter {
        let target = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\($0)")
        return target?.contains(folder) == true
      }
      XCTAssertEqual(descriptors.count, 64)
    #endif
    XCTAssertEqual(try values(set).count, 70)
    // Replaced files are still what they were.
    for number in [3, 68] { try write(shards[number], ["other": 1]) }
    XCTAssertNoThrow(try set.checkUnchanged())
    XCTAssertEqual(try values(set)["t68"], 68)
    let last = try XCTUnwrap(FileHandle(forWritingAtPath: path(shards[69])))
    try last.seekToEnd()
    try last.write(contentsOf: Data([0]))
    try last.close()
    assertThrows(SafetensorsError(file: path(shards[69]), reason: .changedWhileOpen)) { try set.checkUnchanged() }
  }

  func testADamagedShardIsNamed() throws {
    try writeTwoShards()
    try store([1, 2, 3], as: "m-2-of-2.safetensors")
    assertRefused([folder], "\(folder)/m-2-of-2.safetensors", .tooShort(bytes: 3))
    assertRefused([path("none")], path("none"), .system(operation: "open it", code: ENOENT))
    assertRefused([path("none.json")], path("none.json"), .system(operation: "open it", code: ENOENT))
  }
}
