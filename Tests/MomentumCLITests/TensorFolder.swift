import Foundation
import Momentum
import MomentumFiles
import MomentumTestSupport
import XCTest

/// A scratch folder with files of tensors of one type, where the built command runs.
struct TensorFolder<Element: SafetensorsScalar> {
  let url: URL

  /// Runs `body` with a new folder that is gone afterwards.
  static func with(_ body: (TensorFolder) throws -> Void) throws {
    try withScratchFolder { try body(TensorFolder(url: $0)) }
  }

  func path(_ name: String) -> String { url.appendingPathComponent(name).path }

  /// Whether there is a file of a name.
  func has(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path(name)) }

  func write(_ name: String, json: String) throws { try Data(json.utf8).write(to: URL(fileURLWithPath: path(name))) }

  /// Writes tensors; without a shape, a tensor has one axis.
  func write(_ name: String, _ tensors: [String: [Element]], shapes: [String: [Int]] = [:]) throws {
    var writer = SafetensorsWriter(path: path(name))
    // The writer takes no copies.
    let buffers = tensors.mapValues { values in
      let buffer = UnsafeMutableBufferPointer<Element>.allocate(capacity: values.count)
      _ = buffer.initialize(from: values)
      return buffer
    }
    defer { for buffer in buffers.values { buffer.deallocate() } }
    for (tensor, values) in buffers {
      try writer.add(tensor, shape: shapes[tensor] ?? [values.count], values: UnsafeBufferPointer(values))
    }
    try writer.write()
  }

  /// The values of the tensors of a file.
  func read(_ name: String) throws -> [String: [Element]] {
    let file = try SafetensorsFile(path: path(name))
    return try withExtendedLifetime(file) {
      try Dictionary(
        uniqueKeysWithValues: file.tensors.map {
          ($0.name, Array(try file.unsafeBuffer(of: $0.name, as: Element.self)))
        }
      )
    }
  }

  func shapes(_ name: String) throws -> [String: [Int]] {
    try Dictionary(uniqueKeysWithValues: SafetensorsFile(path: path(name)).tensors.map { ($0.name, $0.shape) })
  }

  func run(_ arguments: [String]) throws -> CommandRun { try CommandRun(arguments, in: url) }
}

extension XCTestCase {
  /// Checks that a run succeeded without a message.
  func assertSucceeds(_ run: CommandRun, file: StaticString = #filePath, line: UInt = #line) {
    XCTAssertEqual(run.status, 0, run.errors, file: file, line: line)
    XCTAssertEqual(run.errors, "", file: file, line: line)
  }

  /// Checks that a run failed with an exit status and a message.
  func assertFails(
    _ run: CommandRun, _ status: Int32, _ text: String, file: StaticString = #filePath, line: UInt = #line
  ) {
    XCTAssertEqual(run.status, status, run.errors, file: file, line: line)
    XCTAssertTrue(run.errors.contains(text), run.errors, file: file, line: line)
  }
}
