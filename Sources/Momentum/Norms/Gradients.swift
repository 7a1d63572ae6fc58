/// Measures and clips gradients without an optimizer, for programs that have their own.
///
/// If an ``Optimizer`` step follows, give it the ``GradientClipping`` instead: the step folds the coefficient into the
/// update and saves the pass that writes the gradient.
public enum Gradients {
  /// The norm of tensors in the caller's memory: that of the concatenation of all their elements.
  ///
  /// Neither overflows nor underflows inside; has the same bits for any number of threads, any order and any grouping
  /// of tensors. The error does not grow with the number of elements: see <doc:Accuracy> for the bounds of each type
  /// and algorithm.
  ///
  /// - Parameters:
  ///   - tensors: The buffers, in any order.
  ///   - type: The type of the norm.
  ///   - algorithm: The algorithm for sums of squares; counts for ``NormType/l2`` only.
  ///   - threads: The most threads to use; by default as many as the process may use.
  /// - Throws: ``MomentumError/invalidSetting(_:)`` for a negative or NaN order.
  /// - Complexity: O(n); reads n elements, 2n for a general p.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  public static func norm<Scalar: BLASScalar>(
    of tensors: [UnsafeBufferPointer<Scalar>], type: NormType = .l2, algorithm: NormAlgorithm = .blas,
    threads: Int? = nil
  ) throws(MomentumError) -> NormReport {
    if tensors.count == 1 { return try norm(of: tensors[0], type: type, algorithm: algorithm, threads: threads) }
    return try tensors.withUnsafeBufferPointer { tensors throws(MomentumError) in
      try NormPass.report(of: tensors, type, algorithm, threads)
    }
  }

  /// The norm of tensors of both types together; see
  /// ``norm(of:type:algorithm:threads:)-([UnsafeBufferPointer<Scalar>],_,_,_)``.
  ///
  /// Tiles are measured each in its own type, and their sums are added exactly. So the norm is rounded once, and does not
  /// depend on the order of the tensors.
  public static func norm(
    of floats: [UnsafeBufferPointer<Float>], _ doubles: [UnsafeBufferPointer<Double>], type: NormType = .l2,
    algorithm: NormAlgorithm = .blas, threads: Int? = nil
  ) throws(MomentumError) -> NormReport {
    try norm(
      of: floats.map { TensorBuffer($0) } + doubles.map { TensorBuffer($0) }, type: type, algorithm: algorithm,
      threads: threads)
  }

  /// The norm of one buffer; see ``norm(of:type:algorithm:threads:)-([UnsafeBufferPointer<Scalar>],_,_,_)``.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  public static func norm<Scalar: BLASScalar>(
    of elements: UnsafeBufferPointer<Scalar>, type: NormType = .l2, algorithm: NormAlgorithm = .blas,
    threads: Int? = nil
  ) throws(MomentumError) -> NormReport {
    try NormPass.report(of: elements, type, algorithm, threads)
  }

  /// The norm of a vector; see ``norm(of:type:algorithm:threads:)-([UnsafeBufferPointer<Scalar>],_,_,_)``.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  public static func norm<Scalar: BLASScalar>(
    of vector: borrowing ParameterVector<Scalar>, type: NormType = .l2, algorithm: NormAlgorithm = .blas,
    threads: Int? = nil
  ) throws(MomentumError) -> NormReport {
    // One tensor needs no list.
    if vector.layout.tensors.count == 1 {
      let elements = UnsafeBufferPointer(start: vector.base, count: vector.count)
      return try norm(of: elements, type: type, algorithm: algorithm, threads: threads)
    }
    return try norm(of: vector.tensorBuffers, type: type, algorithm: algorithm, threads: threads)
  }

  /// The norm of a span; see ``norm(of:type:algorithm:threads:)-([UnsafeBufferPointer<Scalar>],_,_,_)``.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  public static func norm<Scalar: BLASScalar>(
    of elements: Span<Scalar>, type: NormType = .l2, algorithm: NormAlgorithm = .blas, threads: Int? = nil
  ) throws(MomentumError) -> NormReport {
    try elements.withUnsafeBufferPointer { buffer throws(MomentumError) in
      try norm(of: buffer, type: type, algorithm: algorithm, threads: threads)
    }
  }
}
