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
  public static func clip<Scalar: StoredScalar>(
    _ tensors: [UnsafeMutableBufferPointer<Scalar>], byGlobalNorm limit: Double, givenNorm norm: Double,
    convention: Convention = .native, threads: Int? = nil
  ) throws(MomentumError) -> ClipReport {
    let call = EngineCall.begin()
    defer { call.end() }
    return try multiply(tensors, .listed(names: nil, shapes: nil), limit, norm, convention, threads)
  }

  // Not inlined: the compiler may move arithmetic of this function, but not the call of one.
  @inline(never)
  private static func multiply<Scalar: StoredScalar>(
    _ tensors: [UnsafeMutableBufferPointer<Scalar>], _ known: ClippedTensors, _ limit: Double, _ norm: Double,
    _ convention: Convention, _ threads: Int?
  ) throws(MomentumError) -> ClipReport {
    try check(limit, givenNorm: norm, convention)
    try known.check(tensors)
    var (coefficient, report) = coefficient(limit, ScaledDouble(norm), convention, Scalar.Compute.self)
    if report.wasClipped { report.overflowedElements = multiply(try table(tensors), by: coefficient, threads) }
    return report
  }

  private static func check(_ limit: Double, givenNorm norm: Double, _ convention: Convention) throws(MomentumError) {
    try GradientClipping.byGlobalNorm(limit).validate(convention)
    guard norm >= 0, norm.isFinite else {
      throw .invalidSetting(name: "given norm", value: norm, expected: .finiteAtLeast(0))
    }
  }

  /// The coefficient of a known norm, and the report of clipping by it.
  static func coefficient<Scalar: BLASScalar>(
    _ limit: Double, _ norm: ScaledDouble, _ convention: Convention, _: Scalar.Type
  ) -> (ScaledDouble, ClipReport) {
    var report = ClipReport()
    let coefficient = convention.coefficient(norm: norm, limit: limit, isWhole: true)
    (report.totalNorm, report.comparedNorm, report.clipCoefficient) = (norm.double, norm.double, coefficient.double)
    report.normOverflowed = norm.overflowsDouble
    report.wasClipped = !coefficient.roundsToOne(in: Scalar.self)
    return (coefficient, report)
  }

  /// Multiplies elements in place by a coefficient, each of them rounded once.
  ///
  /// - Returns: Whether the coefficient changes anything: one that rounds to 1 does not.
  package static func multiply<Scalar: StoredScalar>(
    _ elements: UnsafeMutableBufferPointer<Scalar>, by coefficient: Double, threads: Int?
  ) throws(MomentumError) -> Bool {
    let coefficient = ScaledDouble(coefficient)
    guard !coefficient.roundsToOne(in: Scalar.Compute.self) else { return false }
    let call = EngineCall.begin()
    defer { call.end() }
    _ = multiply(try table([elements]), by: coefficient, threads)
    return true
  }

  /// Multiplies the gradients of a table.
  ///
  /// - Returns: The number of elements of half precision that exceeded their type.
  private static func multiply<Scalar: BLASScalar>(
    _ table: TensorTable<Scalar>, by coefficient: ScaledDouble, _ threads: Int?
  ) -> Int {
    var program = StepProgram()
    program.append(.scal(factor: coefficient, .gradient))
    let team = ThreadTeam(threads ?? Machine.availableProcessors, elements: table.count)
    if table.halves.isUsed { table.clearHalfCounts(team) }
    withUnsafePointer(to: program) { table.update(UnsafeBufferPointer(start: $0, count: 1), team) }
    return table.halves.isUsed ? table.halfCounts(team).overflowed : 0
  }

  /// Clips one vector in place by a norm that is known already; see
  /// ``clip(_:byGlobalNorm:givenNorm:convention:threads:)-([UnsafeMutableBufferPointer<Scalar>],_,_,_,_)``.
  @discardableResult
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  public static func clip<Scalar: StoredScalar>(
    _ gradients: inout ParameterVector<Scalar>, byGlobalNorm limit: Double, givenNorm norm: Double,
    convention: Convention = .native, threads: Int? = nil
  ) throws(MomentumError) -> ClipReport {
    let call = EngineCall.begin()
    defer { call.end() }
    return try multiply(
      gradients.mutableTensorBuffers, .laidOut(gradients.layout), limit, norm, convention, threads)
  }
}
