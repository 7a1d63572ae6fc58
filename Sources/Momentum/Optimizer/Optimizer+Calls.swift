// All ways to pass parameters and gradients. None copies anything: each checks its arguments, binds every tensor to its
// memory, and takes the step.
extension Optimizer {
  /// Takes one step.
  ///
  /// - Parameters:
  ///   - parameters: Updated in place; of the optimizer's ``layout``.
  ///   - gradients: Only read; of the optimizer's ``layout``.
  /// - Returns: A report of what was measured and changed.
  /// - Throws: A ``MomentumError`` about settings, layouts or, depending on the policy, non-finite gradients. Nothing
  ///   has been written then: parameters, velocity and step count are as before.
  /// - Complexity: O(n); with momentum and a norm to measure, reads 4n and writes 2n elements. Allocates the velocity
  ///   in the first step that needs it.
  @discardableResult
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  public mutating func step(
    _ parameters: inout ParameterVector<Scalar>, gradients: borrowing ParameterVector<Scalar>
  ) throws(MomentumError) -> StepReport {
    try layout.check("parameters", ofVector: parameters.layout)
    try layout.check("gradients", ofVector: gradients.layout)
    try bindVectors(
      UnsafeMutableBufferPointer(start: parameters.base, count: parameters.count),
      UnsafeBufferPointer(start: gradients.base, count: gradients.count))
    return try takeStep(divisor: ScaledDouble(1), isMeasured: false)
  }

  /// Takes one step of parameters in spans, of an `Array` for example; see
  /// ``step(_:gradients:)-(ParameterVector<Scalar>,ParameterVector<Scalar>)``.
  @discardableResult
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  public mutating func step(
    _ parameters: inout MutableSpan<Scalar>, gradients: Span<Scalar>
  ) throws(MomentumError) -> StepReport {
    try gradients.withUnsafeBufferPointer { gradients throws(MomentumError) in
      try parameters.withUnsafeMutableBufferPointer { parameters throws(MomentumError) in
        try step(parameters: parameters, gradients: gradients)
      }
    }
  }

  /// Takes one step of flat vectors in the caller's memory; see
  /// ``step(_:gradients:)-(ParameterVector<Scalar>,ParameterVector<Scalar>)``.
  ///
  /// - Throws: Also ``MomentumError/overlap(first:second:)``.
  @discardableResult
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  public mutating func step(
    parameters: UnsafeMutableBufferPointer<Scalar>, gradients: UnsafeBufferPointer<Scalar>
  ) throws(MomentumError) -> StepReport {
    try bindVectors(parameters, gradients)
    return try takeStep(divisor: ScaledDouble(1), isMeasured: false)
  }

  /// Points every tensor at its part of two vectors, which are checked.
  @inline(__always)
  private mutating func bindVectors(
    _ parameters: UnsafeMutableBufferPointer<Scalar>, _ gradients: UnsafeBufferPointer<Scalar>
  ) throws(MomentumError) {
    try Self.check("parameters", parameters.count, layout.count)
    try Self.check("gradients", gradients.count, layout.count)
    guard !BLAS.overlap(gradients.baseAddress, gradients.count, parameters.baseAddress, parameters.count) else {
      throw .overlap(first: "gradients", second: "parameters")
    }
    if direction.isLent {
      try direction.checkSeparate(UnsafeRawBufferPointer(parameters), "parameters")
      try direction.checkSeparate(UnsafeRawBufferPointer(gradients), "gradients")
    }
    // An empty vector has no address. Its tensors, all empty, are bound to an address that nobody reads.
    let placeholder = TensorTable<Scalar>.emptyTensor
    let gradient = UnsafeMutablePointer(mutating: gradients.baseAddress) ?? placeholder
    let parameter = parameters.baseAddress ?? placeholder
    let entries = table.entries
    if bound != .vector || entries.first?.gradient != gradient || entries.first?.parameters != parameter {
      for index in entries.indices {
        let offset = entries[index].offset
        setIfChanged(&table.entry(index).pointee.gradient, to: gradient + offset)
        setIfChanged(&table.entry(index).pointee.parameters, to: parameter + offset)
      }
      bound = .vector
    }
  }

  /// Takes one step of tensors that lie anywhere in the caller's memory, with one buffer for each tensor in the order
  /// of the layout.
  ///
  /// A tensor whose gradient is `nil` is left alone: neither its velocity nor its parameters change, not even by decay.
  ///
  /// - Throws: As ``step(parameters:gradients:)-(UnsafeMutableBufferPointer<Scalar>,UnsafeBufferPointer<Scalar>)``;
  ///   errors name the tensor.
  @discardableResult
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  public mutating func step(
    parameters: [UnsafeMutableBufferPointer<Scalar>], gradients: [UnsafeBufferPointer<Scalar>?]
  ) throws(MomentumError) -> StepReport {
    try bindLists(parameters, gradients.count) { gradients[$0] }
    return try takeStep(divisor: ScaledDouble(1), isMeasured: false)
  }

  /// Takes one step with gradients in buffers that the caller may also write, one for each tensor; see
  /// ``step(parameters:gradients:)-([UnsafeMutableBufferPointer<Scalar>],[UnsafeBufferPointer<Scalar>?])``. They are only
  /// read.
  @_disfavoredOverload  // so that an empty list stays one of read-only buffers
  @discardableResult
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  public mutating func step(
    parameters: [UnsafeMutableBufferPointer<Scalar>], gradients: [UnsafeMutableBufferPointer<Scalar>]
  ) throws(MomentumError) -> StepReport {
    try bindLists(parameters, gradients.count) { UnsafeBufferPointer(gradients[$0]) }
    return try takeStep(divisor: ScaledDouble(1), isMeasured: false)
  }

  /// Points every tensor at its buffers of two lists, which are checked.
  @inline(__always)
  mutating func bindLists(
    _ parameters: [UnsafeMutableBufferPointer<Scalar>], _ gradientCount: Int,
    _ gradientOf: (Int) -> UnsafeBufferPointer<Scalar>?
  ) throws(MomentumError) {
    try Self.check("list of parameters", parameters.count, layout.tensors.count)
    try Self.check("list of gradients", gradientCount, layout.tensors.count)
    let (entries, placeholder) = (table.entries, TensorTable<Scalar>.emptyTensor)
    var areKnown = bound == .floats
    for index in entries.indices {
      let count = entries[index].count
      try Self.check("parameters of tensor '\(table.name(of: index))'", parameters[index].count, count)
      areKnown = areKnown && entries[index].parameters == parameters[index].baseAddress ?? placeholder
      guard let gradient = gradientOf(index) else {
        areKnown = areKnown && entries[index].gradient == nil
        continue
      }
      try Self.check("gradient of tensor '\(table.name(of: index))'", gradient.count, count)
      areKnown =
        areKnown && entries[index].gradient == UnsafeMutablePointer(mutating: gradient.baseAddress) ?? placeholder
    }
    // The buffers are those of the step before, whose overlaps were checked: sorting hundreds of buffers again would
    // take longer than their step.
    if !areKnown { try bind(parameters, entries.indices.map(gradientOf)) }
  }

  // MARK: - Accumulated gradients

  /// Takes one step with the mean, or the sum, of accumulated gradients, and starts a new accumulation.
  ///
  /// - Parameters:
  ///   - parameters: Updated in place; of the optimizer's ``layout``.
  ///   - gradients: The sum of the gradients, of the optimizer's ``layout``; empty after the step, also after a skipped one. If an error is thrown, it
  ///     stays as it was.
  /// - Returns: A report of what was measured and changed; norms are those of the mean.
  /// - Throws: As ``step(_:gradients:)-(ParameterVector<Scalar>,ParameterVector<Scalar>)``;
  ///   ``MomentumError/invalidSetting(_:)`` if nothing has been added, or only with the weight 0.
  /// - Complexity: O(n); with momentum reads 3n and writes 2n elements. Clipping by value, or a norm other than the
  ///   2-norm that the accumulator measures, reads n more.
  @discardableResult
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  public mutating func step(
    _ parameters: inout ParameterVector<Scalar>, gradients: inout GradientAccumulator<Scalar>
  ) throws(MomentumError) -> StepReport {
    try layout.check("parameters", ofVector: parameters.layout)
    return try step(
      parameters: UnsafeMutableBufferPointer(start: parameters.base, count: parameters.count), gradients: &gradients)
  }

  /// Takes one step of parameters in the caller's memory; see ``step(_:gradients:)-(_,GradientAccumulator<Scalar>)``.
  @discardableResult
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  public mutating func step(
    parameters: UnsafeMutableBufferPointer<Scalar>, gradients: inout GradientAccumulator<Scalar>
  ) throws(MomentumError) -> StepReport {
    try Self.check("parameters", parameters.count, layout.count)
    try direction.checkSeparate(UnsafeRawBufferPointer(parameters), "parameters")
    let base = parameters.baseAddress ?? TensorTable<Scalar>.emptyTensor
    return try step(accumulated: &gradients) { base + $0.offset }
  }

  /// Takes one step of tensors that lie anywhere; see ``step(_:gradients:)-(_,GradientAccumulator<Scalar>)``.
  @discardableResult
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  public mutating func step(
    parameters: [UnsafeMutableBufferPointer<Scalar>], gradients: inout GradientAccumulator<Scalar>
  ) throws(MomentumError) -> StepReport {
    try step(parameters: parameters, accumulated: &gradients, nil)
  }

  /// The same, together with other owners if there are meetings.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  mutating func step(
    parameters: [UnsafeMutableBufferPointer<Scalar>], accumulated gradients: inout GradientAccumulator<Scalar>,
    _ meetings: NormMeetings?
  ) throws(MomentumError) -> StepReport {
    try Self.check("list of parameters", parameters.count, layout.tensors.count)
    var regions = direction.lentRegions(layout)
    for (index, tensor) in layout.tensors.enumerated() {
      try Self.check("parameters of tensor '\(tensor.name)'", parameters[index].count, tensor.count)
      regions.append(MemoryRegion(parameters[index], tensor: index, "parameters"))
    }
    try MemoryRegion.checkSeparate(&regions) { layout.tensors[$0].name }
    let bases = parameters.map { $0.baseAddress ?? TensorTable<Scalar>.emptyTensor }
    var next = bases.makeIterator()
    return try step(accumulated: &gradients, meetings) { _ in next.next()! }
  }

  private mutating func step(
    accumulated gradients: inout GradientAccumulator<Scalar>, _ meetings: NormMeetings? = nil,
    _ parameters: (TensorTable<Scalar>.Entry) -> UnsafeMutablePointer<Scalar>
  ) throws(MomentumError) -> StepReport {
    try gradients.checkStep(of: layout)
    bound = nil
    for index in table.entries.indices {
      setIfChanged(&table.entry(index).pointee.gradient, to: gradients.sum(ofTensor: index))
      setIfChanged(&table.entry(index).pointee.parameters, to: parameters(table.entries[index]))
    }
    let isMeasured = try takeSums(of: gradients)
    let report = try takeStep(divisor: gradients.divisor, isMeasured: isMeasured, meetings)
    gradients.reset()
    return report
  }

  /// Takes over what an accumulator has measured, in a step whose settings hold: what reports tell of the last step goes.
  ///
  /// - Returns: Whether that is what a step needs.
  mutating func takeSums(of gradients: borrowing GradientAccumulator<Scalar>) throws(MomentumError) -> Bool {
    let call = EngineCall.begin()
    defer { call.end() }
    try checkStep()
    guard stage.settings.normType == .l2, stage.settings.algorithm == gradients.algorithm else { return false }
    _ = table.sums.update(fromContentsOf: gradients.table.sums)
    table.lastOrder = .forwards
    return true
  }

  // MARK: - Checks

  /// Points every tensor at its buffers, if no two of them overlap.
  @inline(never)
  private mutating func bind(
    _ parameters: [UnsafeMutableBufferPointer<Scalar>], _ gradients: [UnsafeBufferPointer<Scalar>?]
  ) throws(MomentumError) {
    var regions = direction.lentRegions(layout)
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
    bound = .floats
  }

  @inline(__always)
  static func check(
    _ what: @autoclosure () -> String, _ count: Int, _ expected: Int
  ) throws(MomentumError) {
    guard count == expected else { throw .countMismatch(what: what(), count: count, expected: expected) }
  }
}
