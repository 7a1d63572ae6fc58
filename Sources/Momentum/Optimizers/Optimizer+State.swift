// What an optimizer remembers: as a whole, and the velocities and averages in it.
extension Optimizer {
  /// A copy of the state.
  ///
  /// - Complexity: O(n); one allocation of n elements, or two with an average.
  public func state() -> OptimizerState<Scalar> {
    var state = OptimizerState<Scalar>(tensors: layout.tensors.count)
    state.stepCount = stepCount
    state.lastStepClipped = lastStepClipped
    state.velocities = velocities
    state.averages = averages
    if lossScale.growth != nil { state.lossScale = lossScale }
    state.adaptiveClipping = adaptiveClipping
    if let base = direction.base { state.direction = Array(UnsafeBufferPointer(start: base, count: layout.count)) }
    if let base = average.base { state.average = Array(UnsafeBufferPointer(start: base, count: layout.count)) }
    return state
  }

  /// Replaces the state by one that ``state()`` returned, here or in another process.
  ///
  /// A dynamic loss scale and adaptive clipping come with their settings; where the state has none, this optimizer's stay.
  ///
  /// - Throws: ``MomentumError/countMismatch(what:count:expected:)`` if it belongs to another layout,
  ///   ``MomentumError/invalidSetting(name:value:expected:)`` if its numbers cannot be those of a state. The optimizer is then unchanged.
  public mutating func restore(_ state: OptimizerState<Scalar>) throws(MomentumError) {
    try state.validate(layout)
    // What can fail comes first.
    if !state.direction.isEmpty { _ = try direction.make(layout, threads: threads) }
    if !state.average.isEmpty { _ = try average.make(layout, threads: threads) }
    direction.replace(by: state.direction)
    average.replace(by: state.average)
    averages = state.averages
    adopt(state)
  }

  /// Takes on everything of a state but its vectors and its averages.
  private mutating func adopt(_ state: OptimizerState<Scalar>) {
    velocities = state.velocities
    (stepCount, lastStepClipped) = (state.stepCount, state.lastStepClipped)
    if state.lossScale.growth != nil { lossScale = state.lossScale }
    if let adaptive = state.adaptiveClipping { adaptiveClipping = adaptive }
  }

  /// Replaces the state, or a part of it, by one whose vectors lie elsewhere, a buffer a tensor and none where there is nothing.
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
      adopt(state)
    }
    if averages != nil {
      average = newAverage
      self.averages = state.averages
    }
  }

  /// Replaces the velocities, and nothing else, by vectors that lie elsewhere; see ``restore(_:directions:averages:confirm:)``.
  package mutating func replaceVelocities(
    _ values: [UnsafeBufferPointer<Scalar>?], keepLearningRate: Bool, confirm: () throws -> Void
  ) throws {
    let newDirection = try gathered(values)
    try confirm()
    direction = newDirection
    for index in velocities.indices {
      velocities[index] = VelocityState()
      velocities[index].isSet = values[index] != nil
      velocities[index].keepsLearningRate = keepLearningRate
    }
  }

  /// A copy of buffers in the order of the layout, zeros where one is missing; no memory if all are.
  private func gathered(_ sources: [UnsafeBufferPointer<Scalar>?]) throws(MomentumError) -> OptionalVector<Scalar> {
    var vector = OptionalVector<Scalar>()
    guard sources.contains(where: { $0 != nil }) else { return vector }
    let base = try vector.make(layout, threads: threads)
    for (tensor, values) in zip(layout.tensors, sources) {
      guard let values, let source = values.baseAddress else { continue }
      (base + tensor.offset).update(from: source, count: tensor.count)
    }
    return vector
  }

  // MARK: - Velocity

  /// Multiplies the velocity's scale into its elements, so that every scale is 1 and the stored direction is the velocity.
  ///
  /// The value of the velocity stays the same up to one rounding of each element.
  ///
  /// - Complexity: O(n) if a scale differs from 1; reads n and writes n elements.
  public mutating func foldVelocity() {
    guard velocities.contains(where: { $0.scale != 1 }) else { return }
    multiplyVelocities(by: velocities.map { ScaledDouble($0.scale) })
  }

  /// Multiplies the stored vectors, and takes the results for the velocities.
  private mutating func multiplyVelocities(by factors: [ScaledDouble]) {
    guard let base = direction.base, factors.contains(where: { $0 != ScaledDouble(1) }) else { return }
    for (index, tensor) in layout.tensors.enumerated() { table.entries[index].direction = base + tensor.offset }
    multiply(.direction, by: factors)
    for index in velocities.indices { velocities[index].scale = 1 }
  }

  /// Multiplies one operand of each tensor.
  private func multiply(_ operand: Operand, by factors: [ScaledDouble]) {
    var programs: [StepProgram] = []
    for (index, factor) in factors.enumerated() {
      var program = StepProgram()
      if factor != ScaledDouble(1) { program.append(.scal(factor: factor, operand)) }
      if programs.last != program { programs.append(program) }
      table.entries[index].program = programs.count - 1
    }
    programs.withUnsafeBufferPointer { table.update($0, team) }
  }

  /// Makes the velocities those of a rule that keeps the learning rate in them, or of one that does not.
  ///
  ///     v_in = -lr · v_out
  ///
  /// After that a rule of the other kind, under the keras convention instead of the pytorch convention for example, takes the
  /// step that the first would have taken with this learning rate, up to one rounding of each velocity. A step refuses a
  /// velocity of the wrong kind.
  ///
  /// - Parameters:
  ///   - toKeepLearningRate: Whether the learning rate is to be part of the velocity (``UpdateRule/keepsLearningRateInVelocity``).
  ///   - learningRate: That of the next step; not 0.
  /// - Throws: ``MomentumError/invalidSetting(name:value:expected:)`` for a learning rate that is not positive and finite.
  /// - Complexity: O(n); reads n and writes n elements.
  public mutating func convertVelocity(toKeepLearningRate: Bool, learningRate: Double) throws(MomentumError) {
    guard learningRate > 0, learningRate.isFinite else {
      throw .invalidSetting(name: "learningRate", value: "\(learningRate)", expected: "a finite number > 0")
    }
    let form = VelocityForm(keepsLearningRate: toKeepLearningRate, learningRate: learningRate)
    convertVelocities(to: Array(repeating: form, count: velocities.count))
  }

  /// Converts the velocity of each tensor to a form of its own.
  ///
  /// - Parameter forms: With a learning rate that is positive and finite wherever the velocity has another form.
  package mutating func convertVelocities(to forms: [VelocityForm]) {
    multiplyVelocities(
      by: zip(velocities, forms).map { velocity, form in
        let scale = ScaledDouble(velocity.scale)
        guard velocity.isSet, velocity.keepsLearningRate != form.keepsLearningRate else { return scale }
        let rate = ScaledDouble(-form.learningRate)
        return form.keepsLearningRate ? scale * rate : scale / rate
      })
    for index in velocities.indices { velocities[index].keepsLearningRate = forms[index].keepsLearningRate }
  }

  /// The form that each tensor's rule keeps its velocity in, with the learning rate of the next step; NaN where a rule of
  /// a kind that is not this library's has not got one.
  package func velocityForms() throws(MomentumError) -> [VelocityForm] {
    let rules = try StepRules(rule, groups, at: stepCount)
    var forms: [VelocityForm] = []
    for group in try ParameterGroup.membership(groups, of: layout) {
      let rule = rules[group ?? -1]
      forms.append(
        VelocityForm(keepsLearningRate: rule.keepsLearningRateInVelocity, learningRate: Self.learningRate(of: rule)))
    }
    return forms
  }

  private static func learningRate(of rule: any UpdateRule) -> Double {
    if let clipping = rule as? AdaptiveGradientClipping { return learningRate(of: clipping.base) }
    return (rule as? any SchedulableRule)?.learningRate ?? .nan
  }

  /// Calls `body` with the velocity of one tensor; all zeros, or empty if no step has needed a velocity.
  ///
  /// Folds the velocity first if need be, see ``foldVelocity()``. The buffer is valid during the call only.
  ///
  /// - Throws: What `body` throws.
  public mutating func withUnsafeVelocity<R, E: Error>(
    ofTensor index: Int, _ body: (UnsafeBufferPointer<Scalar>) throws(E) -> R
  ) throws(E) -> R {
    // Asked of this tensor alone, so that a loop over all tensors is linear.
    if velocities[index].scale != 1 { foldVelocity() }
    return try body(foldedVelocity(ofTensor: index))
  }

  /// The velocity of one tensor, after ``foldVelocity()``; empty if no step has needed a velocity. Valid until the next step
  /// or restored state, while the optimizer lives.
  package func foldedVelocity(ofTensor index: Int) -> UnsafeBufferPointer<Scalar> {
    part(index, of: direction.base)
  }

  private func part(_ index: Int, of base: UnsafeMutablePointer<Scalar>?) -> UnsafeBufferPointer<Scalar> {
    guard let base else { return UnsafeBufferPointer(start: nil, count: 0) }
    let tensor = layout.tensors[index]
    return UnsafeBufferPointer(start: base + tensor.offset, count: tensor.count)
  }

  /// Whether a tensor has taken part in a step with momentum, or was given a velocity.
  public func hasVelocity(ofTensor index: Int) -> Bool { velocities[index].isSet }

  /// Whether the learning rate is part of a tensor's velocity; says nothing of a tensor without one.
  public func keepsLearningRateInVelocity(ofTensor index: Int) -> Bool { velocities[index].keepsLearningRate }

  /// Sets the velocity of one tensor, in the form that the optimizer's rule keeps; its next step is then not a first step.
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
    let base = try direction.make(layout, threads: threads)
    if let source = values.baseAddress { (base + tensor.offset).update(from: source, count: tensor.count) }
    if !areGroupsBound { bind(try ParameterGroup.membership(groups, of: layout)) }
    let group = table.decisions[index].group
    let rule = group < 0 ? rule : groups[group].rule ?? rule
    velocities[index] = VelocityState()
    velocities[index].isSet = true
    velocities[index].keepsLearningRate = rule.keepsLearningRateInVelocity
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

  // MARK: - Average

  /// Whether a tensor has an average yet.
  public func hasAverage(ofTensor index: Int) -> Bool { averages[index].count > 0 }

  /// How many steps have entered a tensor's average.
  public func stepsAveraged(ofTensor index: Int) -> Int { averages[index].count }

  /// Calls `body` with the average of one tensor's parameters (see ``averaging``); empty if nothing has been averaged.
  ///
  /// Folds the averages first if need be: multiplies their scales into the elements, one rounding of each. The buffer is
  /// valid during the call only.
  ///
  /// - Throws: What `body` throws.
  public mutating func withUnsafeAverage<R, E: Error>(
    ofTensor index: Int, _ body: (UnsafeBufferPointer<Scalar>) throws(E) -> R
  ) throws(E) -> R {
    if averages[index].scale != 1 { foldAverage() }
    return try body(foldedAverage(ofTensor: index))
  }

  /// The average of one tensor, after ``foldAverage()``, as ``foldedVelocity(ofTensor:)`` has the velocity.
  package func foldedAverage(ofTensor index: Int) -> UnsafeBufferPointer<Scalar> {
    part(index, of: average.base)
  }

  /// Multiplies the average's scale into its elements, as ``foldVelocity()`` does for the velocity.
  ///
  /// - Complexity: O(n) if a scale differs from 1; reads n and writes n elements.
  public mutating func foldAverage() {
    guard let base = average.base, averages.contains(where: { $0.scale != 1 }) else { return }
    for (index, tensor) in layout.tensors.enumerated() { table.entries[index].average = base + tensor.offset }
    multiply(.average, by: averages.map { ScaledDouble($0.scale) })
    for index in averages.indices { averages[index].scale = 1 }
  }

  /// Sets the average of one tensor.
  ///
  /// - Parameters:
  ///   - index: The tensor's position in the layout.
  ///   - values: Its average.
  ///   - count: How many steps have been averaged, at least 1; counts for the kind `mean`.
  /// - Throws: ``MomentumError/countMismatch(what:count:expected:)``, ``MomentumError/invalidSetting(name:value:expected:)``,
  ///   ``MomentumError/allocationFailed(bytes:)``.
  public mutating func setAverage(
    ofTensor index: Int, _ values: UnsafeBufferPointer<Scalar>, count: Int
  ) throws(MomentumError) {
    let tensor = layout.tensors[index]
    guard values.count == tensor.count else {
      throw .countMismatch(what: "average of tensor '\(tensor.name)'", count: values.count, expected: tensor.count)
    }
    guard count >= 1 else {
      throw .invalidSetting(name: "steps averaged", value: "\(count)", expected: "at least 1")
    }
    let base = try average.make(layout, threads: threads)
    if let source = values.baseAddress { (base + tensor.offset).update(from: source, count: tensor.count) }
    averages[index] = AverageState()
    averages[index].count = count
  }
}
