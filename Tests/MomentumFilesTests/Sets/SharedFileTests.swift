import Foundation
import MomentumFiles
import XCTest

/// Files that several processes write together: batches stand for these here.
final class SharedFileTests: FolderTestCase {
  private let values: [[Float]] = (0..<5).map { tensor in (0..<1000 + tensor).map { Float(tensor * 10000 + $0) } }

  private func writer(_ tensors: some Sequence<Int>, _ name: String) throws -> SafetensorsWriter {
    var writer = SafetensorsWriter(path: path(name), metadata: ["origin": "test"])
    for tensor in tensors {
      let values = values[tensor]
      try writer.add("t\(tensor)", dtype: .f32, shape: [values.count]) { emit throws(SafetensorsError) in
        try values.withUnsafeBufferPointer { values throws(SafetensorsError) in
          try emit(UnsafeRawBufferPointer(values))
        }
      }
    }
    return writer
  }

  /// What another process gets to know.
  private func told(_ stream: TensorStream) throws -> TensorStream.Plan {
    try JSONDecoder().decode(TensorStream.Plan.self, from: JSONEncoder().encode(stream.plan))
  }

  func testBytesAreThoseOfOneWriter() throws {
    try writer(0..<5, "expected").write()
    // In the place of an older file that nobody may write to.
    for hasOld in [false, true] {
      if hasOld { try FileManager.default.setAttributes([.posixPermissions: 0o440], ofItemAtPath: path("f")) }
      let (first, second) = (FileBatch(), FileBatch())
      let begun = try first.begin(writer(0..<5, "f"), isShared: true)
      let joined = try second.join(told(begun))
      XCTAssertEqual(begun.byteCount, joined.byteCount)
      try second.add([(writer([4, 1], "f"), joined)])
      try first.add([(writer([0, 2], "f"), begun)])
      try second.add([(writer([3], "f"), joined)])
      XCTAssertEqual(begun.writtenByteCount + joined.writtenByteCount, begun.byteCount)
      try second.commit()
      try first.commit()
      XCTAssertEqual(try contents("f"), try contents("expected"))
      XCTAssertEqual(try names, ["expected", "f"])
      let mode = try FileManager.default.attributesOfItem(atPath: path("f"))[.posixPermissions] as? Int
      if hasOld { XCTAssertEqual(mode, 0o440) }
    }
  }

  func testNothingIsInPlaceBeforeTheFirstCommits() throws {
    let (first, second) = (FileBatch(), FileBatch())
    let begun = try first.begin(writer(0..<2, "f"), isShared: true)
    let joined = try second.join(told(begun))
    try second.add([(writer(0..<2, "f"), joined)])
    try second.commit()
    XCTAssertFalse(FileManager.default.fileExists(atPath: path("f")))
    try first.commit()
    XCTAssertTrue(FileManager.default.fileExists(atPath: path("f")))
  }

  func testNothingIsLeftWhenTheFirstLetsGo() throws {
    try writer(0..<1, "f").write()
    let old = try contents("f")
    let second = FileBatch()
    var plan: TensorStream.Plan?
    do {
      let first = FileBatch()
      let begun = try first.begin(writer(0..<2, "f"), isShared: true)
      plan = try told(begun)
      let joined = try second.join(plan!)
      try second.add([(writer([1], "f"), joined)])
    }
    XCTAssertEqual(try names, ["f"])
    XCTAssertEqual(try contents("f"), old)
    // The second one can still bring its part to the disk; it has no name any more.
    try second.commit()
    XCTAssertEqual(try names, ["f"])
    // And whoever comes later is told.
    XCTAssertThrowsError(try FileBatch().join(plan!)) { error in
      XCTAssertEqual((error as? SafetensorsError)?.file, path("f"))
      XCTAssertTrue("\(error)".contains("which another process has begun for it"), "\(error)")
    }
  }

  /// Each call of the process that joins fails in turn.
  func testErrorsOfTheSecond() throws {
    let faults: [(String, (inout FileOperations) -> Void)] = [
      ("open", { $0.openForWriting = { _ in -1 } }),
      ("write it", { $0.writeSomeAt = { _, _, _ in -1 } }),
      ("bring it to the disk", { $0.synchronize = { _ in -1 } }),
      (
        "close it",
        {
          $0.closeDescriptor = { descriptor in
            _ = FileOperations.system.closeDescriptor(descriptor)
            errno = EIO
            return -1
          }
        }
      ),
    ]
    for (words, breakCall) in faults {
      var operations = FileOperations.system
      breakCall(&operations)
      errno = EIO
      let (first, second) = (FileBatch(), FileBatch(operations: operations))
      let begun = try first.begin(writer(0..<2, "f"), isShared: true)
      XCTAssertThrowsError(
        try {
          let joined = try second.join(told(begun))
          errno = EIO
          try second.add([(writer([1], "f"), joined)])
          errno = EIO
          try second.commit()
        }()
      ) { error in
        XCTAssertEqual((error as? SafetensorsError)?.file, path("f"), words)
        XCTAssertTrue("\(error)".contains(words), "\(error); expected '\(words)'")
      }
    }
  }
}
