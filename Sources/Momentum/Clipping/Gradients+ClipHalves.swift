// Clipping gradients in half precision, in place.
extension Gradients {
  /// Clips tensors in half precision in the caller's memory, in place.
  ///
  /// All is as for `Float`s with the same values, with the portable algorithm for norms; the clipped elements, computed in
  /// `Float`, are then rounded once, to nearest, ties to even. Coefficients are never rounded to half precision. A
  /// gradient within its limits keeps every bit.
  ///
  /// - Parameters:
  ///   - tensors: The gradients; none may overlap another.
  ///   - clipping: The clips.
  ///   - names: The tensors' names, for errors; by default their positions.
  ///   - shapes: The tensors' shapes, for limits of units (``GradientClipping/TensorLimit/unitNorm(_:_:)``).
  ///   - convention: The convention to follow.
  ///   - nonFinitePolicy: The treatment of NaN and infinite elements; by default that of an ``Optimizer``.
  ///   - threads: The most threads to use; by default as many as the process may use.
  /// - Returns: A report of what was measured and changed.
  /// - Throws: As ``clip(_:by:names:shapes:convention:nonFinitePolicy:threads:)-([UnsafeMutableBufferPointer<Scalar>],_,_,_,_,_,_)``.
  /// - Complexity: O(n); reads n elements, and reads n and writes n more if anything is clipped.
  @discardableResult
  public static func clip<Half: HalfScalar>(
    _ tensors: [UnsafeMutableBufferPointer<Half>], by clipping: GradientClipping, names: [String]? = nil,
    shapes: [[Int]]? = nil, convention: Convention = .native, nonFinitePolicy: NonFinitePolicy? = nil,
    threads: Int? = nil
  ) throws(MomentumError) -> ClipReport {
    let call = EngineCall.begin()
    defer { call.end() }
    return try clipHalves(tensors, clipping, names, shapes, convention, nonFinitePolicy, threads, nil)
  }

  /// Clips some tensors of a gradient in place, in half precision, together with the owners of the others, which may be of
  /// another element type; see ``NormExchange``.
  @discardableResult
  public static func clip<Half: HalfScalar>(
    _ tensors: [UnsafeMutableBufferPointer<Half>], by clipping: GradientClipping, names: [String]? = nil,
    shapes: [[Int]]? = nil, convention: Convention = .native, nonFinitePolicy: NonFinitePolicy? = nil,
    threads: Int? = nil, exchange: some NormExchange
  ) throws(MomentumError) -> ClipReport {
    let meetings = NormMeetings(exchange)
    func run() throws(MomentumError) -> ClipReport {
      let call = EngineCall.begin()
      defer { call.end() }
      return try clipHalves(tensors, clipping, names, shapes, convention, nonFinitePolicy, threads, meetings)
    }
    do throws(MomentumError) {
      return try run()
    } catch {
      throw meetings.failure(error)
    }
  }

  // Not inlined: the compiler may move arithmetic of this function, but not the call of one.
  @inline(never)
  private static func clipHalves<Half: HalfScalar>(
    _ tensors: [UnsafeMutableBufferPointer<Half>], _ clipping: GradientClipping, _ names: [String]?,
    _ shapes: [[Int]]?, _ convention: Convention, _ nonFinitePolicy: NonFinitePolicy?, _ threads: Int?,
    _ meetings: NormMeetings?
  ) throws(MomentumError) -> ClipReport {
    try clipping.validate(convention)
    try check(tensors, names, shapes)
    let table = try table(tensors, names: names ?? [], shapes: shapes ?? [])
    return try measureAndClip(table, clipping, convention, nonFinitePolicy, threads, meetings)
  }

  private static func table<Half: HalfScalar>(
    _ tensors: [UnsafeMutableBufferPointer<Half>], names: [String] = [], shapes: [[Int]] = []
  ) throws(MomentumError) -> TensorTable<Float> {
    let table = try TensorTable<Float>(counts: tensors.lazy.map { $0.count }, names: names, shapes: shapes)
    table.halves.gradient = Half.elementType
    table.bindGradients(tensors.lazy.map { TensorTable<Float>.address($0.baseAddress) })
    return table
  }

  /// Clips one vector in half precision in place; see
  /// ``clip(_:by:names:shapes:convention:nonFinitePolicy:threads:)-([UnsafeMutableBufferPointer<Half>],_,_,_,_,_,_)``.
  @discardableResult
  public static func clip<Half: HalfScalar>(
    _ gradients: inout ParameterVector<Half>, by clipping: GradientClipping, convention: Convention = .native,
    nonFinitePolicy: NonFinitePolicy? = nil, threads: Int? = nil
  ) throws(MomentumError) -> ClipReport {
    try clip(
      gradients.tensorBuffers.map { UnsafeMutableBufferPointer(mutating: $0) }, by: clipping,
      names: gradients.layout.tensors.map(\.name), shapes: gradients.layout.tensors.map(\.shape),
      convention: convention, nonFinitePolicy: nonFinitePolicy, threads: threads)
  }

  /// Clips one tensor in half precision in a span in place; see
  /// ``clip(_:by:names:shapes:convention:nonFinitePolicy:threads:)-([UnsafeMutableBufferPointer<Half>],_,_,_,_,_,_)``.
  @discardableResult
  public static func clip<Half: HalfScalar>(
    _ gradient: inout MutableSpan<Half>, by clipping: GradientClipping, convention: Convention = .native,
    nonFinitePolicy: NonFinitePolicy? = nil, threads: Int? = nil
  ) throws(MomentumError) -> ClipReport {
    try gradient.withUnsafeMutableBufferPointer { buffer throws(MomentumError) in
      try clip([buffer], by: clipping, convention: convention, nonFinitePolicy: nonFinitePolicy, threads: threads)
    }
  }

  /// Clips tensors in half precision in place by a norm that is known already; see
  /// ``clip(_:byGlobalNorm:givenNorm:convention:threads:)-([UnsafeMutableBufferPointer<Scalar>],_,_,_,_)``.
  @discardableResult
  public static func clip<Half: HalfScalar>(
    _ tensors: [UnsafeMutableBufferPointer<Half>], byGlobalNorm limit: Double, givenNorm norm: Double,
    convention: Convention = .native, threads: Int? = nil
  ) throws(MomentumError) -> ClipReport {
    let call = EngineCall.begin()
    defer { call.end() }
    return try multiplyHalves(tensors, limit, norm, convention, threads)
  }

  // Not inlined: the compiler may move arithmetic of this function, but not the call of one.
  @inline(never)
  private static func multiplyHalves<Half: HalfScalar>(
    _ tensors: [UnsafeMutableBufferPointer<Half>], _ limit: Double, _ norm: Double, _ convention: Convention,
    _ threads: Int?
  ) throws(MomentumError) -> ClipReport {
    try check(limit, givenNorm: norm, convention)
    try check(tensors, nil, nil)
    var (coefficient, report) = coefficient(limit, norm, convention, Float.self)
    if report.wasClipped { report.overflowedElements = multiply(try table(tensors), by: coefficient, threads) }
    return report
  }

  /// Clips one vector in half precision in place by a norm that is known already; see
  /// ``clip(_:byGlobalNorm:givenNorm:convention:threads:)-([UnsafeMutableBufferPointer<Scalar>],_,_,_,_)``.
  @discardableResult
  public static func clip<Half: HalfScalar>(
    _ gradients: inout ParameterVector<Half>, byGlobalNorm limit: Double, givenNorm norm: Double,
    convention: Convention = .native, threads: Int? = nil
  ) throws(MomentumError) -> ClipReport {
    try clip(
      gradients.tensorBuffers.map { UnsafeMutableBufferPointer(mutating: $0) }, byGlobalNorm: limit, givenNorm: norm,
      convention: convention, threads: threads)
  }
}
