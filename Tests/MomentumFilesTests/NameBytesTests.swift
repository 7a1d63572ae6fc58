import Foundation
import MomentumFiles
import MomentumTestSupport
import XCTest

/// Names are bytes: spellings that Swift's `String` takes for one text are two names in a file.
final class NameBytesTests: FolderTestCase {
  private let composed = "caf\u{E9}"
  private let decomposed = "cafe\u{301}"

  private func write(_ name: String) throws {
    var writer = SafetensorsWriter(path: path(name), metadata: [composed: "composed", decomposed: "decomposed"])
    let values: [Float] = [3, 4]
    try values.withUnsafeBufferPointer { values in
      try writer.add(composed, shape: [1], values: UnsafeBufferPointer(rebasing: values[..<1]))
      try writer.add(decomposed, shape: [1], values: UnsafeBufferPointer(rebasing: values[1...]))
      assertThrows(SafetensorsError(file: path(name), reason: .duplicateTensor(name: decomposed))) {
        try writer.add(decomposed, shape: [2], values: values)
      }
      try writer.write()
    }
  }

  private func check(_ name: String, _ first: Float, _ second: Float) throws {
    let file = try SafetensorsFile(path: path(name))
    XCTAssertEqual(file.tensors.map { Array($0.name.utf8) }, [Array(decomposed.utf8), Array(composed.utf8)])
    XCTAssertEqual(try file.withUnsafeBuffer(of: composed, as: Float.self) { Array($0) }, [first])
    XCTAssertEqual(try file.withUnsafeBuffer(of: decomposed, as: Float.self) { Array($0) }, [second])
    XCTAssertEqual(file.metadata[composed], "composed")
    XCTAssertEqual(file.metadata[decomposed], "decomposed")
  }

  func testTensorsAndMetadataAreToldApart() throws {
    try write("file")
    try check("file", 3, 4)
  }

  func testTheCommandKeepsBoth() throws {
    try write("file")
    let run = try CommandRun(
      ["clip", "--gradients", path("file"), "--output", path("clipped"), "--clip-global-norm", "2.5"])
    XCTAssertEqual(run.status, 0, run.errors)
    try check("clipped", 1.5, 2)
  }

  func testDescriptionsOfTensors() {
    let first = SafetensorsTensor(name: composed, dtype: .f32, shape: [0], count: 0, dataRange: 0..<0)
    var second = first
    second.name = decomposed
    XCTAssertNotEqual(first, second)
    XCTAssertEqual(Set([first, second, first]).count, 2)
  }

  func testMetadata() {
    var metadata = SafetensorsMetadata(["b": "1", "a": "2"])
    metadata[composed] = "3"
    metadata[decomposed] = "4"
    XCTAssertEqual(metadata.count, 4)
    XCTAssertEqual(metadata.keys.map { Array($0.utf8) }, ["a", "b", decomposed, composed].map { Array($0.utf8) })
    XCTAssertEqual(metadata.map(\.value), ["2", "1", "4", "3"])
    // Values too.
    XCTAssertNotEqual(SafetensorsMetadata(["k": composed]), SafetensorsMetadata(["k": decomposed]))
    metadata[composed] = nil
    XCTAssertNil(metadata[composed])
    XCTAssertEqual(metadata[decomposed], "4")
    XCTAssertFalse(metadata.isEmpty)
    XCTAssertEqual(SafetensorsMetadata(), [:])
    XCTAssertEqual((["k": "1", "k": "2"] as SafetensorsMetadata)["k"], "2")
  }
}
