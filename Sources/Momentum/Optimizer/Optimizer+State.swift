// The whole memory of an optimizer.
extension Optimizer {
  /// A copy of the state.
  ///
  /// - Complexity: O(n); one allocation of n elements, or two with an average.
  public func state() -> OptimizerState<Scalar> {
    var state = OptimizerState<Scalar>(tensors: layout.tensors.count)
    state.stepCount = stepCount
    state.lastStepClipped = lastStepClipped
    state.velocities = states.velocities
    state.averages = states.averages
    if lossScale.growth != nil { state.lossScale = lossScale }
    state.adaptiveLimit = adaptiveLimit
    if let base = direction.base { state.direction = Array(UnsafeBufferPointer(start: base, count: layout.count)) }
    if let base = average.base { state.average = Array(UnsafeBufferPointer(start: base, count: layout.count)) }
    return state
  }

  /// Replaces the state by one that ``state()`` returned, here or in another process.
  ///
  /// A dynamic loss scale and adaptive clipping come with their settings; where the state has none, this optimizer's
  /// stay.
  ///
  /// - Throws: ``MomentumError/countMismatch(what:count:expected:)`` if it belongs to another layout,
  ///   ``MomentumError/invalidSetting(_:)`` if its numbers cannot be those of a state. The optimizer is then unchanged.
  public mutating func restore(_ state: OptimizerState<Scalar>) throws(MomentumError) {
    try state.validate(layout)
    // Allocations come first, because they can fail.
    if !state.direction.isEmpty { _ = try direction.make(layout, threads: threads) }
    if !state.average.isEmpty { _ = try average.make(layout, threads: threads) }
    direction.replace(by: state.direction)
    average.replace(by: state.average)
    adoptVelocities(state)
    adoptAverages(state)
  }

  /// Takes on everything of a state but its vectors and its averages.
  private mutating func adoptVelocities(_ state: OptimizerState<Scalar>) {
    (states.velocities, states.mayHaveScaledVelocities) = (state.velocities, true)
    (stepCount, lastStepClipped) = (state.stepCount, state.lastStepClipped)
    if state.lossScale.growth != nil { lossScale = state.lossScale }
    if let adaptive = state.adaptiveLimit { adaptiveLimit = adaptive }
  }

  /// Takes on the scales and counts of a state's averages.
  private mutating func adoptAverages(_ state: OptimizerState<Scalar>) {
    (states.averages, states.mayHaveScaledAverages) = (state.averages, true)
  }

  /// Replaces the state, or a part of it, by one whose vectors lie elsewhere: a buffer for each tensor, and none where
  /// there is nothing.
  ///
  /// - Parameters:
  ///   - state: All but the vectors, with numbers that have been checked.
  ///   - directions: u of each tensor; `nil` leaves everything but the averages as it is.
  ///   - averages: b of each tensor; `nil` leaves the averages as they are.
  ///   - confirm: Called when all elements have been copied and nothing has been replaced.
  /// - Throws: ``MomentumError/allocationFailed(bytes:)``, or what `confirm` throws. The optimizer is then unchanged.
  package mutating func restore(
    _ state: OptimizerState<Scalar>, directions: [UnsafeBufferPointer<Scalar>?]?,
    averages: [UnsafeBufferPointer<Scalar>?]?, confirm: () throws -> Void
  ) throws {
    let newDirection = try gathered(directions ?? [])
    let newAverage = try gathered(averages ?? [])
    try confirm()
    if directions != nil {
      direction = newDirection
      adoptVelocities(state)
    }
    if averages != nil {
      average = newAverage
      adoptAverages(state)
    }
  }

  /// A copy of buffers in the order of the layout, zeros where one is missing; no memory if all are.
  func gathered(_ sources: [UnsafeBufferPointer<Scalar>?]) throws(MomentumError) -> LazyVector<Scalar> {
    var vector = LazyVector<Scalar>()
    guard sources.contains(where: { $0 != nil }) else { return vector }
    let base = try vector.make(layout, threads: threads)
    for (tensor, values) in zip(layout.tensors, sources) {
      guard let values, let source = values.baseAddress else { continue }
      (base + tensor.offset).update(from: source, count: tensor.count)
    }
    return vector
  }

  /// Sets what else a run that goes on must know, after its velocities have been set one by one.
  ///
  /// - Parameters:
  ///   - stepCount: How many steps have been taken.
  ///   - lastStepClipped: Whether the last one clipped by a norm; counts in ``StepMode/onePass``.
  /// - Throws: ``MomentumError/invalidSetting(_:)`` for a negative count.
  public mutating func resume(stepCount: Int, lastStepClipped: Bool) throws(MomentumError) {
    guard stepCount >= 0 else {
      throw .invalidSetting(name: "step count", value: stepCount, expected: .countAtLeast(0))
    }
    self.stepCount = stepCount
    self.lastStepClipped = lastStepClipped
  }
}
