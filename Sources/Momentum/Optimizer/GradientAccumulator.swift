/// Adds up the gradients of several micro-batches and measures the norm of their sum.
///
/// ```swift
/// var accumulator = try GradientAccumulator<Float>(layout)
/// try accumulator.add(first)
/// try accumulator.add(second)
/// try optimizer.step(&parameters, gradients: &accumulator)  // with the mean of both
/// ```
///
/// Each tile of the sum is measured right after an addition, while it is in cache. So the step that follows needs no
/// pass for the norm: it moves 5 elements for each parameter instead of 6. Clipping is done once, after averaging.
/// Clipping every micro-batch first would be another algorithm.
///
/// Where the gradient of a micro-batch is a mean over its tokens or examples, and their number differs from one to the
/// next, the mean of these means is not the gradient of the whole batch. Weighted by their numbers they make it:
///
/// ```swift
/// try accumulator.add(ofOneToken, weight: 1)
/// try accumulator.add(ofThreeTokens, weight: 3)
/// try optimizer.step(&parameters, gradients: &accumulator)  // with the mean over four tokens
/// ```
///
/// A tensor that has a gradient in some micro-batches counts as 0 in the others; a tensor without any gradient is left
/// alone by the step.
public struct GradientAccumulator<Scalar: BLASScalar>: ~Copyable, @unchecked Sendable {  // sole owner of its memory
  /// The combination of the gradients that the step uses: their mean or their sum.
  public enum Reduction: String, Sendable, Hashable, Codable, CaseIterable {
    /// The sum of the gradients, each times its weight, divided by the sum of the weights: `Σ wᵢ·gᵢ / Σ wᵢ`. Without
    /// weights it is the sum divided by the number of gradients.
    case mean
    /// The sum of the gradients, each times its weight: `Σ wᵢ·gᵢ`.
    case sum
  }

  /// The tensors.
  public let layout: ParameterLayout
  /// The combination of the gradients that the step uses: their mean or their sum.
  public let reduction: Reduction
  /// The algorithm for the norm of the sum. A step whose ``GradientClipping/algorithm`` differs measures the sum again.
  public let algorithm: NormAlgorithm
  /// The number of gradients added since the last step, of whatever weight.
  public private(set) var count = 0
  /// The sum of the weights of the gradients added since the last step.
  public var totalWeight: Double { weights.total.double }
  /// The power of two that the sum in memory is divided by: that of the largest weight, 1 without weights.
  ///
  /// So a sum overflows only where an unweighted one would, whatever the weights are.
  public var sumScale: Double { weights.scale.double }

  /// The most threads to use, at least 1, which the next addition checks. The results have the same bits for any number.
  public var threads: Int

  /// In this table, `gradient` is the gradient that is being added and `average` is the sum; the tile sums are those of
  /// the sum.
  let table: TensorTable<Scalar>
  private let memory: ParameterVector<Scalar>
  /// Whether each tensor has had a gradient since the last step.
  private(set) var isSet: [Bool]
  private(set) var weights = WeightSum()

  // One call lets everything go, as in ``Optimizer``.
  @inline(never)
  deinit {}

  /// Prepares an empty sum of gradients.
  ///
  /// - Parameters:
  ///   - layout: The tensors.
  ///   - reduction: The combination of the gradients that the step uses: their mean or their sum.
  ///   - algorithm: The algorithm for the norm of the sum.
  ///   - threads: The most threads to use; by default as many as the process may use.
  /// - Throws: ``MomentumError/allocationFailed(bytes:)``, ``MomentumError/invalidSetting(_:)`` for less than one
  ///   thread.
  public init(
    _ layout: ParameterLayout, reduction: Reduction = .mean, algorithm: NormAlgorithm = .blas, threads: Int? = nil
  ) throws(MomentumError) {
    let threads = try Machine.threads(threads)
    let memory = try ParameterVector<Scalar>(layout, threads: threads)
    let table = try TensorTable<Scalar>(counts: layout.tensors.map(\.count))
    self.layout = layout
    self.reduction = reduction
    self.algorithm = algorithm
    self.threads = threads
    self.table = table
    isSet = Array(repeating: false, count: layout.tensors.count)
    for (index, tensor) in layout.tensors.enumerated() { table.entries[index].average = memory.base + tensor.offset }
    self.memory = memory
  }

  /// Adds a gradient.
  ///
  /// - Parameters:
  ///   - gradients: The gradient; only read.
  ///   - weight: The factor of the gradient, at least 0: a number of tokens or of examples, for example. A gradient added
  ///     without one has the weight 1. With the weight 0 the gradient is counted and not read, so that a micro-batch
  ///     without tokens, whose mean is NaN, does no harm.
  /// - Throws: ``MomentumError/layoutMismatch(_:)``, ``MomentumError/countMismatch(what:count:expected:)``,
  ///   ``MomentumError/invalidSetting(_:)`` for a weight that is negative or not finite; nothing has been added then.
  /// - Complexity: O(n); reads 2n and writes n elements; for the first gradient reads n and writes n.
  public mutating func add(
    _ gradients: borrowing ParameterVector<Scalar>, weight: Double = 1
  ) throws(MomentumError) {
    try layout.check("gradients", ofVector: gradients.layout)
    try add(UnsafeBufferPointer(start: gradients.base, count: gradients.count), weight: weight)
  }

  /// Adds a gradient in the caller's memory, one flat vector; see ``add(_:weight:)-(ParameterVector<Scalar>,_)``.
  public mutating func add(_ gradients: UnsafeBufferPointer<Scalar>, weight: Double = 1) throws(MomentumError) {
    try check(weight)
    guard gradients.count == layout.count else {
      throw .countMismatch(what: "gradients", count: gradients.count, expected: layout.count)
    }
    let base = gradients.baseAddress.map { UnsafeMutablePointer(mutating: $0) } ?? TensorTable<Scalar>.emptyTensor
    for index in table.entries.indices { table.entries[index].gradient = base + table.entries[index].offset }
    addBound(weight)
  }

  /// Adds a gradient in a span; see ``add(_:weight:)-(ParameterVector<Scalar>,_)``.
  public mutating func add(_ gradients: Span<Scalar>, weight: Double = 1) throws(MomentumError) {
    try gradients.withUnsafeBufferPointer { gradients throws(MomentumError) in try add(gradients, weight: weight) }
  }

  /// Adds a gradient in the caller's memory, one buffer for each tensor; `nil` counts as 0. See
  /// ``add(_:weight:)-(ParameterVector<Scalar>,_)``.
  public mutating func add(
    _ gradients: [UnsafeBufferPointer<Scalar>?], weight: Double = 1
  ) throws(MomentumError) {
    try addList(gradients.count, weight) { gradients[$0] }
  }

  /// Adds a gradient in buffers that the caller may also write, one for each tensor. See
  /// ``add(_:weight:)-(ParameterVector<Scalar>,_)``.
  @_disfavoredOverload  // so that an empty list stays one of read-only buffers
  public mutating func add(
    _ gradients: [UnsafeMutableBufferPointer<Scalar>], weight: Double = 1
  ) throws(MomentumError) {
    try addList(gradients.count, weight) { UnsafeBufferPointer(gradients[$0]) }
  }

  private mutating func addList(
    _ count: Int, _ weight: Double, _ gradient: (Int) -> UnsafeBufferPointer<Scalar>?
  ) throws(MomentumError) {
    try check(weight)
    let tensors = layout.tensors
    guard count == tensors.count else {
      throw .countMismatch(what: "list of gradients", count: count, expected: tensors.count)
    }
    for (index, tensor) in tensors.enumerated() {
      guard let gradient = gradient(index), gradient.count != tensor.count else { continue }
      throw .countMismatch(
        what: "gradient of tensor '\(tensor.name)'", count: gradient.count, expected: tensor.count)
    }
    let placeholder = TensorTable<Scalar>.emptyTensor
    for index in tensors.indices {
      table.entries[index].gradient = gradient(index).map {
        UnsafeMutablePointer(mutating: $0.baseAddress) ?? placeholder
      }
    }
    addBound(weight)
  }

  /// Adds everything that another accumulator has got, of another thread for example.
  ///
  ///     Σ ← Σ + Σ′;   Σw ← Σw + Σw′;   count ← count + count′
  ///
  /// The other sum enters as one gradient of weight 1, so that a step has the mean or the sum of the gradients of both.
  /// Where the other has one gradient of weight 1, or this one is empty, the bits are those of an accumulator that got
  /// all gradients itself, in this order. In general they are not, because additions are in another order: `(a + b) +
  /// (c + d)` instead of `((a + b) + c) + d`. Merging the same sums in the same order always gives the same bits, for
  /// any number of threads.
  ///
  /// - Parameter other: Stays as it is; call its ``reset()`` before it is used again.
  /// - Throws: ``MomentumError/layoutMismatch(_:)``, ``MomentumError/countMismatch(what:count:expected:)``, and
  ///   ``MomentumError/invalidSetting(_:)`` for another ``reduction``; nothing has been added then.
  /// - Complexity: O(n); reads 2n and writes n elements; into an empty sum reads n and writes n.
  public mutating func merge(_ other: borrowing GradientAccumulator<Scalar>) throws(MomentumError) {
    _ = try Machine.threads(threads)
    try layout.check("merged gradients", ofTensors: other.layout)
    guard other.reduction == reduction else {
      throw .invalidSetting(
        name: "reduction of the merged gradients", value: other.reduction.rawValue,
        expected: "\(reduction.rawValue), as of those that they are added to")
    }
    count += other.count
    guard other.weights.inUnits > 0 else { return }
    for index in table.entries.indices { table.entries[index].gradient = other.sum(ofTensor: index) }
    let (added, own) = weights.merge(other.weights)
    let call = EngineCall.begin()
    defer { call.end() }
    run(factor: ScaledDouble(1, exponent: added), rescale: own)
  }

  /// Starts a new, empty sum.
  public mutating func reset() {
    (count, weights) = (0, WeightSum())
    for index in isSet.indices { isSet[index] = false }
  }

  /// Calls `body` with the sum of the gradients of one tensor, `nil` if it has had none. The buffer is valid during the
  /// call only, and holds the sum divided by ``sumScale``.
  ///
  /// - Throws: The error that `body` throws.
  public borrowing func withUnsafeSum<R, E: Error>(
    ofTensor index: Int, _ body: (UnsafeBufferPointer<Scalar>?) throws(E) -> R
  ) throws(E) -> R {
    let tensor = layout.tensors[index]
    guard isSet[index] else { return try body(nil) }
    return try body(UnsafeBufferPointer(start: memory.base + tensor.offset, count: tensor.count))
  }

  func check(_ weight: Double) throws(MomentumError) {
    _ = try Machine.threads(threads)
    guard weight >= 0, weight.isFinite else {
      throw .invalidSetting(name: "weight of a gradient", value: weight, expected: .finiteAtLeast(0))
    }
  }

  mutating func addBound(_ weight: Double) {
    let call = EngineCall.begin()
    defer { call.end() }
    addInDefaultEnvironment(weight)
  }

  // Not inlined: the compiler may move arithmetic of this function, but not the call of one.
  @inline(never)
  private mutating func addInDefaultEnvironment(_ weight: Double) {
    count += 1
    guard weight > 0 else { return }
    let (factor, rescale) = weights.add(ScaledDouble(weight))
    run(factor: factor, rescale: rescale)
  }

  /// Adds the bound gradient times a factor, after the sum has been multiplied by a power of two.
  @inline(never)
  private mutating func run(factor: ScaledDouble, rescale: Int) {
    for index in table.entries.indices {
      // The first gradient is copied, later ones are added; program 0 copies, program 1 adds.
      setIfChanged(&table.entry(index).pointee.program, to: isSet[index] ? 1 : 0)
      if table.entries[index].gradient != nil { isSet[index] = true }
    }
    let (table, measure) = (table, algorithm == .blas ? TileMeasure.squares : .portableSquares)
    let pass = AccumulatePass<Scalar>(factor: RoundedFactor(factor), rescale: rescale, measure: measure)
    let team = ThreadTeam(threads, elements: layout.count)
    team.run { thread in pass.run(table, team.share(of: thread, count: table.count)) }
  }

  /// Checks that a step of an optimizer with a layout can take the sum.
  func checkStep(of layout: ParameterLayout) throws(MomentumError) {
    try layout.check("accumulated gradients", ofTensors: self.layout)
    guard count > 0 else {
      throw .invalidSetting(
        InvalidSetting(
          "number of accumulated gradients", value: .count(0), expected: .words("at least 1, added before the step")))
    }
    guard weights.inUnits > 0 else {
      throw .invalidSetting(name: "total weight of the accumulated gradients", value: 0.0, expected: .positive)
    }
  }

  /// The number that the sum in memory is divided by for a step: for the mean the sum of the weights, in the unit of the
  /// sum; for the sum that unit alone.
  var divisor: ScaledDouble {
    reduction == .mean ? ScaledDouble(weights.inUnits) : ScaledDouble(1) / weights.scale
  }

  /// The address of the sum of a tensor, `nil` if nothing has been added to it.
  func sum(ofTensor index: Int) -> UnsafeMutablePointer<Scalar>? {
    isSet[index] ? memory.base + layout.tensors[index].offset : nil
  }
}
