// Steps of tensors that are stored in different ways, one buffer for each.
extension Optimizer where Scalar == Float {
  /// Takes one step of tensors that lie anywhere in the caller's memory and are stored in any way, one buffer for each
  /// tensor in the order of the layout.
  ///
  /// Tensors of a checkpoint that has several types are stepped together: each is stored, rounded and copied as its
  /// ``ParameterBuffer`` says, and gradients are of `Float`, ``BFloat16`` or `Float16`, tensor by tensor. Where all are
  /// stored alike, the step has the bits of the step of vectors; if any gradient is in half precision, all are measured by
  /// ``NormAlgorithm/portable``.
  ///
  /// A tensor whose gradient is `nil` is left alone: neither its velocity nor its parameters nor their copy change.
  ///
  /// - Parameters:
  ///   - parameters: One buffer for each tensor, updated in place.
  ///   - gradients: One buffer for each tensor, only read.
  /// - Returns: A report of what was measured and changed.
  /// - Throws: As ``step(parameters:gradients:)-([UnsafeMutableBufferPointer<Scalar>],[UnsafeBufferPointer<Scalar>?])``;
  ///   ``MomentumError/invalidSetting(_:)`` for a gradient of `Double`, and in ``StepMode/onePass`` for parameters that are
  ///   rounded.
  @_disfavoredOverload  // so that empty lists stay those of Floats
  @discardableResult
  public mutating func step(
    parameters: [ParameterBuffer], gradients: [TensorBuffer?]
  ) throws(MomentumError) -> StepReport {
    try takeStep(bindTensors(parameters, gradients))
  }

  /// Takes one step of some of a model's tensors, stored in any way, together with the owners of the others; see
  /// ``step(parameters:gradients:)-([ParameterBuffer],[TensorBuffer?])`` and ``NormExchange``.
  @_disfavoredOverload
  @discardableResult
  public mutating func step(
    parameters: [ParameterBuffer], gradients: [TensorBuffer?], exchange: some NormExchange
  ) throws(MomentumError) -> StepReport {
    let meetings = NormMeetings(exchange, step: stepCount)
    do throws(MomentumError) {
      return try takeStep(bindTensors(parameters, gradients), meetings)
    } catch {
      throw meetings.failure(error)
    }
  }

  /// Points every tensor at its buffers of two lists, which are checked.
  ///
  /// - Returns: Whether any tensor has an operand in half precision.
  mutating func bindTensors(
    _ parameters: [ParameterBuffer], _ gradients: [TensorBuffer?]
  ) throws(MomentumError) -> HalfOperands {
    try Self.check("list of parameters", parameters.count, layout.tensors.count)
    try Self.check("list of gradients", gradients.count, layout.tensors.count)
    table.makeHalfEntries()
    var all = HalfOperands()
    all.isMixed = true
    var areKnown = bound == .tensors
    bound = nil
    for index in table.entries.indices {
      let binding = TensorBinding(parameters[index], gradients[index])
      try check(binding, ofTensor: index)
      all.gradient = all.gradient ?? binding.operands.gradient
      all.parameters = all.parameters ?? binding.operands.parameters
      all.copy = all.copy ?? binding.operands.copy
      areKnown = areKnown && binding.isThat(of: index, table)
    }
    if !areKnown {
      var regions = direction.lentRegions(layout)
      for index in table.entries.indices {
        TensorBinding(parameters[index], gradients[index]).appendRegions(to: &regions, tensor: index)
      }
      try MemoryRegion.checkSeparate(&regions) { layout.tensors[$0].name }
      for index in table.entries.indices { TensorBinding(parameters[index], gradients[index]).set(index, table) }
    }
    bound = .tensors
    return all
  }

  /// Checks everything about a tensor's buffers but their overlaps.
  private func check(_ binding: TensorBinding, ofTensor index: Int) throws(MomentumError) {
    let (name, count) = (table.name(of: index), table.entries[index].count)
    let parameters = binding.parameters
    try Self.check("parameters of tensor '\(name)'", parameters.count, count)
    if let secondCount = parameters.secondCount {
      try Self.check("\(parameters.secondRole) of tensor '\(name)'", secondCount, count)
    }
    if case .bfloat16 = parameters.storage { try checkRounding() }
    guard let gradient = binding.gradient else { return }
    try Self.check("gradient of tensor '\(name)'", gradient.count, count)
    guard gradient.elementType != .float64 else {
      throw .invalidSetting(
        name: "element type of the gradient", of: .tensor(name), value: gradient.elementType.rawValue,
        expected: "float32, bfloat16 or float16")
    }
  }
}

/// What one tensor is bound to in a step of tensors that are stored in different ways.
private struct TensorBinding {
  let parameters: ParameterBuffer
  let gradient: TensorBuffer?
  let operands: HalfOperands

  init(_ parameters: ParameterBuffer, _ gradient: TensorBuffer?) {
    (self.parameters, self.gradient) = (parameters, gradient)
    var operands = HalfOperands()
    if let gradient, gradient.elementType != .float32 { operands.gradient = gradient.elementType }
    switch parameters.storage {
    case .floats: break
    case .copied(let type): operands.copy = type
    case .split: operands.parameters = .split
    case .bfloat16(let rounding): operands.parameters = .bfloat16(rounding)
    }
    self.operands = operands
  }

  private typealias Table = TensorTable<Float>

  /// The addresses as a table keeps them: of empty tensors one that nobody reads.
  private var parametersAddress: Table.Pointer { address(parameters.base) }
  private var gradientAddress: Table.Pointer? { gradient.map { address($0.base) } }

  private func address(_ base: UnsafeRawPointer?) -> Table.Pointer {
    base.map { UnsafeMutableRawPointer(mutating: $0).assumingMemoryBound(to: Float.self) } ?? Table.emptyTensor
  }

  /// Whether a tensor is bound to these buffers already.
  func isThat(of index: Int, _ table: TensorTable<Float>) -> Bool {
    let (entry, half) = (table.entry(index), table.halfEntry(index))
    return entry.pointee.gradient == gradientAddress && entry.pointee.parameters == parametersAddress
      && half.pointee.second == parameters.second?.baseAddress && half.pointee.operands == operands
  }

  /// Binds a tensor.
  func set(_ index: Int, _ table: TensorTable<Float>) {
    let (entry, half) = (table.entry(index), table.halfEntry(index))
    (entry.pointee.gradient, entry.pointee.parameters) = (gradientAddress, parametersAddress)
    (half.pointee.second, half.pointee.operands) = (parameters.second?.baseAddress, operands)
    if case .bfloat16(let rounding) = operands.parameters { table.setKey(of: index, for: rounding) }
  }

  /// Adds the memory of the buffers to the regions of a call.
  func appendRegions(to regions: inout [MemoryRegion], tensor: Int) {
    regions.append(
      MemoryRegion(
        parameters.base, byteCount: parameters.count * parameters.byteCount, tensor: tensor, "parameters"))
    if let second = parameters.second {
      regions.append(
        MemoryRegion(second.baseAddress, byteCount: second.count, tensor: tensor, parameters.secondRole))
    }
    guard let gradient else { return }
    regions.append(
      MemoryRegion(
        gradient.base, byteCount: gradient.count * gradient.elementType.byteCount, tensor: tensor, "gradient"))
  }
}
