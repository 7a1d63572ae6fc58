import Foundation
import MomentumFiles
import XCTest

/// Checkpoints of several files whose writing fails, or stops, at each call of the operating system in turn.
final class SetInterruptionTests: FolderTestCase {
  private let shards = ["m-1.safetensors", "m-2.safetensors", "m-3.safetensors"]
  private let index = "model.safetensors.index.json"

  /// Writes three shards and their index, as a version that is told by its number. The second one is written in groups.
  private func write(_ version: Float, into name: String, operations: FileOperations) throws {
    try [version].withUnsafeBufferPointer { values in
      let batch = FileBatch(operations: operations)
      for (number, shard) in shards.enumerated() {
        var writer = SafetensorsWriter(path: path("\(name)/\(shard)"), metadata: ["version": "\(version)"])
        try writer.add("t\(number)", shape: [1], values: values)
        guard number == 1 else {
          try batch.add(writer)
          continue
        }
        var (outline, rest) = (writer, SafetensorsWriter(path: ""))
        try outline.add("rest", shape: [1], values: values)
        try rest.add("rest", shape: [1], values: values)
        let stream = try batch.begin(outline)
        // The later place in the file first.
        try batch.add([(writer, stream)])
        try batch.add([(rest, stream)])
        batch.end(stream)
      }
      let map = shards.enumerated().map { "\"t\($0)\": \"\($1)\"" }.joined(separator: ", ")
      try batch.add(
        #"{"metadata": {"version": \#(version), "total_size": 12}, "weight_map": {\#(map)}}"#,
        path: path("\(name)/\(index)"))
      try batch.commit()
    }
  }

  func testWhatIsWrittenIsTold() throws {
    var told: [Int] = []
    for tell in [nil, { told.append($0) }] as [((Int) -> Void)?] {
      let batch = FileBatch()
      try [Float](repeating: 1, count: 1000).withUnsafeBufferPointer { values in
        var writer = SafetensorsWriter(path: path(tell == nil ? "plain" : "told"))
        try writer.add("a", shape: [1000], values: values)
        try writer.add("empty", shape: [0], values: UnsafeBufferPointer(rebasing: values[..<0]))
        try batch.add(writer, tell: tell)
      }
      try batch.commit()
    }
    let bytes = try Data(contentsOf: URL(fileURLWithPath: path("plain")))
    XCTAssertEqual(try Data(contentsOf: URL(fileURLWithPath: path("told"))), bytes)
    XCTAssertEqual(told.reduce(0, +), bytes.count)
    XCTAssertTrue(told.contains(4000))
  }

  private func prepare(hasOld: Bool) throws {
    for name in try names { try FileManager.default.removeItem(atPath: path(name)) }
    try FileManager.default.createDirectory(atPath: path("out"), withIntermediateDirectories: true)
    if hasOld { try write(1, into: "out", operations: Fault(.death, at: .max, hasUnnamedFiles: true).operations) }
  }

  /// The version of each file in the folder, whole as it must be; nil where there is none. The index is the last.
  private func versions() throws -> [Float?] {
    var versions: [Float?] = []
    for (number, shard) in shards.enumerated() {
      guard FileManager.default.fileExists(atPath: path("out/\(shard)")) else {
        versions.append(nil)
        continue
      }
      let file = try SafetensorsFile(path: path("out/\(shard)"))
      versions.append(try file.withUnsafeBuffer(of: "t\(number)", as: Float.self) { $0[0] })
      XCTAssertEqual(file.metadata["version"], versions[number].map { "\($0)" })
    }
    guard FileManager.default.fileExists(atPath: path("out/\(index)")) else { return versions + [nil] }
    XCTAssertNoThrow(try SafetensorsIndex(path: path("out/\(index)")))
    let text = String(decoding: try contents("out/\(index)"), as: UTF8.self)
    return versions + [text.contains("2.0") ? 2 : 1]
  }

  func testAnErrorAtAnyCallLeavesTheOldCheckpointOrNone() throws {
    for (hasUnnamedFiles, hasOld) in [(true, true), (true, false), (false, true), (false, false)] {
      var (call, failures) = (0, 0)
      while true {
        try prepare(hasOld: hasOld)
        let fault = Fault(.error(ENOSPC), at: call, hasUnnamedFiles: hasUnnamedFiles)
        do {
          try write(2, into: "out", operations: fault.operations)
          // Only names and descriptors that are needed no longer may fail unnoticed.
          XCTAssertEqual(try versions(), [2, 2, 2, 2], fault.call)
          guard fault.wasReached else { break }
        } catch {
          failures += 1
          let isTooLate = fault.call == "synchronize directory"
          XCTAssertEqual(
            try versions(), [Float?](repeating: isTooLate ? 2 : hasOld ? 1 : nil, count: 4), "\(fault.call), \(call)")
        }
        call += 1
      }
      XCTAssertGreaterThan(failures, 30)
    }
  }

  func testADeathAtAnyCallLeavesWholeFilesAndTheIndexForLast() throws {
    for (hasUnnamedFiles, hasOld) in [(true, true), (true, false), (false, true), (false, false)] {
      var found: Set<[Float?]> = []
      var call = 0
      while true {
        try prepare(hasOld: hasOld)
        let fault = Fault(.death, at: call, hasUnnamedFiles: hasUnnamedFiles)
        do { try write(2, into: "out", operations: fault.operations) } catch {}
        found.insert(try versions())
        guard fault.wasReached else { break }
        call += 1
      }
      let old: Float? = hasOld ? 1 : nil
      XCTAssertEqual(
        found,
        [
          [old, old, old, old], [2, old, old, old], [2, 2, old, old], [2, 2, 2, old], [2, 2, 2, 2],
        ])
    }
  }

  /// Files that are written at the same time: the error is that of the first that failed, and all is taken back.
  func testAnErrorOfFilesThatAreWrittenTogetherTakesAllBack() throws {
    for failing in [[0], [2, 1], []] as [Set<UInt8>] {
      var operations = FileOperations.system
      let write = operations.writeSomeAt
      operations.writeSomeAt = { descriptor, bytes, offset in
        guard !failing.contains(bytes[0]) else {
          errno = ENOSPC
          return -1
        }
        return write(descriptor, bytes, offset)
      }
      let batch = FileBatch(operations: operations)
      let numbers: [[UInt8]] = (0..<4).map { Array(repeating: $0, count: 200_000) }
      var pieces: [(SafetensorsWriter, TensorStream)] = []
      for (number, bytes) in numbers.enumerated() {
        var writer = SafetensorsWriter(path: path("f\(number)"))
        try writer.add("t", dtype: .u8, shape: [bytes.count]) { emit throws(SafetensorsError) in
          try bytes.withUnsafeBufferPointer { bytes throws(SafetensorsError) in try emit(UnsafeRawBufferPointer(bytes))
          }
        }
        pieces.append((writer, try batch.begin(writer)))
      }
      guard let first = failing.min() else {
        try batch.add(pieces)
        for (_, stream) in pieces { batch.end(stream) }
        try batch.commit()
        for (number, bytes) in numbers.enumerated() {
          let file = try SafetensorsFile(path: path("f\(number)"))
          XCTAssertEqual(try file.withUnsafeBytes(of: "t") { Array($0) }, bytes)
        }
        continue
      }
      XCTAssertThrowsError(try batch.add(pieces)) { error in
        XCTAssertEqual((error as? SafetensorsError)?.file, path("f\(first)"))
      }
      XCTAssertEqual(try names, [])
    }
  }
}
