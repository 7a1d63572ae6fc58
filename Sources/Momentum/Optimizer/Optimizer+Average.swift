// The averages of an optimizer's parameters.
extension Optimizer {
  /// Whether a tensor has an average yet.
  public func hasAverage(ofTensor index: Int) -> Bool { states.averages[index].count > 0 }

  /// How many steps have entered a tensor's average.
  public func stepsAveraged(ofTensor index: Int) -> Int { states.averages[index].count }

  /// Calls `body` with the average of one tensor's parameters (see ``averaging``); empty if nothing has been averaged.
  ///
  /// Folds the averages first: multiplies their scales into the elements, one rounding of each. The buffer is valid
  /// during the call only.
  ///
  /// - Throws: The error of `body`.
  public mutating func withUnsafeAverage<R, E: Error>(
    ofTensor index: Int, _ body: (UnsafeBufferPointer<Scalar>) throws(E) -> R
  ) throws(E) -> R {
    foldAverage()
    return try body(foldedAverage(ofTensor: index))
  }

  /// The average of one tensor, after ``foldAverage()``, as ``foldedVelocity(ofTensor:)`` has the velocity.
  package func foldedAverage(ofTensor index: Int) -> UnsafeBufferPointer<Scalar> { part(of: average, tensor: index) }

  /// Multiplies the average's scale into its elements, as ``foldVelocity()`` does for the velocity.
  ///
  /// - Complexity: O(n) if a scale differs from 1; reads n and writes n elements.
  public mutating func foldAverage() {
    guard states.mayHaveScaledAverages else { return }
    states.mayHaveScaledAverages = false
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
  ///   - count: How many steps have been averaged, at least 1; counts for the kind `mean`.
  /// - Throws: ``MomentumError/countMismatch(what:count:expected:)``, ``MomentumError/invalidSetting(_:)``,
  ///   ``MomentumError/allocationFailed(bytes:)``.
  public mutating func setAverage(
    ofTensor index: Int, _ values: UnsafeBufferPointer<Scalar>, count: Int
  ) throws(MomentumError) {
    let tensor = layout.tensors[index]
    guard values.count == tensor.count else {
      throw .countMismatch(what: "average of tensor '\(tensor.name)'", count: values.count, expected: tensor.count)
    }
    guard count >= 1 else {
      throw .invalidSetting(name: "steps averaged", value: count, expected: .countAtLeast(1))
    }
    let base = try average.make(layout, threads: threads)
    if let source = values.baseAddress { (base + tensor.offset).update(from: source, count: tensor.count) }
    states.averages[index] = AverageState()
    states.averages[index].count = count
  }
}
