extension Gradients {
  /// Clips tensors in the caller's memory, in place.
  ///
  /// Writes only where a coefficient differs from 1 or an element is out of bounds; a gradient within its limits keeps
  /// every bit. All is computed in `Float` where gradients are in half precision, with the portable algorithm for norms, and
  /// coefficients are never rounded to it: each element is rounded once, to nearest, ties to even.
  ///
  /// - Parameters:
  ///   - tensors: The gradients; none may overlap another.
  ///   - clipping: The clips.
  ///   - names: The tensors' names, for errors; by default their positions.
  ///   - shapes: The tensors' shapes, for limits of units (``GradientClipping/TensorLimit/unitNorm(_:_:)``).
  ///   - convention: The convention to follow.
  ///   - nonFinitePolicy: The treatment of NaN and infinite elements; by default that of an ``Optimizer``.
  ///   - overflowPolicy: What becomes of elements in half precision that exceed their type, where clipping enlarges a gradient.
  ///   - threads: The most threads to use; by default as many as the process may use.
  /// - Returns: A report of what was measured and changed.
  /// - Throws: A ``MomentumError`` about settings, overlap or, depending on the policy, non-finite elements. Nothing
  ///   has been written then.
  /// - Complexity: O(n); reads n elements, and reads n and writes n more if anything is clipped.
  @discardableResult
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  public static func clip<Scalar: StoredScalar>(
    _ tensors: [UnsafeMutableBufferPointer<Scalar>], by clipping: GradientClipping, names: [String]? = nil,
    shapes: [[Int]]? = nil, convention: Convention = .native, nonFinitePolicy: NonFinitePolicy? = nil,
    overflowPolicy: OverflowPolicy = .infinity, threads: Int? = nil
  ) throws(MomentumError) -> ClipReport {
    let call = EngineCall.begin()
    defer { call.end() }
    let known = ClippedTensors.listed(names: names, shapes: shapes)
    return try measureAndClip(
      tensors, known, clipping, convention, nonFinitePolicy, overflowPolicy, threads, nil, nil)
  }

  /// Clips some tensors of a gradient in place, together with the owners of the others, which may be of another
  /// element type; see ``NormExchange``.
  ///
  /// - Parameters:
  ///   - tensors: The gradients of this owner; none may overlap another.
  ///   - clipping: The clips, the same for all owners.
  ///   - names: The tensors' names, for errors; by default their positions.
  ///   - shapes: The tensors' shapes, for limits of units.
  ///   - convention: The convention to follow.
  ///   - nonFinitePolicy: The treatment of NaN and infinite elements; by default that of an ``Optimizer``.
  ///   - overflowPolicy: What becomes of elements in half precision that exceed their type, where clipping enlarges a gradient.
  ///   - threads: The most threads of this owner; by default as many as the process may use.
  ///   - exchange: Where the owners meet.
  /// - Returns: A report of what was measured and changed, of all owners but for ``ClipReport/overflowedElements``, which are
  ///   this owner's.
  /// - Throws: Also the errors of other owners: if one throws, all do, and no owner has written anything.
  @discardableResult
  public static func clip<Scalar: StoredScalar>(
    _ tensors: [UnsafeMutableBufferPointer<Scalar>], by clipping: GradientClipping, names: [String]? = nil,
    shapes: [[Int]]? = nil, convention: Convention = .native, nonFinitePolicy: NonFinitePolicy? = nil,
    overflowPolicy: OverflowPolicy = .infinity, threads: Int? = nil, exchange: some NormExchange
  ) throws(MomentumError) -> ClipReport {
    try clip(
      tensors, by: clipping, names: names, shapes: shapes, convention: convention, nonFinitePolicy: nonFinitePolicy,
      overflowPolicy: overflowPolicy, threads: threads, exchange: exchange, tell: nil)
  }

  /// The same, if there are other owners, telling how many more elements have been measured, in the order of the tensors.
  ///
  /// - Parameter measuresPortably: Whether these are copies of tensors in half precision, whose bits they shall have.
  package static func clip<Scalar: StoredScalar>(
    _ tensors: [UnsafeMutableBufferPointer<Scalar>], by clipping: GradientClipping, names: [String]?,
    shapes: [[Int]]?, convention: Convention, nonFinitePolicy: NonFinitePolicy?, overflowPolicy: OverflowPolicy,
    threads: Int?, exchange: (any NormExchange)?, tell: ((Int) -> Void)?, measuresPortably: Bool = false
  ) throws(MomentumError) -> ClipReport {
    let (known, meetings) = (ClippedTensors.listed(names: names, shapes: shapes), exchange.map { NormMeetings($0) })
    func run() throws(MomentumError) -> ClipReport {
      let call = EngineCall.begin()
      defer { call.end() }
      return try measureAndClip(
        tensors, known, clipping, convention, nonFinitePolicy, overflowPolicy, threads, meetings, tell, measuresPortably
      )
    }
    do throws(MomentumError) {
      return try run()
    } catch {
      throw meetings?.failure(error) ?? error
    }
  }

  // Not inlined: the compiler may move arithmetic of this function, but not the call of one.
  @inline(never)
  private static func measureAndClip<Scalar: StoredScalar>(
    _ tensors: [UnsafeMutableBufferPointer<Scalar>], _ known: ClippedTensors, _ clipping: GradientClipping,
    _ convention: Convention, _ nonFinitePolicy: NonFinitePolicy?, _ overflowPolicy: OverflowPolicy, _ threads: Int?,
    _ meetings: NormMeetings?, _ tell: ((Int) -> Void)?, _ measuresPortably: Bool = false
  ) throws(MomentumError) -> ClipReport {
    try clipping.validate(convention)
    try known.check(tensors)
    try BLASTraits.checkCounts()
    if meetings == nil, tell == nil, Scalar.Compute.self == Scalar.self, let limit = clipping.onlyGlobalNorm {
      // The same type under two names.
      let clip = WholeClip(
        tensors: unsafeBitCast(tensors, to: [UnsafeMutableBufferPointer<Scalar.Compute>].self), limit: limit,
        algorithm: measuresPortably ? .portable : clipping.algorithm, convention: convention, threads: threads)
      if let report = clip.run() { return report }
    }
    let table = try table(tensors, names: known.names, shapes: known.shapes)
    table.halves.saturates = overflowPolicy == .saturate
    table.tell = tell
    let policy = nonFinitePolicy ?? convention.defaultNonFinitePolicy
    let stage = ClipStage(
      ClipSettings(clipping, convention: convention, policy: policy, measuresPortably: measuresPortably))
    return try measureAndClip(table, stage, threads, meetings)
  }

  /// A table of gradients, which may be in half precision.
  @inline(__always)
  static func table<Scalar: StoredScalar>(
    _ tensors: [UnsafeMutableBufferPointer<Scalar>], names: [String] = [], shapes: [[Int]] = []
  ) throws(MomentumError) -> TensorTable<Scalar.Compute> {
    // Closures, because a key path into a generic type is built anew at each use, which takes microseconds.
    let table = try TensorTable<Scalar.Compute>(counts: tensors.lazy.map { $0.count }, names: names, shapes: shapes)
    if Scalar.elementType != Scalar.Compute.elementType { table.halves.gradient = Scalar.elementType }
    table.bindGradients(tensors.lazy.map { TensorTable<Scalar.Compute>.address($0.baseAddress) })
    return table
  }

  /// Clips the gradients of a table, which are bound and checked.
  @inline(__always)
  private static func measureAndClip<Scalar: BLASScalar>(
    _ table: TensorTable<Scalar>, _ stage: ClipStage, _ threads: Int?, _ meetings: NormMeetings?
  ) throws(MomentumError) -> ClipReport {
    let team = ThreadTeam(threads ?? Machine.availableProcessors, elements: table.count)
    var outcome = ClipStage.Outcome()
    if stage.settings.clipsValues { stage.bindBounds(table, &outcome) }
    guard stage.settings.asksForNorm else { return outcome.report }
    if let meetings {
      try meetings.begin(gradientFactor: stage.gradientFactor, table)
      try stage.decide(table, &outcome, team, meetings)
      if !outcome.report.wasSkipped { try meetings.agree(&outcome.report) }
    } else {
      try stage.decide(table.measure(stage.measurementPlan(outcome), team), table, &outcome, team)
    }
    guard !outcome.report.wasSkipped, outcome.changesGradients else { return outcome.report }

    if table.halves.isUsed { table.clearHalfCounts(team) }
    table.update(compilePrograms(table, outcome), team)
    if table.halves.isUsed { outcome.report.overflowedElements = table.halfCounts(team).overflowed }
    return outcome.report
  }

  /// The programs that clip in place; a tensor that nothing changes has none.
  @inline(__always)
  private static func compilePrograms<Scalar>(
    _ table: TensorTable<Scalar>, _ outcome: ClipStage.Outcome
  ) -> ProgramBuffer<Scalar> {
    let programs = ProgramBuffer<Scalar>(capacity: table.entries.count)
    for index in table.entries.indices {
      let program = programs.append()
      if outcome.clearsNonFinite { program.pointee.append(.clearNonFinite(inPlace: true)) }
      if outcome.report.valueClippedCount > 0, let bounds = table.decisions[index].bounds {
        program.pointee.append(.clamp(lower: bounds.lower, upper: bounds.upper, inPlace: true))
      }
      if table.decisions[index].clipFactors != nil { program.pointee.append(.scaleUnits(.clipping, inPlace: true)) }
      let coefficient = table.decisions[index].coefficient
      if !coefficient.roundsToOne(in: Scalar.self) { program.pointee.append(.scal(factor: coefficient, .gradient)) }
      let changesNothing = program.pointee.count == 0
      programs.removeLastIfRepeated()
      table.entries[index].program = changesNothing ? -1 : programs.count - 1
    }
    return programs
  }

  /// Clips one vector in place; see
  /// ``clip(_:by:names:shapes:convention:nonFinitePolicy:overflowPolicy:threads:)-([UnsafeMutableBufferPointer<Scalar>],_,_,_,_,_,_,_)``.
  @discardableResult
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  public static func clip<Scalar: StoredScalar>(
    _ gradients: inout ParameterVector<Scalar>, by clipping: GradientClipping, convention: Convention = .native,
    nonFinitePolicy: NonFinitePolicy? = nil, overflowPolicy: OverflowPolicy = .infinity, threads: Int? = nil
  ) throws(MomentumError) -> ClipReport {
    let call = EngineCall.begin()
    defer { call.end() }
    return try measureAndClip(
      gradients.mutableTensorBuffers, .laidOut(gradients.layout), clipping, convention, nonFinitePolicy, overflowPolicy,
      threads, nil, nil)
  }

  /// Clips one tensor in a span in place; see
  /// ``clip(_:by:names:shapes:convention:nonFinitePolicy:overflowPolicy:threads:)-([UnsafeMutableBufferPointer<Scalar>],_,_,_,_,_,_,_)``.
  @discardableResult
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  public static func clip<Scalar: StoredScalar>(
    _ gradient: inout MutableSpan<Scalar>, by clipping: GradientClipping, convention: Convention = .native,
    nonFinitePolicy: NonFinitePolicy? = nil, overflowPolicy: OverflowPolicy = .infinity, threads: Int? = nil
  ) throws(MomentumError) -> ClipReport {
    try gradient.withUnsafeMutableBufferPointer { buffer throws(MomentumError) in
      try clip(
        [buffer], by: clipping, convention: convention, nonFinitePolicy: nonFinitePolicy,
        overflowPolicy: overflowPolicy,
        threads: threads)
    }
  }

  /// Checks the names and shapes of tensors, and that their memory is separate.
  static func check<Scalar>(
    _ tensors: [UnsafeMutableBufferPointer<Scalar>], _ names: [String]?, _ shapes: [[Int]]?
  ) throws(MomentumError) {
    if let names, names.count != tensors.count {
      throw .countMismatch(what: "names", count: names.count, expected: tensors.count)
    }
    try check(shapes, of: tensors)
    guard tensors.count > 1 else { return }
    var regions = tensors.enumerated().map { MemoryRegion($1, tensor: $0, "gradient") }
    try MemoryRegion.checkSeparate(&regions) { names?[$0] ?? "\($0)" }
  }

  private static func check<Scalar>(
    _ shapes: [[Int]]?, of tensors: [UnsafeMutableBufferPointer<Scalar>]
  ) throws(MomentumError) {
    guard let shapes else { return }
    guard shapes.count == tensors.count else {
      throw .countMismatch(what: "shapes", count: shapes.count, expected: tensors.count)
    }
    let layout = try ParameterLayout(shapes.enumerated().map { ("\($0)", $1) })
    for (tensor, buffer) in zip(layout.tensors, tensors) where tensor.count != buffer.count {
      throw .countMismatch(
        what: "shape \(tensor.shape) of tensor \(tensor.name)", count: tensor.count, expected: buffer.count)
    }
  }
}
