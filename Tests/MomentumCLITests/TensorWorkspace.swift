import Foundation
import MomentumFiles
import MomentumTestSupport
import XCTest

/// A scratch folder with files of `Double` tensors, where the built command runs.
struct TensorWorkspace {
  let url: URL

  func path(_ name: String) -> String { url.appendingPathComponent(name).path }

  /// Whether there is a file of a name.
  func has(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path(name)) }

  func write(_ name: String, json: String) throws { try Data(json.utf8).write(to: URL(fileURLWithPath: path(name))) }

  /// Writes tensors; without a shape, a tensor has one axis.
  func write(_ name: String, _ tensors: [String: [Double]], shapes: [String: [Int]] = [:]) throws {
    var writer = SafetensorsWriter(path: path(name))
    for (tensor, values) in tensors {
      try values.withUnsafeBufferPointer { try writer.add(tensor, shape: shapes[tensor] ?? [values.count], values: $0) }
    }
    try writer.write()
  }

  /// Writes tensors of both types, of one axis each.
  func write(_ name: String, floats: [String: [Float]], _ doubles: [String: [Double]]) throws {
    var writer = SafetensorsWriter(path: path(name))
    // The writer takes no copies.
    var copies: [UnsafeMutableRawBufferPointer] = []
    defer { for copy in copies { copy.deallocate() } }
    func add<Scalar: SafetensorsScalar>(_ tensors: [String: [Scalar]]) throws {
      for (tensor, values) in tensors {
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: 8 * values.count, alignment: 8)
        copies.append(copy)
        let buffer = copy.bindMemory(to: Scalar.self)
        _ = buffer.update(from: values)
        try writer.add(tensor, shape: [values.count], values: UnsafeBufferPointer(rebasing: buffer[..<values.count]))
      }
    }
    try add(floats)
    try add(doubles)
    try writer.write()
  }

  func read(_ name: String) throws -> [String: [Double]] {
    let file = try SafetensorsFile(path: path(name))
    return try withExtendedLifetime(file) {
      try Dictionary(
        uniqueKeysWithValues: file.tensors.map { ($0.name, Array(try file.unsafeBuffer(of: $0.name, as: Double.self))) }
      )
    }
  }

  func readFloats(_ name: String) throws -> [String: [Float]] { try values(name, .f32) }
  func readDoubles(_ name: String) throws -> [String: [Double]] { try values(name, .f64) }

  /// The tensors of one type.
  private func values<Scalar: SafetensorsScalar>(_ name: String, _ dtype: SafetensorsDtype) throws -> [String: [Scalar]]
  {
    let file = try SafetensorsFile(path: path(name))
    return try withExtendedLifetime(file) {
      try Dictionary(
        uniqueKeysWithValues: file.tensors.filter { $0.dtype == dtype }.map {
          ($0.name, Array(try file.unsafeBuffer(of: $0.name, as: Scalar.self)))
        })
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
