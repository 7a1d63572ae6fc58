// Micro-batches whose gradients are in half precision. They are summed in Float.
extension GradientAccumulator where Scalar == Float {
  /// Adds a gradient in half precision, as if it were stored as `Float`s; see
  /// ``add(_:weight:)-(ParameterVector<Scalar>,_)``.
  ///
  /// The sum is one of `Float`s. Summed in half precision, as a buffer of gradients would be, a small gradient would add
  /// nothing to a sum 256 times as large.
  public mutating func add<Half: HalfScalar>(
    _ gradients: borrowing ParameterVector<Half>, weight: Double = 1
  ) throws(MomentumError) {
    try layout.check("gradients", ofVector: gradients.layout)
    try add(UnsafeBufferPointer(start: gradients.base, count: gradients.count), weight: weight)
  }

  /// Adds a gradient in half precision in the caller's memory, one flat vector; see
  /// ``add(_:weight:)-(ParameterVector<Half>,_)``.
  public mutating func add<Half: HalfScalar>(
    _ gradients: UnsafeBufferPointer<Half>, weight: Double = 1
  ) throws(MomentumError) {
    try Self.check(weight)
    guard gradients.count == layout.count else {
      throw .countMismatch(what: "gradients", count: gradients.count, expected: layout.count)
    }
    for index in table.entries.indices {
      let offset = table.entries[index].offset
      table.entries[index].gradient =
        TensorTable<Float>.address(gradients.baseAddress.map { $0 + offset }) ?? TensorTable<Float>.emptyTensor
    }
    addBoundHalves(of: Half.self, weight)
  }

  /// Adds a gradient in half precision in a span; see ``add(_:weight:)-(ParameterVector<Half>,_)``.
  public mutating func add<Half: HalfScalar>(_ gradients: Span<Half>, weight: Double = 1) throws(MomentumError) {
    try gradients.withUnsafeBufferPointer { gradients throws(MomentumError) in try add(gradients, weight: weight) }
  }

  /// Adds a gradient in half precision in the caller's memory, one buffer for each tensor; `nil` counts as 0. See
  /// ``add(_:weight:)-(ParameterVector<Half>,_)``.
  public mutating func add<Half: HalfScalar>(
    _ gradients: [UnsafeBufferPointer<Half>?], weight: Double = 1
  ) throws(MomentumError) {
    try Self.check(weight)
    guard gradients.count == layout.tensors.count else {
      throw .countMismatch(what: "list of gradients", count: gradients.count, expected: layout.tensors.count)
    }
    for (gradient, tensor) in zip(gradients, layout.tensors) {
      guard let gradient, gradient.count != tensor.count else { continue }
      throw .countMismatch(
        what: "gradient of tensor '\(tensor.name)'", count: gradient.count, expected: tensor.count)
    }
    for (index, gradient) in gradients.enumerated() {
      table.entries[index].gradient = gradient.map {
        TensorTable<Float>.address($0.baseAddress) ?? TensorTable<Float>.emptyTensor
      }
    }
    addBoundHalves(of: Half.self, weight)
  }

  private mutating func addBoundHalves<Half: HalfScalar>(of _: Half.Type, _ weight: Double) {
    table.halves.gradient = Half.elementType
    defer { table.halves = HalfOperands() }
    addBound(weight)
  }
}
