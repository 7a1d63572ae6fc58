import Foundation
import Momentum
import MomentumFiles
import MomentumTestSupport
import XCTest

/// A tensor of any type, with its bytes.
struct StoredTensor: Equatable {
  var name: String
  var dtype: SafetensorsDtype
  var bytes: [UInt8]

  init(_ name: String, _ dtype: SafetensorsDtype, _ bytes: [UInt8]) {
    (self.name, self.dtype, self.bytes) = (name, dtype, bytes)
  }

  init<Scalar: SafetensorsScalar>(_ name: String, _ values: [Scalar]) {
    self.init(name, Scalar.dtype, values.withUnsafeBytes { Array($0) })
  }

  func values<Scalar: SafetensorsScalar>(as _: Scalar.Type) -> [Scalar] {
    bytes.withUnsafeBytes { bytes in
      (0..<bytes.count / MemoryLayout<Scalar>.stride).map {
        bytes.loadUnaligned(fromByteOffset: $0 * MemoryLayout<Scalar>.stride, as: Scalar.self)
      }
    }
  }
}

/// A scratch folder with checkpoints, where the built command runs.
struct CheckpointFolder {
  let url: URL

  static func with(_ body: (CheckpointFolder) throws -> Void) throws {
    try withScratchFolder { try body(CheckpointFolder(url: $0)) }
  }

  func path(_ name: String) -> String { url.appendingPathComponent(name).path }
  func has(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path(name)) }
  func run(_ arguments: [String]) throws -> CommandRun { try CommandRun(arguments, in: url) }
  func bytes(_ name: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(fileURLWithPath: path(name)))) }

  /// The names in a folder, hidden ones too.
  func names(_ folder: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: path(folder)).sorted()
  }

  func write(_ name: String, _ text: String) throws {
    try makeFolder(of: name)
    try Data(text.utf8).write(to: URL(fileURLWithPath: path(name)))
  }

  /// Writes a file; folders that are missing are made.
  func write(_ name: String, _ tensors: [StoredTensor], metadata: SafetensorsMetadata = [:]) throws {
    try makeFolder(of: name)
    var writer = SafetensorsWriter(path: path(name), metadata: metadata)
    for tensor in tensors {
      try writer.add(tensor.name, dtype: tensor.dtype, shape: [8 * tensor.bytes.count / tensor.dtype.bitWidth]) {
        emit throws(SafetensorsError) in
        try tensor.bytes.withUnsafeBufferPointer { bytes throws(SafetensorsError) in
          try emit(UnsafeRawBufferPointer(bytes))
        }
      }
    }
    try writer.write()
  }

  private func makeFolder(of name: String) throws {
    let folder = url.appendingPathComponent(name).deletingLastPathComponent()
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  /// Writes the shards of a checkpoint, named m-1.safetensors and so on with metadata of their own, and their index.
  func write(_ folder: String, shards: [[StoredTensor]]) throws {
    var map: [String] = []
    for (index, tensors) in shards.enumerated() {
      let shard = "m-\(index + 1).safetensors"
      try write("\(folder)/\(shard)", tensors, metadata: ["format": "pt", "shard": "\(index + 1)"])
      map += tensors.map { "\"\($0.name.replacing("\n", with: #"\n"#))\": \"\(shard)\"" }
    }
    let total = shards.joined().reduce(0) { $0 + $1.bytes.count }
    try write(
      "\(folder)/model.safetensors.index.json",
      #"{"metadata": {"total_size": \#(total)}, "weight_map": {\#(map.joined(separator: ", "))}}"#)
  }

  /// The tensors of a checkpoint, by name.
  func read(_ name: String) throws -> [String: StoredTensor] {
    let set = try SafetensorsSet(paths: [path(name)])
    XCTAssertEqual(set.warnings, [])
    var tensors: [String: StoredTensor] = [:]
    for place in set.tensors {
      tensors[place.tensor.name] = StoredTensor(
        place.tensor.name, place.tensor.dtype, try place.file.withUnsafeBytes(of: place.tensor.name) { Array($0) })
    }
    return tensors
  }
}
