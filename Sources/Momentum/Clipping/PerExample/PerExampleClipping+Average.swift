extension PerExampleClipping {
  /// Clips and averages; see ``average(_:layout:into:threads:using:)``. Noise comes from the system's generator.
  ///
  /// That is the right generator for privacy, because its numbers can be neither predicted nor repeated.
  @discardableResult
  public func average<Scalar: BLASScalar>(
    _ examples: BLAS.Matrix<Scalar>, layout: ParameterLayout? = nil, into gradient: UnsafeMutableBufferPointer<Scalar>,
    threads: Int? = nil
  ) throws(MomentumError) -> PerExampleReport {
    var random = SystemRandomNumberGenerator()
    return try average(examples, layout: layout, into: gradient, threads: threads, using: &random)
  }

  /// Clips the gradient of every example and writes their average, plus noise.
  ///
  /// Norms are those of ``Gradients``: right in the whole range, with the same bits for any number of threads. But a
  /// gemv of a large matrix runs on threads of OpenBLAS, and its bits depend on their number.
  ///
  /// Noise is drawn in the order of the elements, two at a time, by the method of Box and Muller: two 64-bit numbers a,
  /// b of the generator make `u = ((a >> 11) + 1)·2⁻⁵³`, `w = (b >> 11)·2⁻⁵³` and the two numbers `√(-2 ln u)·cos 2πw`,
  /// `√(-2 ln u)·sin 2πw`, in `Double`. The same generator gives the same noise wherever the C library's `log`, `cos`
  /// and `sin` are the same. Sums are rounded to the element type; an adversary who sees all digits of a result can
  /// find traces of that rounding (Mironov, "On Significance of the Least Significant Bits for Differential Privacy",
  /// 2012).
  ///
  /// - Parameters:
  ///   - examples: B × n: one row for each example, one column for each parameter. Not transposed.
  ///   - layout: The tensors of n parameters; needed for limits of layers.
  ///   - gradient: n elements, overwritten; must not overlap the matrix.
  ///   - threads: The most threads for the norms; by default as many as the process may use.
  ///   - random: The generator of the noise; not used without noise.
  /// - Returns: A report of what was measured and changed.
  /// - Throws: ``MomentumError/invalidSetting(_:)`` for settings, a transposed matrix, a missing layout, or noise
  ///   beyond the element type; ``MomentumError/countMismatch(what:count:expected:)`` for shapes;
  ///   ``MomentumError/overlap(first:second:)``; ``MomentumError/nonFiniteGradient(tensor:index:value:)`` with the row
  ///   for a name ("example 3"). Nothing has been written then.
  /// - Complexity: O(B·n); reads the matrix twice.
  @discardableResult
  public func average<Scalar: BLASScalar, Generator: RandomNumberGenerator>(
    _ examples: BLAS.Matrix<Scalar>, layout: ParameterLayout? = nil, into gradient: UnsafeMutableBufferPointer<Scalar>,
    threads: Int? = nil, using random: inout Generator
  ) throws(MomentumError) -> PerExampleReport {
    let call = EngineCall.begin()
    defer { call.end() }
    return try clipAndAverage(examples, layout, gradient, threads, &random)
  }

  // Not inlined: the compiler may move arithmetic of this function, but not the call of one.
  @inline(never)
  private func clipAndAverage<Scalar: BLASScalar, Generator: RandomNumberGenerator>(
    _ examples: BLAS.Matrix<Scalar>, _ layout: ParameterLayout?, _ gradient: UnsafeMutableBufferPointer<Scalar>,
    _ threads: Int?, _ random: inout Generator
  ) throws(MomentumError) -> PerExampleReport {
    try validate()
    let layers = try check(examples, layout, gradient)
    let divisor = batchSize ?? Double(examples.rows)
    // With an infinite limit there is no noise.
    let deviation =
      noiseMultiplier == 0 ? ScaledDouble(0) : ScaledDouble(norm) * noiseMultiplier / ScaledDouble(divisor)
    // No number of `Gaussian` exceeds 8.6.
    guard Scalar((deviation * 8.6).double).isFinite else {
      throw .invalidSetting(
        name: "noiseMultiplier", value: noiseMultiplier, expected: .words("noise that \(Scalar.self) can hold"))
    }

    var sum = try PerExampleSum(self, examples, layers, divisor, threads ?? Machine.availableProcessors)
    try sum.measure()
    guard !sum.report.wasSkipped, let base = gradient.baseAddress, gradient.count > 0 else { return sum.report }
    try sum.write(base)
    if deviation.significand != 0 { Self.addNoise(deviation.double, to: gradient, using: &random) }
    return sum.report
  }

  /// Checks the shapes.
  ///
  /// - Returns: The columns of every layer.
  private func check<Scalar>(
    _ examples: BLAS.Matrix<Scalar>, _ layout: ParameterLayout?, _ gradient: UnsafeMutableBufferPointer<Scalar>
  ) throws(MomentumError) -> [Range<Int>] {
    let (rows, columns, step) = (examples.rows, examples.columns, examples.leadingDimension)
    guard !examples.isTransposed else {
      throw .invalidSetting(name: "examples", value: "a transposed matrix", expected: "one row for each example")
    }
    guard rows > 0 else { throw .countMismatch(what: "examples", count: rows, expected: 1) }
    guard columns >= 0, step >= columns || rows == 1, examples.base != nil || columns == 0 else {
      throw .countMismatch(what: "leading dimension of examples", count: step, expected: columns)
    }
    guard gradient.count == columns else {
      throw .countMismatch(what: "gradient", count: gradient.count, expected: columns)
    }
    let (gap, isLarge) = (rows - 1).multipliedReportingOverflow(by: step)
    guard !isLarge, gap <= Int.max / MemoryLayout<Scalar>.stride - columns else {
      throw .countMismatch(what: "examples", count: rows, expected: Int.max / MemoryLayout<Scalar>.stride / step)
    }
    guard !BLAS.overlap(examples.base, columns > 0 ? gap + columns : 0, gradient.baseAddress, columns) else {
      throw .overlap(first: "examples", second: "gradient")
    }
    if let layout, layout.count != columns {
      throw .countMismatch(what: "layout", count: layout.count, expected: columns)
    }
    guard scope != .example else { return [0..<columns] }
    guard let layout else {
      throw .invalidSetting(name: "layout", value: "nil", expected: "the tensors, for the scope \(scope.rawValue)")
    }
    return layout.tensors.map(\.range)
  }

  private static func addNoise<Scalar: BLASScalar, Generator: RandomNumberGenerator>(
    _ deviation: Double, to gradient: UnsafeMutableBufferPointer<Scalar>, using random: inout Generator
  ) {
    for index in stride(from: 0, to: gradient.count, by: 2) {
      let (first, second) = Gaussian.pair(random.next(), random.next())
      gradient[index] = Scalar(Double(gradient[index]) + deviation * first)
      if index + 1 < gradient.count {
        gradient[index + 1] = Scalar(Double(gradient[index + 1]) + deviation * second)
      }
    }
  }
}
