/// A ``StepProgram`` with its factors rounded to the element type, which the update pass interprets.
///
/// The operations lie in scratch memory of a thread. Stored in this value, they would be copied more than once a step.
///
/// A program says what happens to a tile, not how: ``BLASExecution`` runs it as BLAS calls, a ``FusedLoop`` as one loop.
struct TileProgram<Scalar: BLASScalar> {
  enum Kind: UInt8 {
    /// A BLAS call with an ordinary factor: the usual operation.
    case axpy
    /// Any other multiple of one vector added to another.
    case multiplyAdd
    case scal, multiply, copy, sign, averageSquares, divideByRoot, clearNonFinite, clamp, scaleClippingUnits,
      scaleRuleUnits
  }

  struct Operation {
    var kind: Kind
    var from: Operand
    var into: Operand
    /// The factor, the lower bound of a clamp, or the epsilon beside a root.
    var factor: Scalar
    /// The upper bound of a clamp, or the decay of an average of squares.
    var upper: Scalar
    /// The power of two by which `from` is multiplied first if the element type cannot hold the whole factor;
    /// otherwise 0.
    var prescale: Int
    /// The places of the two vectors in the run that the program is bound to.
    var source = OperandPlace<Scalar>(), target = OperandPlace<Scalar>()
  }

  private let storage: UnsafeMutablePointer<Operation>
  private(set) var count = 0
  private(set) var writes = OperandSet()
  private(set) var reads = OperandSet()
  /// Whether an operation multiplies each unit by a factor of its own. Such a program cannot treat adjacent tensors as
  /// one vector.
  private(set) var scalesUnits = false
  /// The number of elements that the program runs on at a time: see ``tileCount(of:cacheBytes:)``.
  private(set) var tileCount = 0

  /// The program's number among those of loops, if it is to run as one, and the factors in the form that loops read.
  private(set) var signature: ProgramSignature?
  let factors: UnsafeMutablePointer<Scalar>
  /// The loop that runs the whole program on vectors of `Scalar`s.
  private(set) var loop: ProgramLoop<Scalar>?

  private static var operationBytes: Int { StepProgram.capacity * MemoryLayout<Operation>.stride }
  /// The size of the memory that ``init(storage:)`` needs.
  static var byteCount: Int { operationBytes + ProgramLoop<Scalar>.factorCount * MemoryLayout<Scalar>.stride }

  /// A program that does nothing.
  init(storage: UnsafeMutableRawPointer) {
    self.storage = storage.bindMemory(to: Operation.self, capacity: StepProgram.capacity)
    factors = (storage + Self.operationBytes)
      .bindMemory(to: Scalar.self, capacity: ProgramLoop<Scalar>.factorCount)
  }

  /// Replaces the operations.
  ///
  /// - Parameters:
  ///   - cacheBytes: The size of the cache that a tile's vectors should share.
  ///   - kernels: The way to run it.
  ///   - speculates: Whether the step takes one pass, so that a ``SpeculativeLoop`` is to run it if there is one.
  @inline(__always)
  mutating func load(
    _ program: UnsafePointer<StepProgram>, cacheBytes: Int, _ kernels: StepKernels, speculates: Bool = false
  ) {
    (count, reads, writes) = (program.pointee.count, program.pointee.reads, program.pointee.writes)
    (scalesUnits, loop) = (false, nil)
    signature = kernels.prefersLoops ? program.signature(writing: factors) : nil
    if let signature, let plain = FusedLoop<Scalar>(signature) {
      let speculative = speculates ? SpeculativeLoop<Scalar>(signature) : nil
      if kernels.takesLoop(of: program, cacheBytes: cacheBytes, canSpeculate: speculative != nil) {
        loop = ProgramLoop(plain, speculative: speculative, factors)
      }
    }
    if loop == nil { lower(program) }
    tileCount = Self.tileCount(of: reads.union(writes).count, cacheBytes: cacheBytes)
  }

  /// Writes the operations as BLAS calls, each with its factor rounded.
  @inline(never)
  private mutating func lower(_ program: UnsafePointer<StepProgram>) {
    (count, reads, writes) = (0, OperandSet(), OperandSet())
    for position in 0..<program.pointee.count {
      let instruction = program.pointee.instruction(at: position)
      guard Self.lower(instruction, into: storage + count) else { continue }
      count &+= 1
      reads.insert(instruction.from)
      reads.insert(instruction.into)
      writes.insert(instruction.into)
      if instruction.kind == .scaleClippingUnits || instruction.kind == .scaleRuleUnits { scalesUnits = true }
    }
  }

  /// The number of elements that an update runs on at a time. It is chosen so that the elements of all vectors fill
  /// half of a cache; the other half is room for data that the processor fetches ahead. A power of two, so that tiles
  /// end where the engine's tiles do: with three vectors of `Float`s, 1024 in 32 KiB and 2048 in 48 KiB.
  ///
  /// An element's bits depend only on its own values, so any number gives the same result.
  static func tileCount(of vectors: Int, cacheBytes: Int) -> Int {
    guard cacheBytes < .max else { return Tile.count }
    let fitting = cacheBytes / 2 / (max(vectors, 1) * MemoryLayout<Scalar>.stride)
    let power = fitting > 0 ? 1 << (Int.bitWidth - 1 - fitting.leadingZeroBitCount) : 1
    return max(256, min(power, Tile.count))
  }

  /// Binds every operation to the places of its vectors.
  ///
  /// - Parameters:
  ///   - places: The places of a run of elements.
  ///   - gradientCopy: The tile in which operations on the gradient leave a copy for those after them.
  ///   - copy: The tile of ``Operand/copy``.
  @inline(__always)
  func bind(
    _ places: OperandPlaces<Scalar>, gradientCopy: UnsafeMutablePointer<Scalar>, copy: UnsafeMutablePointer<Scalar>
  ) {
    var places = places
    places.setScratch(.copy, copy)
    for position in 0..<count {
      let operation = storage + position
      operation.pointee.source = places[operation.pointee.from]
      switch operation.pointee.kind {
      case .axpy, .multiplyAdd, .scal, .multiply, .copy, .sign, .averageSquares, .divideByRoot:
        operation.pointee.target = places[operation.pointee.into]
      case .clearNonFinite, .clamp, .scaleClippingUnits, .scaleRuleUnits:
        // From here on the gradient is the scratch copy that this operation leaves.
        if operation.pointee.into == .copy { places.setScratch(.gradient, gradientCopy) }
        operation.pointee.target = places[.gradient]
      }
    }
  }

  /// The address of the operations; not copies, because copying an operation takes as long as a short BLAS call.
  var operations: UnsafePointer<Operation> { UnsafePointer(storage) }

  /// Writes an operation with its factor rounded, unless it changes nothing.
  @inline(__always)
  private static func lower(_ instruction: StepProgram.Instruction, into operation: UnsafeMutablePointer<Operation>)
    -> Bool
  {
    var (kind, upper) = (Kind.copy, Scalar(0))
    let rounded = RoundedFactor<Scalar>(instruction.factor)
    var (value, prescale) = (rounded.value, rounded.prescale)
    switch instruction.kind {
    case .axpy:
      // Some BLAS libraries return at once for the factor 0, and so would lose a NaN in `from`.
      kind = value.isNormal && prescale == 0 ? .axpy : .multiplyAdd
    case .scal:
      if value == 1, prescale == 0 { return false }
      // The result of scal by 0 or NaN depends on the library's version.
      kind = value == 0 || !value.isFinite ? .multiply : .scal
    case .copy: kind = .copy
    case .sign: kind = .sign
    case .transform: return false  // of whole tensors, between programs
    case .averageSquares: (kind, upper) = (.averageSquares, Scalar(instruction.upper))
    case .divideByRoot: (kind, value, prescale) = (.divideByRoot, Scalar(instruction.factor.double), 0)
    case .clearNonFinite: kind = .clearNonFinite
    case .clamp:
      (kind, value, prescale, upper) = (.clamp, Scalar(instruction.factor.double), 0, Scalar(instruction.upper))
    case .scaleClippingUnits: kind = .scaleClippingUnits
    case .scaleRuleUnits: kind = .scaleRuleUnits
    }
    operation.initialize(
      to: Operation(
        kind: kind, from: instruction.from, into: instruction.into, factor: value, upper: upper, prescale: prescale))
    return true
  }
}
