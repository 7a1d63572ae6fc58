// The second moments of an optimizer.
extension Optimizer {
  /// Whether a tensor has taken part in a step of a rule with a second moment, or was given one.
  public func hasSecondMoment(ofTensor index: Int) -> Bool { states.velocities[index].secondMomentSteps > 0 }

  /// How many steps have entered a tensor's second moment; the bias correction of ``AdamW`` counts them.
  public func stepsOfSecondMoment(ofTensor index: Int) -> Int { states.velocities[index].secondMomentSteps }

  /// Calls `body` with the second moment of one tensor; empty if no step has needed one. The buffer is valid during the
  /// call only.
  ///
  /// - Throws: The error of `body`.
  public borrowing func withUnsafeSecondMoment<R, E: Error>(
    ofTensor index: Int, _ body: (UnsafeBufferPointer<Scalar>) throws(E) -> R
  ) throws(E) -> R {
    try body(storedSecondMoment(ofTensor: index))
  }

  /// The elements of one tensor's second moment.
  package func storedSecondMoment(ofTensor index: Int) -> UnsafeBufferPointer<Scalar> {
    part(of: secondMoment, tensor: index)
  }

  /// Sets the second moment of one tensor, as another library has it.
  ///
  /// - Parameters:
  ///   - index: The tensor's position in the layout.
  ///   - values: Means of squares, not negative.
  ///   - steps: How many steps have entered it, in 1...2⁵³.
  /// - Throws: ``MomentumError/countMismatch(what:count:expected:)``, ``MomentumError/invalidSetting(_:)``,
  ///   ``MomentumError/nonFiniteState(what:tensor:index:value:)``, ``MomentumError/allocationFailed(bytes:)``.
  public mutating func setSecondMoment(
    ofTensor index: Int, _ values: UnsafeBufferPointer<Scalar>, steps: Int
  ) throws(MomentumError) {
    let tensor = layout.tensors[index]
    guard values.count == tensor.count else {
      throw .countMismatch(
        what: "second moment of tensor '\(tensor.name)'", count: values.count, expected: tensor.count)
    }
    try CountRange.check(steps, "steps of a second moment", atLeast: 1)
    try checkSquares(values, ofTensor: index)
    let base = try secondMoment.make(layout, threads: 1)
    if let source = values.baseAddress { (base + tensor.offset).update(from: source, count: tensor.count) }
    states.velocities[index].secondMomentSteps = steps
  }

  /// Throws unless all values can be means of squares.
  private func checkSquares(
    _ values: UnsafeBufferPointer<Scalar>, ofTensor index: Int
  ) throws(MomentumError) {
    try checkFinite("second moment", values, ofTensor: index, ScaledDouble(1))
    if let negative = values.first(where: { $0 < 0 }) {
      throw .invalidSetting(
        name: "second moment", of: .tensor(table.name(of: index)), value: Double(negative),
        expected: .finiteAtLeast(0))
    }
  }

  /// The same for the second moments of all tensors; none if there are no elements.
  func checkSquares(_ vector: UnsafeBufferPointer<Scalar>) throws(MomentumError) {
    guard !vector.isEmpty else { return }
    for (index, tensor) in layout.tensors.enumerated() {
      try checkSquares(UnsafeBufferPointer(rebasing: vector[tensor.range]), ofTensor: index)
    }
  }

  /// Replaces the velocities and the second moments, and nothing else, by vectors that lie elsewhere; see
  /// ``restore(_:directions:secondMoments:averages:confirm:)``.
  ///
  /// - Parameters:
  ///   - first: The velocities, without the learning rate.
  ///   - second: The second moments, of the same tensors.
  ///   - steps: How many steps have entered them.
  package mutating func replaceMoments(
    _ first: [TensorBuffer?], _ second: [UnsafeBufferPointer<Scalar>?], steps: Int, confirm: () throws -> Void
  ) throws {
    try CountRange.check(steps, "steps of a second moment", atLeast: 1)
    for (index, values) in second.enumerated() {
      if let values { try checkSquares(values, ofTensor: index) }
    }
    let newDirection = try gathered(first, isHalf: direction.isHalf)
    let newSecondMoment = try gathered(second.map { $0.map { TensorBuffer($0) } })
    try checkFinite("velocity", newDirection) { _ in ScaledDouble(1) }
    try confirm()
    direction.replace(by: newDirection, layout)
    secondMoment.replace(by: newSecondMoment, layout)
    states.velocities = first.map { values in
      var velocity = VelocityState()
      if values != nil { (velocity.isSet, velocity.secondMomentSteps) = (true, steps) }
      return velocity
    }
    areSettingsChecked = false
  }
}
