// The velocities of an optimizer.
extension Optimizer {
  /// Multiplies the velocity's scale into its elements, so that every scale is 1 and the stored direction is the
  /// velocity.
  ///
  /// The value of the velocity stays the same up to one rounding of each element, to ``velocityType``.
  ///
  /// - Complexity: O(n) if a scale differs from 1; reads n and writes n elements.
  public mutating func foldVelocity() {
    multiplyVelocities(by: states.velocities.map { ScaledDouble($0.scale) })
  }

  /// Multiplies the stored vectors, and takes the results for the velocities.
  private mutating func multiplyVelocities(by factors: [ScaledDouble]) {
    guard direction.base != nil else { return }
    if factors.contains(where: { $0 != ScaledDouble(1) }) { multiplyDirections(by: factors) }
    // Also where all factors are 1: scales and the forms' ratios may cancel.
    for index in states.velocities.indices { states.velocities[index].scale = 1 }
  }

  /// Multiplies the stored vectors alone.
  private mutating func multiplyDirections(by factors: [ScaledDouble]) {
    if let base = direction.base { table.bindDirections(base) }
    multiply(.direction, by: factors)
  }

  /// Makes the velocities those of a rule that keeps the learning rate in them, or of one that does not.
  ///
  ///     v_in = -lr · v_out
  ///
  /// After that a rule of the other kind, under the keras convention instead of the pytorch convention for example,
  /// takes the step that the first would have taken with this learning rate, up to one rounding of each velocity. A
  /// step refuses a velocity of the wrong kind. A velocity of ``BFloat16`` is converted without a rounding.
  ///
  /// - Parameters:
  ///   - toKeepLearningRate: Whether the learning rate is to be part of the velocity
  ///     (``UpdateRule/keepsLearningRateInVelocity``).
  ///   - learningRate: That of the next step; not 0.
  /// - Throws: ``MomentumError/invalidSetting(_:)`` for a learning rate that is not positive and finite.
  /// - Complexity: O(n); reads n and writes n elements.
  public mutating func convertVelocity(toKeepLearningRate: Bool, learningRate: Double) throws(MomentumError) {
    guard learningRate > 0, learningRate.isFinite else {
      throw .invalidSetting(name: "learningRate", value: learningRate, expected: .finiteAbove(0))
    }
    let form = VelocityForm(keepsLearningRate: toKeepLearningRate, learningRate: learningRate)
    convertVelocities(to: Array(repeating: form, count: states.velocities.count))
  }

  /// Makes the velocities of one rule those of another, so that a run goes on with it: where one keeps a mean of gradients
  /// and the other their sum (``UpdateRule/gradientWeight``), and where one keeps the learning rate in the velocity.
  ///
  ///     v_mean = (1 - m) · v_sum                v_in = -lr · v_out
  ///
  /// ```swift
  /// // From Muon as PyTorch has it, a mean, to that of Keras, a sum.
  /// let new = try Muon(learningRate: 0.02, convention: .keras)
  /// try optimizer.convertVelocity(from: optimizer.rule, to: new)
  /// optimizer.rule = new
  /// ```
  ///
  /// The velocities of all tensors are multiplied, by one factor; those of groups with other rules too.
  ///
  /// - Parameters:
  ///   - old: The rule that the velocities come from.
  ///   - new: The rule that takes the next step. Its learning rate is that of the conversion.
  /// - Throws: ``MomentumError/invalidSetting(_:)`` for a rule that no gradient enters, as with a momentum of 1, and for a
  ///   learning rate that is needed and not positive.
  /// - Complexity: O(n); reads n and writes n elements.
  public mutating func convertVelocity(from old: any UpdateRule, to new: any UpdateRule) throws(MomentumError) {
    let (old, new) = (try old.resolved(at: stepCount) ?? old, try new.resolved(at: stepCount) ?? new)
    let rate = new.conversionRate ?? old.conversionRate ?? .nan
    if old.keepsLearningRateInVelocity != new.keepsLearningRateInVelocity {
      guard rate > 0, rate.isFinite else {
        throw .invalidSetting(name: "learningRate", value: rate, expected: .finiteAbove(0))
      }
    }
    let form = VelocityForm(
      keepsLearningRate: new.keepsLearningRateInVelocity, learningRate: rate,
      gradientWeight: try VelocityForm.ratio(of: new.gradientWeight, to: old.gradientWeight))
    convertVelocities(to: Array(repeating: form, count: states.velocities.count))
  }

  /// Converts the velocity of each tensor to a form of its own.
  ///
  /// - Parameter forms: With a learning rate that is positive and finite wherever the velocity has another form.
  package mutating func convertVelocities(to forms: [VelocityForm]) {
    let factors = zip(states.velocities, forms).map { Self.factor(of: $0, in: $1) }
    if direction.isHalf { setScales(to: factors) } else { multiplyVelocities(by: factors) }
    for index in states.velocities.indices {
      states.velocities[index].keepsLearningRate = forms[index].keepsLearningRate
    }
    areSettingsChecked = false
  }

  /// Makes factors the scales of the velocities, which rounds nothing: the stored vectors take in their signs and what is
  /// out of the range of a scale, a power of two.
  private mutating func setScales(to factors: [ScaledDouble]) {
    var powers = Array(repeating: ScaledDouble(1), count: factors.count)
    for (index, factor) in factors.enumerated() where factor != ScaledDouble(states.velocities[index].scale) {
      let exponent = factor.exponent - 11
      powers[index] = ScaledDouble(factor.significand < 0 ? -1 : 1, exponent: exponent)
      states.velocities[index].scale = (factor / powers[index]).double
    }
    if direction.base != nil, powers.contains(where: { $0 != ScaledDouble(1) }) { multiplyDirections(by: powers) }
  }

  /// The factor by which a stored vector becomes the velocity in a form.
  private static func factor(of velocity: VelocityState, in form: VelocityForm) -> ScaledDouble {
    guard velocity.isSet else { return ScaledDouble(velocity.scale) }
    let scale = ScaledDouble(velocity.scale) * form.gradientWeight
    guard velocity.keepsLearningRate != form.keepsLearningRate else { return scale }
    let rate = ScaledDouble(-form.learningRate)
    return form.keepsLearningRate ? scale * rate : scale / rate
  }

  /// The form that each tensor's rule keeps its velocity in, with the learning rate of the next step; NaN where a rule
  /// has none.
  package func velocityForms() throws(MomentumError) -> [VelocityForm] {
    try velocityForms { $0 }.map { $0! }
  }

  /// The form that velocities of each tensor's rule have in the library of a convention; `nil` where that is the form of
  /// ``SGD`` there.
  package func velocityForms(under convention: Convention) throws(MomentumError) -> [VelocityForm?] {
    try velocityForms { $0.following(convention) }
  }

  private func velocityForms(
    _ choose: (any UpdateRule) -> (any UpdateRule)?
  ) throws(MomentumError) -> [VelocityForm?] {
    let rules = try StepRules(rule, groups, at: stepCount)
    var forms: [VelocityForm?] = []
    for group in try ParameterGroup.membership(groups, of: layout) {
      guard let rule = choose(rules[group ?? -1]) else {
        forms.append(nil)
        continue
      }
      forms.append(
        VelocityForm(
          keepsLearningRate: rule.keepsLearningRateInVelocity, learningRate: rule.conversionRate ?? .nan,
          gradientWeight: rule.gradientWeight))
    }
    return forms
  }

  /// Calls `body` with the velocity of one tensor; all zeros, or empty if no step has needed a velocity.
  ///
  /// The optimizer stays as it is: where the stored vector has a scale, `body` reads a copy that is multiplied by it,
  /// one rounding of each element. To read without a copy, call ``foldVelocity()`` first. The buffer is valid during the
  /// call only.
  ///
  /// - Throws: The error of `body`.
  public borrowing func withUnsafeVelocity<R, E: Error>(
    ofTensor index: Int, _ body: (UnsafeBufferPointer<Scalar>) throws(E) -> R
  ) throws(E) -> R {
    try velocity(ofTensor: index).withUnsafeElements(body)
  }

  /// The velocity of one tensor; empty if no step has needed a velocity. Valid until the next step or restored state,
  /// while the optimizer lives.
  ///
  /// - Parameter form: The form to give it in, with a learning rate that is positive and finite if that is another than
  ///   the velocity's own; by default its own form.
  package func velocity(ofTensor index: Int, in form: VelocityForm? = nil) -> ScaledElements<Scalar> {
    let state = states.velocities[index]
    return ScaledElements(
      stored: storedVelocity(ofTensor: index),
      factor: form.map { Self.factor(of: state, in: $0) } ?? ScaledDouble(state.scale))
  }

  /// u of one tensor's velocity `s·u`, as long as ``velocity(ofTensor:in:)``.
  package func storedVelocity(ofTensor index: Int) -> TensorBuffer { direction.buffer(of: layout.tensors[index]) }

  /// The scale and the form of one tensor's velocity.
  package func velocityState(ofTensor index: Int) -> VelocityState { states.velocities[index] }

  /// Whether a tensor has taken part in a step with momentum, or was given a velocity.
  public func hasVelocity(ofTensor index: Int) -> Bool { states.velocities[index].isSet }

  /// Whether the learning rate is part of a tensor's velocity; says nothing of a tensor without one.
  public func keepsLearningRateInVelocity(ofTensor index: Int) -> Bool { states.velocities[index].keepsLearningRate }

  /// Sets the velocity of one tensor, in the form that the optimizer's rule keeps; its next step is then not a first
  /// step.
  ///
  /// - Throws: ``MomentumError/countMismatch(what:count:expected:)``,
  ///   ``MomentumError/nonFiniteState(what:tensor:index:value:)``, ``MomentumError/allocationFailed(bytes:)``,
  ///   ``MomentumError/invalidSetting(_:)`` for groups that do not fit the layout.
  /// - Complexity: O(count of the tensor).
  public mutating func setVelocity(
    ofTensor index: Int, _ values: UnsafeBufferPointer<Scalar>
  ) throws(MomentumError) {
    let tensor = layout.tensors[index]
    guard values.count == tensor.count else {
      throw .countMismatch(what: "velocity of tensor '\(tensor.name)'", count: values.count, expected: tensor.count)
    }
    try checkFinite("velocity", values, ofTensor: index, ScaledDouble(1))
    try checkStorable(values, ofTensor: index)
    if !areGroupsBound { bind(try ParameterGroup.membership(groups, of: layout)) }
    try direction.make(layout, threads: threads)
    direction.write(TensorBuffer(values), at: tensor.offset)
    let group = table.decisions[index].group
    let rule = group < 0 ? rule : groups[group].rule ?? rule
    states.velocities[index].scale = 1
    states.velocities[index].isSet = true
    states.velocities[index].keepsLearningRate = rule.keepsLearningRateInVelocity
    areSettingsChecked = false
  }

  /// Replaces the velocities, and nothing else, by vectors that lie elsewhere; see
  /// ``restore(_:directions:averages:confirm:)``.
  ///
  /// - Parameters:
  ///   - values: The velocities.
  ///   - keepLearningRate: Whether the learning rate is part of that of each tensor.
  ///   - forms: The forms to convert them to, with a learning rate that is positive and finite wherever that is needed.
  package mutating func replaceVelocities(
    _ values: [TensorBuffer?], keepLearningRate: [Bool], convertedTo forms: [VelocityForm],
    confirm: () throws -> Void
  ) throws {
    let newDirection = try gathered(values, isHalf: direction.isHalf)
    let velocities = values.indices.map { index in
      var velocity = VelocityState()
      velocity.secondMomentSteps = states.velocities[index].secondMomentSteps
      velocity.isSet = values[index] != nil
      velocity.keepsLearningRate = keepLearningRate[index]
      return velocity
    }
    try checkFinite("velocity", newDirection) { Self.factor(of: velocities[$0], in: forms[$0]) }
    try confirm()
    direction.replace(by: newDirection, layout)
    states.velocities = velocities
    convertVelocities(to: forms)
  }
}
