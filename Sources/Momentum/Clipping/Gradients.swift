/// Measuring and clipping gradients on their own, for programs that have an optimizer already.
///
/// If an ``Optimizer`` step follows, give it the ``GradientClipping`` instead: it folds the coefficient into the update and
/// saves the pass that writes the gradient.
public enum Gradients {
  /// The norm of tensors in the caller's memory: of the concatenation of all their elements.
  ///
  /// Neither overflows nor underflows inside; the same bits for any number of threads, order and grouping of tensors. Error
  /// bounds: at most `(2048/32 + 7)/2` units of roundoff of the element type by BLAS dot products, far less on ordinary data; half a unit in the
  /// last place of `Float` and one of `Double` by the portable algorithm. The type infinity is exact.
  ///
  /// - Parameters:
  ///   - tensors: The buffers, in any order.
  ///   - type: Which norm.
  ///   - algorithm: How sums of squares are formed; counts for ``NormType/l2`` only.
  ///   - threads: The most threads to use; by default as many as the process may use.
  /// - Throws: ``MomentumError/invalidSetting(name:value:expected:)`` for a negative or NaN order.
  /// - Complexity: O(n); reads n elements, 2n for a general p.
  public static func norm<Scalar: BLASScalar>(
    of tensors: [UnsafeBufferPointer<Scalar>], type: NormType = .l2, algorithm: NormAlgorithm = .blas,
    threads: Int? = nil
  ) throws(MomentumError) -> NormReport {
    try tensors.withUnsafeBufferPointer { tensors throws(MomentumError) in
      try NormPass.report(of: tensors, type, algorithm, threads)
    }
  }

  /// The norm of one buffer; see ``norm(of:type:algorithm:threads:)-([UnsafeBufferPointer<Scalar>],_,_,_)``.
  public static func norm<Scalar: BLASScalar>(
    of elements: UnsafeBufferPointer<Scalar>, type: NormType = .l2, algorithm: NormAlgorithm = .blas,
    threads: Int? = nil
  ) throws(MomentumError) -> NormReport {
    try Scalar._norm(of: elements, type, algorithm, threads)
  }

  /// The norm of a vector; see ``norm(of:type:algorithm:threads:)-([UnsafeBufferPointer<Scalar>],_,_,_)``.
  public static func norm<Scalar: BLASScalar>(
    of vector: borrowing ParameterVector<Scalar>, type: NormType = .l2, algorithm: NormAlgorithm = .blas,
    threads: Int? = nil
  ) throws(MomentumError) -> NormReport {
    try norm(of: vector.tensorBuffers, type: type, algorithm: algorithm, threads: threads)
  }

  /// The norm of a span; see ``norm(of:type:algorithm:threads:)-([UnsafeBufferPointer<Scalar>],_,_,_)``.
  public static func norm<Scalar: BLASScalar>(
    of elements: Span<Scalar>, type: NormType = .l2, algorithm: NormAlgorithm = .blas, threads: Int? = nil
  ) throws(MomentumError) -> NormReport {
    try elements.withUnsafeBufferPointer { buffer throws(MomentumError) in
      try norm(of: buffer, type: type, algorithm: algorithm, threads: threads)
    }
  }

  /// Clips tensors in the caller's memory, in place.
  ///
  /// Writes only where a coefficient differs from 1 or an element is out of bounds; a gradient within its limits keeps
  /// every bit.
  ///
  /// - Parameters:
  ///   - tensors: The gradients; none may overlap another.
  ///   - clipping: Which clips.
  ///   - names: The tensors' names, for errors; by default their positions.
  ///   - convention: Whose formulas to follow.
  ///   - nonFinitePolicy: What to do about NaN and infinite elements; by default as an ``Optimizer`` does.
  ///   - threads: The most threads to use; by default as many as the process may use.
  /// - Returns: What was measured and done.
  /// - Throws: A ``MomentumError`` about settings, overlap or, depending on the policy, non-finite elements. Nothing has
  ///   been written then.
  /// - Complexity: O(n); reads n elements, and reads n and writes n more if anything is clipped.
  @discardableResult
  public static func clip<Scalar: BLASScalar>(
    _ tensors: [UnsafeMutableBufferPointer<Scalar>], by clipping: GradientClipping, names: [String]? = nil,
    convention: Convention = .native, nonFinitePolicy: NonFinitePolicy? = nil, threads: Int? = nil
  ) throws(MomentumError) -> ClipReport {
    try clipping.validate(convention)
    if let names, names.count != tensors.count {
      throw .countMismatch(what: "names", count: names.count, expected: tensors.count)
    }
    let name = { (index: Int) in names?[index] ?? "\(index)" }
    var regions = tensors.enumerated().map { MemoryRegion($1, tensor: $0, "gradient") }
    try MemoryRegion.checkSeparate(&regions, name: name)

    let table = TensorTable<Scalar>(counts: tensors.map(\.count))
    table.bindGradients(tensors.map(\.baseAddress))
    let team = ThreadTeam(threads ?? Machine.availableProcessors, elements: table.count)
    let policy = nonFinitePolicy ?? convention.defaultNonFinitePolicy
    let stage = ClipStage(clipping: clipping, convention: convention, policy: policy)
    let outcome = try stage.run(table, team, name: name)
    guard !outcome.report.wasSkipped else { return outcome.report }

    var programs: [StepProgram] = []
    for index in table.entries.indices {
      var program = StepProgram()
      if outcome.clearsNonFinite { program.append(.clearNonFinite(inPlace: true)) }
      if outcome.report.valueClippedCount > 0, let bounds = outcome.bounds {
        program.append(.clamp(lower: bounds.lower, upper: bounds.upper, inPlace: true))
      }
      let coefficient = table.entries[index].coefficient
      if ClipStage.changes(coefficient, Scalar.self) { program.append(.scal(factor: coefficient, .gradient)) }
      if programs.last != program { programs.append(program) }
      table.entries[index].program = program.count == 0 ? -1 : programs.count - 1
    }
    programs.withUnsafeBufferPointer { table.update($0, team) }
    return outcome.report
  }

  /// Clips one vector in place; see ``clip(_:by:names:convention:nonFinitePolicy:threads:)``.
  @discardableResult
  public static func clip<Scalar: BLASScalar>(
    _ gradients: inout ParameterVector<Scalar>, by clipping: GradientClipping, convention: Convention = .native,
    nonFinitePolicy: NonFinitePolicy? = nil, threads: Int? = nil
  ) throws(MomentumError) -> ClipReport {
    try clip(
      gradients.tensorBuffers.map { UnsafeMutableBufferPointer(mutating: $0) }, by: clipping,
      names: gradients.layout.tensors.map(\.name), convention: convention, nonFinitePolicy: nonFinitePolicy,
      threads: threads)
  }

  /// Clips one tensor in a span in place; see ``clip(_:by:names:convention:nonFinitePolicy:threads:)``.
  @discardableResult
  public static func clip<Scalar: BLASScalar>(
    _ gradient: inout MutableSpan<Scalar>, by clipping: GradientClipping, convention: Convention = .native,
    nonFinitePolicy: NonFinitePolicy? = nil, threads: Int? = nil
  ) throws(MomentumError) -> ClipReport {
    try gradient.withUnsafeMutableBufferPointer { buffer throws(MomentumError) in
      try clip(
        [buffer], by: clipping, convention: convention, nonFinitePolicy: nonFinitePolicy, threads: threads)
    }
  }
}

/// A norm and what was met on the way to it.
public struct NormReport: Sendable, Hashable {
  /// The norm: NaN if an element is NaN, else infinite if one is infinite or, with ``overflowed`` set, if it exceeds `Double`.
  public let norm: Double
  /// The same without limit of range.
  public let scaledNorm: ScaledDouble
  /// Whether all elements are finite but the norm exceeds `Double`.
  public let overflowed: Bool
  public let nanCount: Int
  public let infinityCount: Int

  /// The report of finite elements whose norm is a normal `Double`.
  init(_ norm: Double) {
    (self.norm, scaledNorm, overflowed, nanCount, infinityCount) = (norm, ScaledDouble(norm), false, 0, 0)
  }

  init(_ partial: NormPartial) {
    scaledNorm = partial.scaledNorm
    norm = scaledNorm.double
    overflowed = norm.isInfinite && partial.infinityCount == 0
    nanCount = partial.nanCount
    infinityCount = partial.infinityCount
  }
}

extension NormPartial {
  /// Measures part of a norm.
  ///
  /// - Parameters:
  ///   - elements: A tensor, or a shard of one cut at multiples of 2048 elements.
  ///   - type: ``NormType/l1``, ``NormType/l2`` or ``NormType/infinity``.
  ///   - algorithm: How sums of squares are formed.
  ///   - threads: The most threads to use; by default as many as the process may use.
  /// - Throws: ``MomentumError/invalidSetting(name:value:expected:)`` for another type.
  /// - Complexity: O(n); reads n elements.
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
