import Foundation
import MomentumFiles

/// Tensor files in a scratch folder.
struct TensorFolder {
  let url: URL

  /// Runs `body` with a new folder that is gone afterwards.
  static func with(_ body: (TensorFolder) throws -> Void) throws {
    try withScratchFolder { try body(TensorFolder(url: $0)) }
  }

  func path(_ name: String) -> String { url.appendingPathComponent(name).path }

  /// Writes tensors of one axis.
  func write(_ name: String, _ tensors: [String: [Float]]) throws {
    var writer = SafetensorsWriter(path: path(name))
    // The writer takes no copies.
    let buffers = tensors.mapValues { values in
      let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: values.count)
      _ = buffer.initialize(from: values)
      return buffer
    }
    defer { for buffer in buffers.values { buffer.deallocate() } }
    for (tensor, values) in buffers {
      try writer.add(tensor, shape: [values.count], values: UnsafeBufferPointer(values))
    }
    try writer.write()
  }

  /// The values of the tensors of a file.
  func read(_ name: String) throws -> [String: [Float]] {
    let file = try SafetensorsFile(path: path(name))
    return try withExtendedLifetime(file) {
      try Dictionary(
        uniqueKeysWithValues: file.tensors.map { ($0.name, Array(try file.unsafeBuffer(of: $0.name, as: Float.self))) })
    }
  }
}
