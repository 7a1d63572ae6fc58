// The averages of an optimizer's parameters.
extension Optimizer {
  /// Whether a tensor has an average yet.
  public func hasAverage(ofTensor index: Int) -> Bool { states.averages[index].count > 0 }

  /// How many steps have entered a tensor's average.
  public func stepsAveraged(ofTensor index: Int) -> Int { states.averages[index].count }

  /// Calls `body` with the average of one tensor's parameters (see ``averaging``); empty if nothing has been averaged.
  ///
  /// The optimizer stays as it is: where the stored vector has a scale, `body` reads a copy that is multiplied by it,
  /// one rounding of each element. The buffer is valid during the call only.
  ///
  /// - Throws: The error of `body`.
  public borrowing func withUnsafeAverage<R, E: Error>(
    ofTensor index: Int, _ body: (UnsafeBufferPointer<Scalar>) throws(E) -> R
  ) throws(E) -> R {
    try average(ofTensor: index).withUnsafeElements(body)
  }

  /// The average of one tensor, as ``velocity(ofTensor:in:)`` has the velocity.
  package func average(ofTensor index: Int) -> ScaledElements<Scalar> {
    ScaledElements(
      stored: TensorBuffer(storedAverage(ofTensor: index)), factor: ScaledDouble(states.averages[index].scale))
  }

  /// b of one tensor's average `s·b`.
  package func storedAverage(ofTensor index: Int) -> UnsafeBufferPointer<Scalar> { part(of: average, tensor: index) }

  /// The scale of one tensor's average, and how many steps have entered it.
  package func averageState(ofTensor index: Int) -> AverageState { states.averages[index] }

  /// Multiplies the average's scale into its elements, as ``foldVelocity()`` does for the velocity.
  ///
  /// - Complexity: O(n) if a scale differs from 1; reads n and writes n elements.
  public mutating func foldAverage() {
    guard let base = average.base, states.averages.contains(where: { $0.scale != 1 }) else { return }
    for (index, tensor) in layout.tensors.enumerated() { table.entries[index].average = base + tensor.offset }
    multiply(.average, by: states.averages.map { ScaledDouble($0.scale) })
    for index in states.averages.indices { states.averages[index].scale = 1 }
  }

  /// Sets the average of one tensor.
  ///
  /// - Parameters:
  ///   - index: The tensor's position in the layout.
  ///   - values: Its average.
  ///   - count: How many steps have been averaged, in 1...2⁵³; counts for the kind `mean`.
  /// - Throws: ``MomentumError/countMismatch(what:count:expected:)``, ``MomentumError/invalidSetting(_:)``,
  ///   ``MomentumError/nonFiniteState(what:tensor:index:value:)``, ``MomentumError/allocationFailed(bytes:)``.
  public mutating func setAverage(
    ofTensor index: Int, _ values: UnsafeBufferPointer<Scalar>, count: Int
  ) throws(MomentumError) {
    let tensor = layout.tensors[index]
    guard values.count == tensor.count else {
      throw .countMismatch(what: "average of tensor '\(tensor.name)'", count: values.count, expected: tensor.count)
    }
    try CountRange.check(count, "steps averaged", atLeast: 1)
    try checkFinite("average", values, ofTensor: index, ScaledDouble(1))
    let base = try average.make(layout, threads: threads)
    if let source = values.baseAddress { (base + tensor.offset).update(from: source, count: tensor.count) }
    states.averages[index] = AverageState()
    states.averages[index].count = count
  }
}
