// The whole memory of an optimizer.
extension Optimizer {
  /// A copy of the state.
  ///
  /// - Complexity: O(n); one allocation of n elements, or two with an average.
  public func state() -> OptimizerState<Scalar> {
    var state = OptimizerState<Scalar>(layout)
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
  /// - Throws: ``MomentumError/layoutMismatch(_:)`` if it belongs to another layout,
  ///   ``MomentumError/countMismatch(what:count:expected:)`` or ``MomentumError/invalidSetting(_:)`` if its numbers
  ///   cannot be those of a state, ``MomentumError/nonFiniteState(what:tensor:index:value:)`` if a velocity or an
  ///   average is not finite. The optimizer is then unchanged.
  public mutating func restore(_ state: OptimizerState<Scalar>) throws(MomentumError) {
    try state.validate(layout)
    try state.direction.withUnsafeBufferPointer { direction throws(MomentumError) in
      try checkFinite("velocity", direction) { ScaledDouble(state.velocities[$0].scale) }
    }
    try state.average.withUnsafeBufferPointer { average throws(MomentumError) in
      try checkFinite("average", average) { ScaledDouble(state.averages[$0].scale) }
    }
    // Allocations come first, because they can fail.
    if !state.direction.isEmpty { _ = try direction.make(layout, threads: threads) }
    if !state.average.isEmpty { _ = try average.make(layout, threads: threads) }
    direction.replace(by: state.direction, layout)
    average.replace(by: state.average, layout)
    adoptVelocities(state)
    adoptAverages(state)
  }

  /// Takes on everything of a state but its vectors and its averages.
  private mutating func adoptVelocities(_ state: OptimizerState<Scalar>) {
    states.velocities = state.velocities
    (stepCount, lastStepClipped) = (state.stepCount, state.lastStepClipped)
    if state.lossScale.growth != nil { lossScale = state.lossScale }
    if let adaptive = state.adaptiveLimit { adaptiveLimit = adaptive }
  }

  /// Takes on the scales and counts of a state's averages.
  private mutating func adoptAverages(_ state: OptimizerState<Scalar>) { states.averages = state.averages }

  /// Replaces the state, or a part of it, by one whose vectors lie elsewhere: a buffer for each tensor, and none where
  /// there is nothing.
  ///
  /// - Parameters:
  ///   - state: All but the vectors, with numbers that have been checked.
  ///   - directions: u of each tensor; `nil` leaves everything but the averages as it is.
  ///   - averages: b of each tensor; `nil` leaves the averages as they are.
  ///   - confirm: Called when all elements have been copied and nothing has been replaced.
  /// - Throws: ``MomentumError/allocationFailed(bytes:)``, ``MomentumError/nonFiniteState(what:tensor:index:value:)``, or
  ///   what `confirm` throws. The optimizer is then unchanged.
  package mutating func restore(
    _ state: OptimizerState<Scalar>, directions: [UnsafeBufferPointer<Scalar>?]?,
    averages: [UnsafeBufferPointer<Scalar>?]?, confirm: () throws -> Void
  ) throws {
    let newDirection = try gathered(directions ?? [])
    let newAverage = try gathered(averages ?? [])
    try checkFinite("velocity", newDirection.elements(layout)) { ScaledDouble(state.velocities[$0].scale) }
    try checkFinite("average", newAverage.elements(layout)) { ScaledDouble(state.averages[$0].scale) }
    try confirm()
    if directions != nil {
      direction.replace(by: newDirection, layout)
      adoptVelocities(state)
    }
    if averages != nil {
      average.replace(by: newAverage, layout)
      adoptAverages(state)
    }
  }

  /// A copy of buffers in the order of the layout, zeros where one is missing; no memory if all are.
  func gathered(_ sources: [UnsafeBufferPointer<Scalar>?]) throws(MomentumError) -> LazyVector<Scalar> {
    var vector = LazyVector<Scalar>()
    guard sources.contains(where: { $0 != nil }) else { return vector }
    let base = try vector.make(layout, threads: threads)
    for (index, values) in sources.enumerated() {
      guard let source = values?.baseAddress else { continue }
      (base + table.entries[index].offset).update(from: source, count: table.entries[index].count)
    }
    return vector
  }

  /// Throws if a vector that is to be taken on holds an element that is not finite, or whose product with the factor of
  /// its tensor is not.
  ///
  /// - Parameters:
  ///   - what: The vector's name in errors.
  ///   - vector: All elements in the order of the layout, or none.
  ///   - factor: The factor of each tensor.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  func checkFinite(
    _ what: String, _ vector: UnsafeBufferPointer<Scalar>, factor: (Int) -> ScaledDouble
  ) throws(MomentumError) {
    guard !vector.isEmpty, let start = vector.baseAddress else { return }
    for index in table.entries.indices {
      let count = table.entries[index].count
      let values = UnsafeBufferPointer(start: start + table.entries[index].offset, count: count)
      try checkFinite(what, values, ofTensor: index, factor(index))
    }
  }

  /// As ``checkFinite(_:_:factor:)``, for one tensor.
  @inline(__always)
  func checkFinite(
    _ what: String, _ values: UnsafeBufferPointer<Scalar>, ofTensor index: Int, _ factor: ScaledDouble
  ) throws(MomentumError) {
    guard let start = values.baseAddress else { return }
    let largest = ElementLoops.maximumMagnitude(start, values.count)
    guard !Self.product(largest, factor).isFinite else { return }
    let first = values.firstIndex { !Self.product($0, factor).isFinite }!
    let value = values[first].isFinite ? Self.product(values[first], factor) : values[first]
    throw .nonFiniteState(what: what, tensor: table.name(of: index), index: first, value: Double(value))
  }

  private static func product(_ value: Scalar, _ factor: ScaledDouble) -> Scalar {
    Scalar((ScaledDouble(Double(value)) * factor).double)
  }

  /// Sets what else a run that goes on must know, after its velocities have been set one by one.
  ///
  /// - Parameters:
  ///   - stepCount: How many steps have been taken.
  ///   - lastStepClipped: Whether the last one clipped by a norm; counts in ``StepMode/onePass``.
  /// - Throws: ``MomentumError/invalidSetting(_:)`` for a count that is negative or above 2⁵³.
  public mutating func resume(stepCount: Int, lastStepClipped: Bool) throws(MomentumError) {
    try CountRange.check(stepCount, "step count")
    self.stepCount = stepCount
    self.lastStepClipped = lastStepClipped
  }
}
