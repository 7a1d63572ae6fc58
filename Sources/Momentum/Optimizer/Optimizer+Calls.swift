// The ways to hand parameters and gradients over. All copy nothing.
extension Optimizer {
  /// Takes one step.
  ///
  /// - Parameters:
  ///   - parameters: Updated in place; with as many elements as the layout.
  ///   - gradients: Only read; with as many elements as the layout.
  /// - Returns: What was measured and done.
  /// - Throws: A ``MomentumError`` about settings, counts or, depending on the policy, non-finite gradients. Nothing has been
  ///   written then: parameters, velocity and step count are as before.
  /// - Complexity: O(n); with momentum and a norm to measure, reads 4n and writes 2n elements. Allocates the velocity in the
  ///   first step that needs it.
  @discardableResult
  public mutating func step(
    _ parameters: inout ParameterVector<Scalar>, gradients: borrowing ParameterVector<Scalar>
  ) throws(MomentumError) -> StepReport {
    try step(
      parameters: UnsafeMutableBufferPointer(start: parameters.base, count: parameters.count),
      gradients: UnsafeBufferPointer(start: gradients.base, count: gradients.count))
  }

  /// Takes one step of parameters in spans, of an `Array` for example; see ``step(_:gradients:)-(ParameterVector<Scalar>,ParameterVector<Scalar>)``.
  @discardableResult
  public mutating func step(
    _ parameters: inout MutableSpan<Scalar>, gradients: Span<Scalar>
  ) throws(MomentumError) -> StepReport {
    // Both closures end before the spans do.
    let read = gradients.withUnsafeBufferPointer { UnsafeTransfer($0) }
    let written = parameters.withUnsafeMutableBufferPointer { UnsafeTransfer($0) }
    return try step(parameters: written.value, gradients: read.value)
  }

  /// Takes one step of flat vectors in the caller's memory; see ``step(_:gradients:)-(ParameterVector<Scalar>,ParameterVector<Scalar>)``.
  ///
  /// - Throws: Also ``MomentumError/overlap(first:second:)``.
  @discardableResult
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  public mutating func step(
    parameters: UnsafeMutableBufferPointer<Scalar>, gradients: UnsafeBufferPointer<Scalar>
  ) throws(MomentumError) -> StepReport {
    try Self.check("parameters", parameters.count, layout.count)
    try Self.check("gradients", gradients.count, layout.count)
    guard !BLAS.overlap(gradients.baseAddress, gradients.count, parameters.baseAddress, parameters.count) else {
      throw .overlap(first: "gradients", second: "parameters")
    }
    // An empty vector has no address; its tensors, all empty, are bound to one that nobody reads.
    let placeholder = TensorTable<Scalar>.emptyTensor
    let gradient = UnsafeMutablePointer(mutating: gradients.baseAddress) ?? placeholder
    let parameter = parameters.baseAddress ?? placeholder
    let entries = table.entries
    areBuffersSeparate = false
    for index in entries.indices {
      let offset = entries[index].offset
      setIfChanged(&table.entry(index).pointee.gradient, to: gradient + offset)
      setIfChanged(&table.entry(index).pointee.parameters, to: parameter + offset)
    }
    return try Scalar._step(&self, 1, false)
  }

  /// Takes one step of tensors that lie anywhere in the caller's memory, one buffer a tensor in the order of the layout.
  ///
  /// A tensor whose gradient is `nil` is left alone: no update, no decay of its velocity or its weights.
  ///
  /// - Throws: As ``step(parameters:gradients:)-(UnsafeMutableBufferPointer<Scalar>,UnsafeBufferPointer<Scalar>)``; errors name the tensor.
  @discardableResult
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  public mutating func step(
    parameters: [UnsafeMutableBufferPointer<Scalar>], gradients: [UnsafeBufferPointer<Scalar>?]
  ) throws(MomentumError) -> StepReport {
    try Self.check("list of parameters", parameters.count, layout.tensors.count)
    try Self.check("list of gradients", gradients.count, layout.tensors.count)
    let (entries, placeholder) = (table.entries, TensorTable<Scalar>.emptyTensor)
    var areKnown = areBuffersSeparate
    for index in entries.indices {
      let count = entries[index].count
      try Self.check("parameters of tensor '\(table.name(of: index))'", parameters[index].count, count)
      areKnown = areKnown && entries[index].parameters == parameters[index].baseAddress ?? placeholder
      guard let gradient = gradients[index] else {
        areKnown = areKnown && entries[index].gradient == nil
        continue
      }
      try Self.check("gradient of tensor '\(table.name(of: index))'", gradient.count, count)
      areKnown =
        areKnown && entries[index].gradient == UnsafeMutablePointer(mutating: gradient.baseAddress) ?? placeholder
    }
    // The buffers of the step before have been looked at: to sort hundreds of them again would take longer than their step.
    if !areKnown { try bind(parameters, gradients) }
    return try Scalar._step(&self, 1, false)
  }

  /// Points every tensor at its buffers, if no two of them overlap.
  @inline(never)
  private mutating func bind(
    _ parameters: [UnsafeMutableBufferPointer<Scalar>], _ gradients: [UnsafeBufferPointer<Scalar>?]
  ) throws(MomentumError) {
    var regions: [MemoryRegion] = []
    for (index, (parameters, gradient)) in zip(parameters, gradients).enumerated() {
      regions.append(MemoryRegion(parameters, tensor: index, "parameters"))
      guard let gradient else { continue }
      regions.append(MemoryRegion(UnsafeMutableBufferPointer(mutating: gradient), tensor: index, "gradient"))
    }
    try MemoryRegion.checkSeparate(&regions) { layout.tensors[$0].name }
    let placeholder = TensorTable<Scalar>.emptyTensor
    for index in table.entries.indices {
      table.entries[index].gradient = gradients[index].map {
        UnsafeMutablePointer(mutating: $0.baseAddress) ?? placeholder
      }
      table.entries[index].parameters = parameters[index].baseAddress ?? placeholder
    }
    areBuffersSeparate = true
  }

  @inline(__always)
  private static func check(
    _ what: @autoclosure () -> String, _ count: Int, _ expected: Int
  ) throws(MomentumError) {
    guard count == expected else { throw .countMismatch(what: what(), count: count, expected: expected) }
  }
}
