/// A ``StepProgram`` with its factors rounded to the element type: what the update pass interprets.
///
/// The operations lie in scratch memory of a thread. As part of this value they would be copied more than once a step.
///
/// A program says what happens to a tile, not how: ``BLASExecution`` runs it as BLAS calls.
struct TileProgram<Scalar: BLASScalar> {
  enum Kind: UInt8 {
    /// A call of BLAS with a factor that it takes: what most operations are.
    case axpy
    /// Any other multiple of one vector added to another.
    case multiplyAdd
    case scal, multiply, copy, clearNonFinite, clamp, scaleClippingUnits, scaleRuleUnits
  }

  struct Operation {
    var kind: Kind
    var from: Operand
    var into: Operand
    /// The factor, or the lower bound of a clamp.
    var factor: Scalar
    /// The upper bound of a clamp.
    var upper: Scalar
    /// `from` is first multiplied by this power of two, because the element type cannot hold the whole factor.
    var prescale: Int
    /// Where the two vectors lie in the run that the program is bound to.
    var source = OperandPlace<Scalar>(), target = OperandPlace<Scalar>()
  }

  private let storage: UnsafeMutablePointer<Operation>
  private(set) var count = 0
  private(set) var writes = OperandSet()
  private(set) var reads = OperandSet()
  /// Whether elements of different tensors, or parts of one, are multiplied with different factors.
  private(set) var scalesUnits = false
  /// How many elements the program runs on at a time: see ``tileCount(of:cacheBytes:)``.
  private(set) var tileCount = 0

  /// The memory that ``init(storage:)`` asks for.
  static var byteCount: Int { StepProgram.capacity * MemoryLayout<Operation>.stride }

  /// A program that does nothing.
  init(storage: UnsafeMutableRawPointer) {
    self.storage = storage.bindMemory(to: Operation.self, capacity: StepProgram.capacity)
  }

  /// Replaces the operations.
  ///
  /// - Parameter cacheBytes: The size of the cache that a tile's vectors should share.
  @inline(__always)
  mutating func load(_ program: UnsafePointer<StepProgram>, cacheBytes: Int) {
    (count, reads, writes, scalesUnits) = (0, OperandSet(), OperandSet(), false)
    for position in 0..<program.pointee.count {
      let instruction = program.pointee.instruction(at: position)
      guard Self.lower(instruction, into: storage + count) else { continue }
      count &+= 1
      reads.insert(instruction.from)
      reads.insert(instruction.into)
      writes.insert(instruction.into)
      if instruction.kind == .scaleClippingUnits || instruction.kind == .scaleRuleUnits { scalesUnits = true }
    }
    tileCount = Self.tileCount(of: reads.union(writes).count, cacheBytes: cacheBytes)
  }

  /// How many elements an update runs on at a time: so many that those of all its vectors fill half of a cache, which leaves
  /// room for what the processor fetches ahead. A power of two, so that tiles end where the engine's do; 1024 `Float`s of
  /// three vectors in 32 KiB, 2048 in 48 KiB.
  ///
  /// An element's bits depend on its own values only, so any number gives the same result.
  static func tileCount(of vectors: Int, cacheBytes: Int) -> Int {
    guard cacheBytes < .max else { return Tile.count }
    let fitting = cacheBytes / 2 / (max(vectors, 1) * MemoryLayout<Scalar>.stride)
    let power = fitting > 0 ? 1 << (Int.bitWidth - 1 - fitting.leadingZeroBitCount) : 1
    return max(256, min(power, Tile.count))
  }

  /// Tells every operation where its vectors lie.
  ///
  /// - Parameters:
  ///   - places: Those of a run of elements.
  ///   - gradientCopy: Where operations on the gradient leave a copy for those after them.
  ///   - copy: Where ``Operand/copy`` lies.
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
      case .axpy, .multiplyAdd, .scal, .multiply, .copy:
        operation.pointee.target = places[operation.pointee.into]
      case .clearNonFinite, .clamp, .scaleClippingUnits, .scaleRuleUnits:
        // From here on the gradient is the scratch copy that this operation leaves.
        if operation.pointee.into == .copy { places.setScratch(.gradient, gradientCopy) }
        operation.pointee.target = places[.gradient]
      }
    }
  }

  /// The operations, for whoever runs them: by address, because a copy of one takes as long as a short call of BLAS.
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
      // Some BLAS libraries return at once for the factor 0; NaN in `from` would be lost.
      kind = value.isNormal && prescale == 0 ? .axpy : .multiplyAdd
    case .scal:
      if value == 1, prescale == 0 { return false }
      // What scal by 0 or NaN writes depends on the library's version.
      kind = value == 0 || !value.isFinite ? .multiply : .scal
    case .copy: kind = .copy
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
