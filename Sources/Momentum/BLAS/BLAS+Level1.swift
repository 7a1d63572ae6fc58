extension BLAS {
  /// The dot product `Σ xᵢ·yᵢ`.
  ///
  /// `cblas_?dot`; reads both vectors once. OpenBLAS accumulates a `Float` product in `Float`, and starts threads of
  /// its own for a `Double` product of more than 10 000 elements, whose bits then depend on its thread count. For a
  /// norm use ``Gradients``, whose norms have neither flaw.
  ///
  /// - Throws: ``MomentumError/countMismatch(what:count:expected:)``, ``MomentumError/invalidStride(what:stride:)``.
  /// - Complexity: O(n); reads 2n elements; no allocation.
  @specialized(where S == Float)
  @specialized(where S == Double)
  public static func dot<S>(_ x: Vector<S>, _ y: Vector<S>) throws(MomentumError) -> S {
    try check(x)
    try check(y, "y")
    try checkSameCount(x.count, y.count)
    var sum: S = 0
    forEachPiece(x.count, stride: max(x.stride, y.stride)) { offset, n in
      sum += S._dot(n, x.base! + offset * x.stride, Int32(x.stride), y.base! + offset * y.stride, Int32(y.stride))
    }
    return sum
  }

  /// The Euclidean norm `√Σ xᵢ²`, by `cblas_?nrm2`.
  ///
  /// Neither overflows nor underflows inside on x86-64; on ARM that depends on the OpenBLAS release. One thread. See
  /// ``Gradients`` for the norm this library stands for.
  ///
  /// - Throws: ``MomentumError/invalidStride(what:stride:)``.
  /// - Complexity: O(n); reads n elements; no allocation.
  @specialized(where S == Float)
  @specialized(where S == Double)
  public static func nrm2<S>(_ x: Vector<S>) throws(MomentumError) -> S {
    try check(x)
    var norm: S = 0
    forEachPiece(x.count, stride: x.stride) { offset, n in
      var pair = (norm, S._nrm2(n, x.base! + offset * x.stride, Int32(x.stride)))
      // The norm of two parts is the norm of the two numbers: nrm2 computes it without overflow.
      norm = withUnsafePointer(to: &pair) {
        $0.withMemoryRebound(to: S.self, capacity: 2) { S._nrm2(2, $0, 1) }
      }
    }
    return norm
  }

  /// The sum of absolute values `Σ |xᵢ|`, by `cblas_?asum`.
  ///
  /// On some kernels the bits depend on the alignment of `x`; ``Gradients`` with ``NormType/l1``
  /// does not have that flaw.
  ///
  /// - Throws: ``MomentumError/invalidStride(what:stride:)``.
  /// - Complexity: O(n); reads n elements; no allocation.
  @specialized(where S == Float)
  @specialized(where S == Double)
  public static func asum<S>(_ x: Vector<S>) throws(MomentumError) -> S {
    try check(x)
    var sum: S = 0
    forEachPiece(x.count, stride: x.stride) { offset, n in
      sum += S._asum(n, x.base! + offset * x.stride, Int32(x.stride))
    }
    return sum
  }

  /// The index of the first element of largest absolute value, counted from 0, or `nil` if there is none; by
  /// `cblas_i?amax`.
  ///
  /// Not for vectors that may hold NaN: the answer of OpenBLAS then depends on where the NaN lies. Use
  /// ``Gradients`` with ``NormType/infinity``, which sees every NaN.
  ///
  /// - Throws: ``MomentumError/invalidStride(what:stride:)``.
  /// - Complexity: O(n); reads n elements, twice in OpenBLAS; no allocation.
  @specialized(where S == Float)
  @specialized(where S == Double)
  public static func iamax<S>(_ x: Vector<S>) throws(MomentumError) -> Int? {
    try check(x)
    var best: (index: Int, magnitude: S)?
    forEachPiece(x.count, stride: x.stride) { offset, n in
      let index = offset + S._iamax(n, x.base! + offset * x.stride, Int32(x.stride))
      let magnitude = x.base![index * x.stride].magnitude
      if best == nil || magnitude > best!.magnitude { best = (index, magnitude) }
    }
    return best?.index
  }

  /// `x ← factor·x`, by `cblas_?scal`; by a loop of our own where OpenBLAS releases disagree.
  ///
  /// Follows IEEE 754 for every factor: `0·NaN` and `0·∞` are NaN, and a NaN factor gives NaN everywhere. (OpenBLAS
  /// 0.3.21 writes zeros in the first case and, for `Float`, in the last one too.)
  ///
  /// - Throws: ``MomentumError/invalidStride(what:stride:)``.
  /// - Complexity: O(n); reads n, writes n elements; no allocation.
  @specialized(where S == Float)
  @specialized(where S == Double)
  public static func scal<S>(_ factor: S, _ x: MutableVector<S>) throws(MomentumError) {
    try check(x, "x")
    guard factor != 1 else { return }
    guard factor != 0, factor.isFinite else {
      for i in 0..<x.count { x.base![i * x.stride] *= factor }
      return
    }
    forEachPiece(x.count, stride: x.stride) { offset, n in
      S._scal(n, factor, x.base! + offset * x.stride, Int32(x.stride))
    }
  }

  /// `y ← factor·x + y`, by `cblas_?axpy`; for the factor 0, where BLAS would not read `x`, by a loop of our own.
  ///
  /// Follows IEEE 754 for every factor: a NaN in `x` reaches `y` also through the factor 0.
  ///
  /// - Throws: ``MomentumError/countMismatch(what:count:expected:)``, ``MomentumError/invalidStride(what:stride:)``,
  ///   ``MomentumError/overlap(first:second:)``.
  /// - Complexity: O(n); reads 2n, writes n elements; no allocation.
  @specialized(where S == Float)
  @specialized(where S == Double)
  public static func axpy<S>(_ factor: S, _ x: Vector<S>, into y: MutableVector<S>) throws(MomentumError) {
    try check(x)
    try check(y)
    try checkSameCount(x.count, y.count)
    try checkSeparate(x, y)
    guard factor != 0 else {
      for i in 0..<x.count { y.base![i * y.stride] += factor * x.base![i * x.stride] }
      return
    }
    forEachPiece(x.count, stride: max(x.stride, y.stride)) { offset, n in
      S._axpy(
        n, factor, x.base! + offset * x.stride, Int32(x.stride), y.base! + offset * y.stride, Int32(y.stride))
    }
  }

  /// `y ← x`, by `cblas_?copy`.
  ///
  /// - Throws: ``MomentumError/countMismatch(what:count:expected:)``, ``MomentumError/invalidStride(what:stride:)``,
  ///   ``MomentumError/overlap(first:second:)``.
  /// - Complexity: O(n); reads n, writes n elements; no allocation.
  @specialized(where S == Float)
  @specialized(where S == Double)
  public static func copy<S>(_ x: Vector<S>, to y: MutableVector<S>) throws(MomentumError) {
    try check(x)
    try check(y)
    try checkSameCount(x.count, y.count)
    try checkSeparate(x, y)
    forEachPiece(x.count, stride: max(x.stride, y.stride)) { offset, n in
      S._copy(n, x.base! + offset * x.stride, Int32(x.stride), y.base! + offset * y.stride, Int32(y.stride))
    }
  }
}

// MARK: - Spans: dense vectors in arrays

extension BLAS {
  /// The dot product of two spans; see ``dot(_:_:)-(BLAS.Vector<S>,_)``.
  @specialized(where S == Float)
  @specialized(where S == Double)
  public static func dot<S: BLASScalar>(_ x: Span<S>, _ y: Span<S>) throws(MomentumError) -> S {
    try withVectors(x, y) { x, y throws(MomentumError) in try dot(x, y) }
  }

  /// `x ← factor·x` for a span; see ``scal(_:_:)-(_,BLAS.MutableVector<S>)``.
  @specialized(where S == Float)
  @specialized(where S == Double)
  public static func scal<S: BLASScalar>(_ factor: S, _ x: inout MutableSpan<S>) throws(MomentumError) {
    try x.withUnsafeMutableBufferPointer { x throws(MomentumError) in try scal(factor, MutableVector(x)) }
  }

  /// `y ← factor·x + y` for spans; see ``axpy(_:_:into:)-(_,BLAS.Vector<S>,_)``.
  @specialized(where S == Float)
  @specialized(where S == Double)
  public static func axpy<S: BLASScalar>(
    _ factor: S, _ x: Span<S>, into y: inout MutableSpan<S>
  ) throws(MomentumError) {
    try x.withUnsafeBufferPointer { x throws(MomentumError) in
      try y.withUnsafeMutableBufferPointer { y throws(MomentumError) in
        try axpy(factor, Vector(x), into: MutableVector(y))
      }
    }
  }

  private static func withVectors<S: BLASScalar, R>(
    _ x: Span<S>, _ y: Span<S>, _ body: (Vector<S>, Vector<S>) throws(MomentumError) -> R
  ) throws(MomentumError) -> R {
    try x.withUnsafeBufferPointer { x throws(MomentumError) in
      try y.withUnsafeBufferPointer { y throws(MomentumError) in try body(Vector(x), Vector(y)) }
    }
  }
}
