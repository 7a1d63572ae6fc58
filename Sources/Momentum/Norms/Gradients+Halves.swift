// Norms of tensors in half precision, and of tensors of several types.
extension Gradients {
  /// The norm of tensors in half precision: that of the concatenation of all their elements.
  ///
  /// The bound of its error is that of the portable norm of `Float`s, for any number of elements, and its bits are the
  /// same on every processor, for any number of threads, any order of the tensors, any place in memory, and any cut
  /// between tiles. It neither overflows nor underflows: a norm that the element type could not hold is as right as any
  /// other.
  ///
  /// ```swift
  /// let gradients = try ParameterVector(Array(repeating: BFloat16(0.01), count: 100_000))
  /// let report = try Gradients.norm(of: gradients)  // 3.1653..., and 0.01 is 0.010009765625
  /// ```
  ///
  /// - Parameters:
  ///   - tensors: The buffers, in any order.
  ///   - type: The type of the norm.
  ///   - threads: The most threads to use; by default as many as the process may use.
  /// - Throws: ``MomentumError/invalidSetting(_:)`` for a negative or NaN order.
  /// - Complexity: O(n); reads n elements, 2n for a general p.
  public static func norm<Half: HalfScalar>(
    of tensors: [UnsafeBufferPointer<Half>], type: NormType = .l2, threads: Int? = nil
  ) throws(MomentumError) -> NormReport {
    try norm(of: tensors.map { TensorBuffer($0) }, type: type, threads: threads)
  }

  /// The norm of tensors of any types together.
  ///
  /// Tiles are measured each in its own type, and their sums are added exactly. So the norm is rounded once, and does not
  /// depend on the order of the tensors.
  ///
  /// - Parameters:
  ///   - tensors: The tensors, in any order.
  ///   - type: The type of the norm.
  ///   - algorithm: The algorithm for sums of squares of `Float`s and `Double`s; those of half precision are always
  ///     summed in the portable way.
  ///   - threads: The most threads to use; by default as many as the process may use.
  /// - Throws: ``MomentumError/invalidSetting(_:)`` for a negative or NaN order.
  /// - Complexity: O(n); reads n elements, 2n for a general p.
  public static func norm(
    of tensors: [TensorBuffer], type: NormType = .l2, algorithm: NormAlgorithm = .blas, threads: Int? = nil
  ) throws(MomentumError) -> NormReport {
    try norm(of: tensors, type: type, algorithm: algorithm, threads: threads, tell: nil)
  }

  /// The same, telling how many more elements have been measured, in the order of the tensors.
  package static func norm(
    of tensors: [TensorBuffer], type: NormType, algorithm: NormAlgorithm, threads: Int?, tell: ((Int) -> Void)?
  ) throws(MomentumError) -> NormReport {
    try tensors.withUnsafeBufferPointer { tensors throws(MomentumError) in
      try NormPass.report(ofTensors: tensors, type, algorithm, threads, tell: tell)
    }
  }

  /// The norm of one buffer in half precision; see ``norm(of:type:threads:)-([UnsafeBufferPointer<Half>],_,_)``.
  public static func norm<Half: HalfScalar>(
    of elements: UnsafeBufferPointer<Half>, type: NormType = .l2, threads: Int? = nil
  ) throws(MomentumError) -> NormReport {
    try withUnsafePointer(to: TensorBuffer(elements)) { tensor throws(MomentumError) in
      try NormPass.report(ofTensors: UnsafeBufferPointer(start: tensor, count: 1), type, .portable, threads)
    }
  }

  /// The norm of a vector in half precision; see ``norm(of:type:threads:)-([UnsafeBufferPointer<Half>],_,_)``.
  public static func norm<Half: HalfScalar>(
    of vector: borrowing ParameterVector<Half>, type: NormType = .l2, threads: Int? = nil
  ) throws(MomentumError) -> NormReport {
    try norm(of: vector.tensorBuffers, type: type, threads: threads)
  }

  /// The norm of a span in half precision; see ``norm(of:type:threads:)-([UnsafeBufferPointer<Half>],_,_)``.
  public static func norm<Half: HalfScalar>(
    of elements: Span<Half>, type: NormType = .l2, threads: Int? = nil
  ) throws(MomentumError) -> NormReport {
    try elements.withUnsafeBufferPointer { buffer throws(MomentumError) in
      try norm(of: buffer, type: type, threads: threads)
    }
  }
}

extension NormPartial {
  /// Measures part of a norm whose elements are in half precision.
  ///
  /// - Parameters:
  ///   - elements: A tensor, or a shard of a tensor that was cut between tiles (at multiples of ``Tile/count``).
  ///   - type: ``NormType/l1``, ``NormType/l2`` or ``NormType/infinity``.
  ///   - threads: The most threads to use; by default as many as the process may use.
  /// - Throws: ``MomentumError/invalidSetting(_:)`` for another type.
  /// - Complexity: O(n); reads n elements.
  public init<Half: HalfScalar>(
    of elements: UnsafeBufferPointer<Half>, type: NormType = .l2, threads: Int? = nil
  ) throws(MomentumError) {
    try self.init(type)
    withUnsafePointer(to: TensorBuffer(elements)) {
      NormPass.measure(
        tensors: UnsafeBufferPointer(start: $0, count: 1), self.type, .portable, threads, into: &self)
    }
  }
}
