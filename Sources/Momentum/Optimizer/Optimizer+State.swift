// The whole memory of an optimizer.
extension Optimizer {
  /// A copy of the state.
  ///
  /// - Complexity: O(n); one allocation of n elements for each vector that there is.
  public func state() -> OptimizerState<Scalar> {
    var state = stateOutline()
    if direction.base != nil {
      state.direction = []
      state.direction.reserveCapacity(layout.count)
      for tensor in layout.tensors { state.direction += direction.scalars(of: tensor) }
    }
    state.secondMoment = Array(secondMoment.elements(layout))
    if let base = average.base { state.average = Array(UnsafeBufferPointer(start: base, count: layout.count)) }
    return state
  }

  /// The state without the elements of its vectors.
  package func stateOutline() -> OptimizerState<Scalar> {
    var state = OptimizerState<Scalar>(layout)
    state.stepCount = stepCount
    state.lastStepClipped = lastStepClipped
    state.velocities = states.velocities
    state.averages = states.averages
    if lossScale.growth != nil { state.lossScale = lossScale }
    state.adaptiveLimit = adaptiveLimit
    return state
  }

  /// Replaces the state by one that ``state()`` returned, here or in another process.
  ///
  /// A dynamic loss scale and adaptive clipping come with their settings; where the state has none, this optimizer's
  /// stay. A velocity that was stored in another type is converted: to ``BFloat16`` it is rounded once.
  ///
  /// - Throws: ``MomentumError/layoutMismatch(_:)`` if it belongs to another layout,
  ///   ``MomentumError/countMismatch(what:count:expected:)`` or ``MomentumError/invalidSetting(_:)`` if its numbers
  ///   cannot be those of a state, ``MomentumError/nonFiniteState(what:tensor:index:value:)`` if a velocity or an
  ///   average is not finite, or a velocity would not be as ``BFloat16``. The optimizer is then unchanged.
  public mutating func restore(_ state: OptimizerState<Scalar>) throws(MomentumError) {
    try state.validate(layout)
    try state.direction.withUnsafeBufferPointer { elements throws(MomentumError) in
      try checkFinite("velocity", elements) { ScaledDouble(state.velocities[$0].scale) }
      guard !elements.isEmpty else { return }
      for (index, tensor) in layout.tensors.enumerated() {
        try checkStorable(UnsafeBufferPointer(rebasing: elements[tensor.range]), ofTensor: index)
      }
    }
    try state.average.withUnsafeBufferPointer { average throws(MomentumError) in
      try checkFinite("average", average) { ScaledDouble(state.averages[$0].scale) }
    }
    try state.secondMoment.withUnsafeBufferPointer { squares throws(MomentumError) in
      try checkSquares(squares)
    }
    // Allocations come first, because they can fail.
    if !state.direction.isEmpty { _ = try direction.make(layout, threads: threads) }
    if !state.average.isEmpty { _ = try average.make(layout, threads: threads) }
    if !state.secondMoment.isEmpty { _ = try secondMoment.make(layout, threads: threads) }
    direction.replace(by: state.direction, layout)
    secondMoment.replace(by: state.secondMoment, layout)
    average.replace(by: state.average, layout)
    adoptVelocities(state)
    adoptAverages(state)
  }

  /// Takes on everything of a state but its vectors and its averages.
  private mutating func adoptVelocities(_ state: OptimizerState<Scalar>) {
    states.velocities = state.velocities
    areSettingsChecked = false
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
  ///   - directions: u of each tensor, of `Scalar`s or for `Float` of ``BFloat16``s; `nil` leaves everything but the
  ///     averages as it is.
  ///   - secondMoments: Those of each tensor; replaced with the directions.
  ///   - averages: b of each tensor; `nil` leaves the averages as they are.
  ///   - confirm: Called when all elements have been copied and nothing has been replaced.
  /// - Throws: ``MomentumError/allocationFailed(bytes:)``, ``MomentumError/nonFiniteState(what:tensor:index:value:)``,
  ///   ``MomentumError/invalidSetting(_:)`` for a negative second moment, or what `confirm` throws. The optimizer is then unchanged.
  package mutating func restore(
    _ state: OptimizerState<Scalar>, directions: [TensorBuffer?]?, secondMoments: [UnsafeBufferPointer<Scalar>?] = [],
    averages: [UnsafeBufferPointer<Scalar>?]?, confirm: () throws -> Void
  ) throws {
    let newDirection = try gathered(directions ?? [], isHalf: direction.isHalf)
    let newSecondMoment = try gathered(secondMoments.map { $0.map { TensorBuffer($0) } })
    let newAverage = try gathered((averages ?? []).map { $0.map { TensorBuffer($0) } })
    try checkFinite("velocity", newDirection) { ScaledDouble(state.velocities[$0].scale) }
    try checkSquares(newSecondMoment.elements(layout))
    try checkFinite("average", newAverage) { ScaledDouble(state.averages[$0].scale) }
    try confirm()
    if directions != nil {
      direction.replace(by: newDirection, layout)
      secondMoment.replace(by: newSecondMoment, layout)
      adoptVelocities(state)
    }
    if averages != nil {
      average.replace(by: newAverage, layout)
      adoptAverages(state)
    }
  }

  /// A copy of buffers in the order of the layout, zeros where one is missing; no memory if all are.
  func gathered(_ sources: [TensorBuffer?], isHalf: Bool = false) throws(MomentumError) -> LazyVector<Scalar> {
    var vector = LazyVector<Scalar>(isHalf: isHalf)
    guard sources.contains(where: { $0 != nil }) else { return vector }
    try vector.make(layout, threads: threads)
    for (source, tensor) in zip(sources, layout.tensors) {
      if let source { vector.write(source, at: tensor.offset) }
    }
    return vector
  }

  /// As ``checkFinite(_:_:factor:)-(_,UnsafeBufferPointer<Scalar>,_)``, of a vector that is stored in any type.
  func checkFinite(
    _ what: String, _ vector: borrowing LazyVector<Scalar>, factor: (Int) -> ScaledDouble
  ) throws(MomentumError) {
    guard vector.isHalf else { return try checkFinite(what, vector.elements(layout), factor: factor) }
    for (index, tensor) in layout.tensors.enumerated() {
      try vector.scalars(of: tensor).withUnsafeBufferPointer { values throws(MomentumError) in
        try checkFinite(what, values, ofTensor: index, factor(index))
      }
    }
  }

  /// Throws if an element of a velocity would be infinite in the type that it is to be stored in.
  func checkStorable(_ values: UnsafeBufferPointer<Scalar>, ofTensor index: Int) throws(MomentumError) {
    guard direction.isHalf, let start = values.baseAddress else { return }
    // The first number that is rounded to infinity.
    let limit = Scalar(0x1.ffp127 as Double)
    guard Scalar._maximumMagnitude(start, values.count) >= limit else { return }
    let first = values.firstIndex { $0.magnitude >= limit }!
    throw .nonFiniteState(
      what: "velocity", tensor: table.name(of: index), index: first, value: Double(values[first]))
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
    let largest = Scalar._maximumMagnitude(start, values.count)
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
