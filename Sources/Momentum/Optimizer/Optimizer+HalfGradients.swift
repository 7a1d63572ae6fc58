// Steps of Float parameters with gradients in half precision.
//
// Each has the bits of the step with the same gradients stored as Floats, with the portable algorithm for norms. Parameters
// of Double take gradients of Double: the compiler refuses others.
extension Optimizer where Scalar == Float {
  /// Takes one step with gradients in half precision.
  ///
  /// The gradients are widened tile by tile, which is exact, and everything is computed in `Float`: the step has the bits of
  /// ``step(_:gradients:)-(ParameterVector<Scalar>,ParameterVector<Scalar>)`` with the same gradients stored as `Float`s and
  /// ``NormAlgorithm/portable``, and moves fewer bytes. Loss scales are divided out in `Float` too, so gradients of
  /// `Float16` may be multiplied by them.
  ///
  /// ```swift
  /// var parameters = try ParameterVector<Float>(layout)
  /// let gradients = try ParameterVector<BFloat16>(layout)
  /// try optimizer.step(&parameters, gradients: gradients)
  /// ```
  ///
  /// - Parameters:
  ///   - parameters: Updated in place; of the optimizer's ``layout``.
  ///   - gradients: Only read; of the optimizer's ``layout``.
  /// - Returns: A report of what was measured and changed.
  /// - Throws: As ``step(_:gradients:)-(ParameterVector<Scalar>,ParameterVector<Scalar>)``.
  /// - Complexity: O(n); with momentum and a norm to measure, reads 12 and writes 8 bytes for each parameter.
  @discardableResult
  public mutating func step<Half: HalfScalar>(
    _ parameters: inout ParameterVector<Float>, gradients: borrowing ParameterVector<Half>
  ) throws(MomentumError) -> StepReport {
    try layout.check("parameters", ofVector: parameters.layout)
    try layout.check("gradients", ofVector: gradients.layout)
    return try step(
      parameters: UnsafeMutableBufferPointer(start: parameters.base, count: parameters.count),
      gradients: UnsafeBufferPointer(start: gradients.base, count: gradients.count))
  }

  /// Takes one step of parameters in spans with gradients in half precision; see
  /// ``step(_:gradients:)-(ParameterVector<Float>,ParameterVector<Half>)``.
  @discardableResult
  public mutating func step<Half: HalfScalar>(
    _ parameters: inout MutableSpan<Float>, gradients: Span<Half>
  ) throws(MomentumError) -> StepReport {
    try gradients.withUnsafeBufferPointer { gradients throws(MomentumError) in
      try parameters.withUnsafeMutableBufferPointer { parameters throws(MomentumError) in
        try step(parameters: parameters, gradients: gradients)
      }
    }
  }

  /// Takes one step of flat vectors in the caller's memory with gradients in half precision; see
  /// ``step(_:gradients:)-(ParameterVector<Float>,ParameterVector<Half>)``.
  ///
  /// - Throws: Also ``MomentumError/overlap(first:second:)``.
  @discardableResult
  public mutating func step<Half: HalfScalar>(
    parameters: UnsafeMutableBufferPointer<Float>, gradients: UnsafeBufferPointer<Half>
  ) throws(MomentumError) -> StepReport {
    let (parameters, gradients) = (TensorBuffer(UnsafeBufferPointer(parameters)), TensorBuffer(gradients))
    try check(parameters, gradients)
    return try takeStep(HalfOperands(), parameters, gradients)
  }

  /// Takes one step of tensors that lie anywhere in the caller's memory, with gradients in half precision, one buffer for
  /// each tensor in the order of the layout; `nil` leaves a tensor alone. See
  /// ``step(parameters:gradients:)-([UnsafeMutableBufferPointer<Scalar>],[UnsafeBufferPointer<Scalar>?])``.
  @discardableResult
  public mutating func step<Half: HalfScalar>(
    parameters: [UnsafeMutableBufferPointer<Float>], gradients: [UnsafeBufferPointer<Half>?]
  ) throws(MomentumError) -> StepReport {
    try bindLists(parameters, halves: gradients)
    return try takeStep(HalfOperands(), withGradientsOf: Half.self)
  }

  /// Takes one step of some of a model's tensors, with gradients in half precision, together with the owners of the others;
  /// see
  /// ``step(parameters:gradients:exchange:)-([UnsafeMutableBufferPointer<Scalar>],[UnsafeBufferPointer<Scalar>?],_)``.
  @discardableResult
  public mutating func step<Half: HalfScalar>(
    parameters: [UnsafeMutableBufferPointer<Float>], gradients: [UnsafeBufferPointer<Half>?],
    exchange: some NormExchange
  ) throws(MomentumError) -> StepReport {
    let meetings = NormMeetings(exchange, step: stepCount)
    do throws(MomentumError) {
      try bindLists(parameters, halves: gradients)
      return try takeStep(HalfOperands(), withGradientsOf: Half.self, meetings)
    } catch {
      throw meetings.failure(error)
    }
  }

  /// Points every tensor at its buffers of two lists, which are checked.
  private mutating func bindLists<Half: HalfScalar>(
    _ parameters: [UnsafeMutableBufferPointer<Float>], halves gradients: [UnsafeBufferPointer<Half>?]
  ) throws(MomentumError) {
    try Self.check("list of parameters", parameters.count, layout.tensors.count)
    try Self.check("list of gradients", gradients.count, layout.tensors.count)
    let placeholder = TensorTable<Float>.emptyTensor
    // Buffers of Floats that are separate are so as halves too, at the same addresses. The other way round they need not be.
    var areKnown = bound == .floats || bound == .halfGradients
    bound = nil
    for index in table.entries.indices {
      let (entry, gradient) = (table.entry(index), gradients[index])
      try Self.check("parameters of tensor '\(table.name(of: index))'", parameters[index].count, entry.pointee.count)
      if let gradient {
        try Self.check("gradient of tensor '\(table.name(of: index))'", gradient.count, entry.pointee.count)
      }
      let address = gradient.map { TensorTable<Float>.address($0.baseAddress) ?? placeholder }
      areKnown =
        areKnown && entry.pointee.gradient == address
        && entry.pointee.parameters == parameters[index].baseAddress ?? placeholder
    }
    if !areKnown { try bind(parameters, gradients) }
    bound = .halfGradients
  }

  /// Points every tensor at its buffers, if no two of them overlap.
  @inline(never)
  private mutating func bind<Half: HalfScalar>(
    _ parameters: [UnsafeMutableBufferPointer<Float>], _ gradients: [UnsafeBufferPointer<Half>?]
  ) throws(MomentumError) {
    var regions = direction.lentRegions(layout)
    for (index, (parameters, gradient)) in zip(parameters, gradients).enumerated() {
      regions.append(MemoryRegion(parameters, tensor: index, "parameters"))
      guard let gradient else { continue }
      regions.append(MemoryRegion(UnsafeMutableBufferPointer(mutating: gradient), tensor: index, "gradient"))
    }
    try MemoryRegion.checkSeparate(&regions) { layout.tensors[$0].name }
    let placeholder = TensorTable<Float>.emptyTensor
    for index in table.entries.indices {
      table.entries[index].gradient = gradients[index].map {
        TensorTable<Float>.address($0.baseAddress) ?? placeholder
      }
      table.entries[index].parameters = parameters[index].baseAddress ?? placeholder
    }
  }
}
