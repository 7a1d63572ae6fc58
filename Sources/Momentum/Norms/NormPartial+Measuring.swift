extension NormPartial {
  /// Measures part of a norm.
  ///
  /// - Parameters:
  ///   - elements: A tensor, or a shard of a tensor that was cut between tiles (at multiples of ``Tile/count``).
  ///   - type: ``NormType/l1``, ``NormType/l2`` or ``NormType/infinity``.
  ///   - algorithm: The algorithm for sums of squares.
  ///   - threads: The most threads to use; by default as many as the process may use.
  /// - Throws: ``MomentumError/invalidSetting(_:)`` for another type.
  /// - Complexity: O(n); reads n elements.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  public init<Scalar: BLASScalar>(
    of elements: UnsafeBufferPointer<Scalar>, type: NormType = .l2, algorithm: NormAlgorithm = .blas,
    threads: Int? = nil
  ) throws(MomentumError) {
    try self.init(type)
    withUnsafePointer(to: elements) {
      NormPass.partial(UnsafeBufferPointer(start: $0, count: 1), self.type, algorithm, threads, into: &self)
    }
  }
}
