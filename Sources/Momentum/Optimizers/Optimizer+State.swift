/// Everything an ``Optimizer`` remembers between steps, exactly: an optimizer resumed from it goes on bit for bit.
public struct OptimizerState<Scalar: BLASScalar>: Sendable, Hashable, Codable {
  /// How many steps have been taken.
  public var stepCount: Int
  /// The scale s of each tensor's velocity `s·u`.
  public var scales: [Double]
  /// Whether each tensor has a velocity yet.
  public var hasVelocity: [Bool]
  /// u of all tensors in the order of the layout; empty if no step has needed a velocity.
  public var direction: [Scalar]
  /// Whether the last step clipped by a norm, on which the way of the next one depends in ``StepMode/onePass``.
  public var lastStepClipped: Bool

  /// Assembles a state from its parts; ``Optimizer/restore(_:)`` checks them.
  public init(
    stepCount: Int, scales: [Double], hasVelocity: [Bool], direction: [Scalar], lastStepClipped: Bool = false
  ) {
    self.lastStepClipped = lastStepClipped
    self.stepCount = stepCount
    self.scales = scales
    self.hasVelocity = hasVelocity
    self.direction = direction
  }
}

extension Optimizer {
  /// A copy of the state.
  ///
  /// - Complexity: O(n); one allocation of n elements.
  public func state() -> OptimizerState<Scalar> {
    var elements: [Scalar] = []
    if let base = direction { elements = Array(UnsafeBufferPointer(start: base, count: layout.count)) }
    return OptimizerState(
      stepCount: stepCount, scales: scales, hasVelocity: hasVelocity, direction: elements,
      lastStepClipped: lastStepClipped)
  }

  /// Replaces the state by one that ``state()`` returned, here or in another process.
  ///
  /// - Throws: ``MomentumError/countMismatch(what:count:expected:)`` if it belongs to another layout,
  ///   ``MomentumError/invalidSetting(name:value:expected:)`` if its numbers cannot be those of a state. The optimizer is then unchanged.
  public mutating func restore(_ state: OptimizerState<Scalar>) throws(MomentumError) {
    let tensors = layout.tensors.count
    for (what, count) in [("scales", state.scales.count), ("velocity flags", state.hasVelocity.count)]
    where count != tensors {
      throw .countMismatch(what: what, count: count, expected: tensors)
    }
    guard state.direction.isEmpty || state.direction.count == layout.count else {
      throw .countMismatch(what: "direction", count: state.direction.count, expected: layout.count)
    }
    if state.direction.isEmpty, layout.count > 0, state.hasVelocity.contains(true) {
      throw .countMismatch(what: "direction", count: 0, expected: layout.count)
    }
    for scale in state.scales where !(scale > 0 && scale.isFinite) {
      throw .invalidSetting(name: "velocity scale", value: "\(scale)", expected: "a positive finite number")
    }
    guard state.stepCount >= 0 else {
      throw .invalidSetting(name: "step count", value: "\(state.stepCount)", expected: "at least 0")
    }
    if state.direction.isEmpty {
      dropDirection()
    } else {
      try makeDirection().update(from: state.direction, count: layout.count)
    }
    (stepCount, scales, hasVelocity) = (state.stepCount, state.scales, state.hasVelocity)
    lastStepClipped = state.lastStepClipped
  }

  /// Multiplies the velocity's scale into its elements, so that every scale is 1 and the stored direction is the velocity.
  ///
  /// The value of the velocity stays the same up to one rounding of each element.
  ///
  /// - Complexity: O(n) if a scale differs from 1; reads n and writes n elements.
  public mutating func foldVelocity() {
    guard let base = direction, scales.contains(where: { $0 != 1 }) else { return }
    var programs: [StepProgram] = []
    for (index, tensor) in layout.tensors.enumerated() {
      table.entries[index].direction = base + tensor.offset
      table.entries[index].program = programs.count
      var program = StepProgram()
      if scales[index] != 1 { program.append(.scal(factor: ScaledDouble(scales[index]), .direction)) }
      programs.append(program)
      scales[index] = 1
    }
    programs.withUnsafeBufferPointer { table.update($0, ThreadTeam(threads, elements: layout.count)) }
  }

  /// Calls `body` with the velocity of one tensor; all zeros, or empty if no step has needed a velocity.
  ///
  /// Folds the velocity first, see ``foldVelocity()``. The buffer is valid during the call only.
  ///
  /// - Throws: What `body` throws.
  public mutating func withUnsafeVelocity<R, E: Error>(
    ofTensor index: Int, _ body: (UnsafeBufferPointer<Scalar>) throws(E) -> R
  ) throws(E) -> R {
    foldVelocity()
    let tensor = layout.tensors[index]
    guard let base = direction else { return try body(UnsafeBufferPointer(start: nil, count: 0)) }
    return try body(UnsafeBufferPointer(start: base + tensor.offset, count: tensor.count))
  }

  /// Whether a tensor has taken part in a step with momentum, or was given a velocity.
  public func hasVelocity(ofTensor index: Int) -> Bool { hasVelocity[index] }

  /// Sets the velocity of one tensor; its next step is then not a first step.
  ///
  /// - Throws: ``MomentumError/countMismatch(what:count:expected:)``, ``MomentumError/allocationFailed(bytes:)``.
  /// - Complexity: O(count of the tensor).
  public mutating func setVelocity(
    ofTensor index: Int, _ values: UnsafeBufferPointer<Scalar>
  ) throws(MomentumError) {
    let tensor = layout.tensors[index]
    guard values.count == tensor.count else {
      throw .countMismatch(what: "velocity of tensor '\(tensor.name)'", count: values.count, expected: tensor.count)
    }
    let base = try makeDirection()
    if let source = values.baseAddress { (base + tensor.offset).update(from: source, count: tensor.count) }
    scales[index] = 1
    hasVelocity[index] = true
  }

  /// Sets what else a run that goes on must know, after its velocities have been set one by one.
  ///
  /// - Parameters:
  ///   - stepCount: How many steps have been taken.
  ///   - lastStepClipped: Whether the last one clipped by a norm; counts in ``StepMode/onePass``.
  /// - Throws: ``MomentumError/invalidSetting(name:value:expected:)`` for a negative count.
  public mutating func resume(stepCount: Int, lastStepClipped: Bool) throws(MomentumError) {
    guard stepCount >= 0 else {
      throw .invalidSetting(name: "step count", value: "\(stepCount)", expected: "at least 0")
    }
    self.stepCount = stepCount
    self.lastStepClipped = lastStepClipped
  }
}
