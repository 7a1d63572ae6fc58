import MomentumFiles

// Files with tensors of both types.
extension TensorFolder {
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

  func readFloats(_ name: String) throws -> [String: [Float]] { try values(name, .f32) }
  func readDoubles(_ name: String) throws -> [String: [Double]] { try values(name, .f64) }

  /// The tensors of one type.
  private func values<Scalar: SafetensorsScalar>(
    _ name: String, _ dtype: SafetensorsDtype
  ) throws -> [String: [Scalar]] {
    let file = try SafetensorsFile(path: path(name))
    return try withExtendedLifetime(file) {
      try Dictionary(
        uniqueKeysWithValues: file.tensors.filter { $0.dtype == dtype }.map {
          ($0.name, Array(try file.unsafeBuffer(of: $0.name, as: Scalar.self)))
        })
    }
  }
}
