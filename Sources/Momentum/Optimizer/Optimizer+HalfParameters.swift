// Steps of parameters that are not, or not only, stored as Floats. Gradients are Floats or in half precision.
extension Optimizer where Scalar == Float {
  /// Takes one step of a `Float` master, and writes a copy of it in half precision in the same pass over memory.
  ///
  /// The master has the bits of a step without a copy. The copy is the master, rounded to nearest, ties to even; also in a
  /// tensor that the step did not change. A skipped step writes neither.
  ///
  /// ```swift
  /// var master = try ParameterVector<Float>([1, 0.1])
  /// var copy = try ParameterVector<BFloat16>(rounding: master)  // for the first forward pass
  /// try optimizer.step(&master, copy: &copy, gradients: gradients)
  /// ```
  ///
  /// - Parameters:
  ///   - parameters: The master, updated in place; of the optimizer's ``layout``.
  ///   - copy: The copy, of the optimizer's ``layout``.
  ///   - gradients: Only read; of the optimizer's ``layout``.
  /// - Returns: A report of what was measured and changed.
  /// - Throws: As ``step(_:gradients:)-(ParameterVector<Scalar>,ParameterVector<Scalar>)``.
  /// - Complexity: O(n).
  @discardableResult
  public mutating func step<Half: HalfScalar, Gradient: StoredScalar>(
    _ parameters: inout ParameterVector<Float>, copy: inout ParameterVector<Half>,
    gradients: borrowing ParameterVector<Gradient>
  ) throws(MomentumError) -> StepReport where Gradient.Compute == Float {
    try layout.check("parameters", ofVector: parameters.layout)
    try layout.check("copy", ofVector: copy.layout)
    try layout.check("gradients", ofVector: gradients.layout)
    return try step(
      parameters: UnsafeMutableBufferPointer(start: parameters.base, count: parameters.count),
      copy: UnsafeMutableBufferPointer(start: copy.base, count: copy.count),
      gradients: UnsafeBufferPointer(start: gradients.base, count: gradients.count))
  }

  /// Takes one step of a `Float` master in the caller's memory, and writes a copy in half precision; see
  /// ``step(_:copy:gradients:)``.
  ///
  /// - Throws: Also ``MomentumError/overlap(first:second:)``.
  @discardableResult
  public mutating func step<Half: HalfScalar, Gradient: StoredScalar>(
    parameters: UnsafeMutableBufferPointer<Float>, copy: UnsafeMutableBufferPointer<Half>,
    gradients: UnsafeBufferPointer<Gradient>
  ) throws(MomentumError) -> StepReport where Gradient.Compute == Float {
    var halves = HalfOperands()
    halves.copy = Half.elementType
    return try step(
      halves, TensorBuffer(UnsafeBufferPointer(parameters)), copy: TensorBuffer(UnsafeBufferPointer(copy)),
      TensorBuffer(gradients))
  }

  /// Takes one step of parameters that are kept as numbers of 16 bits and remainders.
  ///
  /// The parameters have the bits of a step of `Float`s (``step(_:gradients:)-(ParameterVector<Float>,ParameterVector<Half>)``),
  /// but that a NaN is always the same one.
  ///
  /// - Parameters:
  ///   - parameters: Updated in place; of the optimizer's ``layout``.
  ///   - gradients: Only read; of the optimizer's ``layout``.
  /// - Returns: A report of what was measured and changed.
  /// - Throws: As ``step(_:gradients:)-(ParameterVector<Scalar>,ParameterVector<Scalar>)``.
  /// - Complexity: O(n).
  @discardableResult
  public mutating func step<Gradient: StoredScalar>(
    _ parameters: inout SplitParameters, gradients: borrowing ParameterVector<Gradient>
  ) throws(MomentumError) -> StepReport where Gradient.Compute == Float {
    try layout.check("parameters", ofVector: parameters.layout)
    try layout.check("gradients", ofVector: gradients.layout)
    var halves = HalfOperands()
    halves.parameters = .split
    return try takeStep(
      halves, TensorBuffer(UnsafeBufferPointer(start: parameters.bfloat16.base, count: layout.count)),
      TensorBuffer(UnsafeBufferPointer(start: gradients.base, count: layout.count)),
      second: UnsafeMutableRawPointer(parameters.remainders))
  }

  /// Takes one step of parameters of ``BFloat16`` that have no master.
  ///
  /// The step is computed in `Float`, and each parameter is then rounded once. Of what rounding to nearest undoes,
  /// ``StepReport/lostUpdates`` tells: while it is the number of all elements, training has come to a halt. Keep the
  /// parameters as ``SplitParameters``, or round them at random.
  ///
  /// ```swift
  /// var parameters = try ParameterVector<BFloat16>([1, 0.1])
  /// let report = try optimizer.step(&parameters, rounding: .stochastic(seed: 1), gradients: gradients)
  /// ```
  ///
  /// - Parameters:
  ///   - parameters: Updated in place; of the optimizer's ``layout``.
  ///   - rounding: How parameters are rounded.
  ///   - gradients: Only read; of the optimizer's ``layout``.
  /// - Returns: A report of what was measured and changed.
  /// - Throws: As ``step(_:gradients:)-(ParameterVector<Scalar>,ParameterVector<Scalar>)``;
  ///   ``MomentumError/invalidSetting(_:)`` in ``StepMode/onePass``, which corrects parameters that it has rounded.
  /// - Complexity: O(n).
  @discardableResult
  public mutating func step<Gradient: StoredScalar>(
    _ parameters: inout ParameterVector<BFloat16>, rounding: Rounding,
    gradients: borrowing ParameterVector<Gradient>
  ) throws(MomentumError) -> StepReport where Gradient.Compute == Float {
    try layout.check("parameters", ofVector: parameters.layout)
    try layout.check("gradients", ofVector: gradients.layout)
    return try step(
      parameters: UnsafeMutableBufferPointer(start: parameters.base, count: parameters.count), rounding: rounding,
      gradients: UnsafeBufferPointer(start: gradients.base, count: gradients.count))
  }

  /// Takes one step of parameters of ``BFloat16`` in the caller's memory; see ``step(_:rounding:gradients:)``.
  ///
  /// - Throws: Also ``MomentumError/overlap(first:second:)``.
  @discardableResult
  public mutating func step<Gradient: StoredScalar>(
    parameters: UnsafeMutableBufferPointer<BFloat16>, rounding: Rounding, gradients: UnsafeBufferPointer<Gradient>
  ) throws(MomentumError) -> StepReport where Gradient.Compute == Float {
    let (parameters, gradients) = (TensorBuffer(UnsafeBufferPointer(parameters)), TensorBuffer(gradients))
    try check(parameters, gradients)
    try checkRounding()
    table.makeHalfEntries()
    for index in table.entries.indices { table.setKey(of: index, for: rounding) }
    var halves = HalfOperands()
    halves.parameters = .bfloat16(rounding)
    return try takeStep(halves, parameters, gradients)
  }

  /// Throws in a mode that corrects parameters after it has written them.
  func checkRounding() throws(MomentumError) {
    guard mode == .twoPass else {
      throw .invalidSetting(
        name: "mode", value: mode.rawValue, expected: "twoPass with parameters that are rounded to half precision")
    }
  }

  // MARK: - Vectors of any element type

  // From here on the element types are values: code that is generic over them would look them up in each step, which takes
  // longer than the step of a small vector.

  /// Checks the sizes of two vectors, and that no memory is that of another one.
  func check(_ parameters: TensorBuffer, _ gradients: TensorBuffer) throws(MomentumError) {
    try Self.check("parameters", parameters.count, layout.count)
    try Self.check("gradients", gradients.count, layout.count)
    guard !MemoryRegion.overlap(gradients.bytes, parameters.bytes) else {
      throw .overlap(first: "gradients", second: "parameters")
    }
    try direction.checkSeparate(parameters.bytes, "parameters")
    try direction.checkSeparate(gradients.bytes, "gradients")
  }

  /// The same of a master, its copy and gradients; then takes the step.
  private mutating func step(
    _ operands: HalfOperands, _ parameters: TensorBuffer, copy: TensorBuffer, _ gradients: TensorBuffer
  ) throws(MomentumError) -> StepReport {
    try check(parameters, gradients)
    try Self.check("copy", copy.count, layout.count)
    guard !MemoryRegion.overlap(copy.bytes, parameters.bytes) else {
      throw .overlap(first: "parameters", second: "copy")
    }
    guard !MemoryRegion.overlap(gradients.bytes, copy.bytes) else { throw .overlap(first: "copy", second: "gradients") }
    try direction.checkSeparate(copy.bytes, "copy")
    return try takeStep(operands, parameters, gradients, second: UnsafeMutableRawPointer(mutating: copy.base))
  }

  /// Takes a step of vectors that have been checked.
  ///
  /// - Parameter second: The remainders or the copy, of 16 bits each.
  mutating func takeStep(
    _ operands: HalfOperands, _ parameters: TensorBuffer, _ gradients: TensorBuffer,
    second: UnsafeMutableRawPointer? = nil
  ) throws(MomentumError) -> StepReport {
    var operands = operands
    if gradients.elementType != .float32 { operands.gradient = gradients.elementType }
    bound = nil
    let hasHalfEntries = operands.copy != nil || operands.parameters != nil
    if hasHalfEntries { table.makeHalfEntries() }
    for index in table.entries.indices {
      let (entry, offset) = (table.entry(index), table.entries[index].offset)
      setIfChanged(&entry.pointee.gradient, to: TensorTable<Float>.address(gradients, at: offset))
      setIfChanged(&entry.pointee.parameters, to: TensorTable<Float>.address(parameters, at: offset))
      if hasHalfEntries { table.halfEntry(index).pointee.second = second.map { $0 + 2 * offset } }
    }
    return try takeStep(operands)
  }

  /// Takes a step with the operands bound in the table and gradients of one type.
  mutating func takeStep<Gradient: StoredScalar>(
    _ operands: HalfOperands, withGradientsOf _: Gradient.Type, _ meetings: NormMeetings? = nil
  ) throws(MomentumError) -> StepReport {
    var operands = operands
    if Gradient.elementType != .float32 { operands.gradient = Gradient.elementType }
    return try takeStep(operands, meetings)
  }

  /// Takes a step with the operands bound in the table.
  ///
  /// - Parameters:
  ///   - divisor: The number that the bound gradients are divided by.
  ///   - isMeasured: Whether the table holds the tile sums of the gradients already.
  mutating func takeStep(
    _ operands: HalfOperands, divisor: ScaledDouble = ScaledDouble(1), isMeasured: Bool = false,
    _ meetings: NormMeetings? = nil
  ) throws(MomentumError) -> StepReport {
    table.halves = operands
    (table.halves.step, table.halves.saturates) = (stepCount + 1, overflowPolicy == .saturate)
    defer { table.halves = HalfOperands() }
    return try takeStep(divisor: divisor, isMeasured: isMeasured, meetings)
  }
}
