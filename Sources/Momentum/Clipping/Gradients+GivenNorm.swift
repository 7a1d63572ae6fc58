extension Gradients {
  /// Clips tensors in place by a norm that is known already: multiplies them by the convention's coefficient of the
  /// global norm.
  ///
  /// For norms that come from elsewhere: from
  /// ``norm(of:type:algorithm:threads:)-([UnsafeBufferPointer<Scalar>],_,_,_)``, from a ``NormPartial`` that several
  /// processes have merged, or from a loop of your own. (PyTorch `clip_grads_with_norm_`; TensorFlow
  /// `clip_by_global_norm` with `use_norm`.) The gradient is not checked: its NaN and infinite elements are multiplied
  /// like all others.
  ///
  /// - Parameters:
  ///   - tensors: The gradients; none may overlap another.
  ///   - limit: C, the largest norm of all tensors together, at least 0.
  ///   - norm: N, the norm of all tensors together; finite, at least 0.
  ///   - convention: The convention whose coefficient is used.
  ///   - threads: The most threads to use; by default as many as the process may use.
  /// - Returns: A report of the given norm and of what was changed.
  /// - Throws: ``MomentumError/invalidSetting(_:)`` for a limit or a norm out of range,
  ///   ``MomentumError/overlap(first:second:)``. Nothing has been written then.
  /// - Complexity: O(n); reads and writes n elements, or none if the coefficient rounds to 1.
  @discardableResult
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  public static func clip<Scalar: BLASScalar>(
    _ tensors: [UnsafeMutableBufferPointer<Scalar>], byGlobalNorm limit: Double, givenNorm norm: Double,
    convention: Convention = .native, threads: Int? = nil
  ) throws(MomentumError) -> ClipReport {
    let call = EngineCall.begin()
    defer { call.end() }
    return try multiply(tensors, limit, norm, convention, threads)
  }

  // Not inlined: the compiler may move arithmetic of this function, but not the call of one.
  @inline(never)
  private static func multiply<Scalar: BLASScalar>(
    _ tensors: [UnsafeMutableBufferPointer<Scalar>], _ limit: Double, _ norm: Double, _ convention: Convention,
    _ threads: Int?
  ) throws(MomentumError) -> ClipReport {
    try GradientClipping.byGlobalNorm(limit).validate(convention)
    guard norm >= 0, norm.isFinite else {
      throw .invalidSetting(name: "given norm", value: norm, expected: .finiteAtLeast(0))
    }
    var regions = tensors.enumerated().map { MemoryRegion($1, tensor: $0, "gradient") }
    try MemoryRegion.checkSeparate(&regions) { "\($0)" }

    var report = ClipReport()
    let coefficient = convention.coefficient(norm: ScaledDouble(norm), limit: limit, isWhole: true)
    (report.totalNorm, report.comparedNorm, report.clipCoefficient) = (norm, norm, coefficient.double)
    guard !coefficient.roundsToOne(in: Scalar.self) else { return report }
    report.wasClipped = true
    let table = try TensorTable<Scalar>(counts: tensors.lazy.map { $0.count })
    table.bindGradients(tensors.lazy.map { $0.baseAddress })
    var program = StepProgram()
    program.append(.scal(factor: coefficient, .gradient))
    let team = ThreadTeam(threads ?? Machine.availableProcessors, elements: table.count)
    withUnsafePointer(to: program) { table.update(UnsafeBufferPointer(start: $0, count: 1), team) }
    return report
  }

  /// Clips one vector in place by a norm that is known already; see
  /// ``clip(_:byGlobalNorm:givenNorm:convention:threads:)-([UnsafeMutableBufferPointer<Scalar>],_,_,_,_)``.
  @discardableResult
  public static func clip<Scalar: BLASScalar>(
    _ gradients: inout ParameterVector<Scalar>, byGlobalNorm limit: Double, givenNorm norm: Double,
    convention: Convention = .native, threads: Int? = nil
  ) throws(MomentumError) -> ClipReport {
    try clip(
      gradients.tensorBuffers.map { UnsafeMutableBufferPointer(mutating: $0) }, byGlobalNorm: limit,
      givenNorm: norm, convention: convention, threads: threads)
  }
}
