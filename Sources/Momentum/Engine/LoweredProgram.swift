/// A ``StepProgram`` with its factors rounded to the element type: what the update pass interprets.
///
/// Its operations lie in the scratch memory of a thread: a value of its size would be copied more than once a step.
struct LoweredProgram<Scalar: BLASScalar> {
  typealias Pointer = UnsafeMutablePointer<Scalar>

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
    var source = Place(), target = Place()
  }

  /// Where a vector begins, and whether a tile of it lies at the tile's position in the run or, in scratch memory, always at the
  /// same address.
  struct Place {
    private var base: Pointer?
    private var mask = 0

    init() {}
    init(run base: Pointer?) { (self.base, mask) = (base, -1) }
    init(scratch base: Pointer) { self.base = base }

    @inline(__always)
    subscript(position: Int) -> Pointer { base.unsafelyUnwrapped + (position & mask) }
  }

  private let storage: UnsafeMutablePointer<Operation>
  private(set) var count = 0
  private(set) var writes = OperandSet()
  private(set) var reads = OperandSet()
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
  mutating func load(_ program: UnsafePointer<StepProgram>, cacheBytes: Int) {
    (count, reads, writes) = (0, OperandSet(), OperandSet())
    for position in 0..<program.pointee.count {
      guard let operation = Self.lower(program.pointee[position]) else { continue }
      (storage + count).initialize(to: operation)
      count += 1
      reads.insert(operation.from)
      reads.insert(operation.into)
      writes.insert(operation.into)
    }
    tileCount = Self.tileCount(of: reads.union(writes).count, cacheBytes: cacheBytes)
  }

  /// How many elements an update runs on at a time: so many that those of all its vectors fill half of a cache, which leaves
  /// room for what the processor fetches ahead. A power of two, so that tiles end where the engine's do; 1024 `Float`s of
  /// three vectors in 32 KiB, 2048 in 48 KiB.
  ///
  /// An element's bits depend on its own values only, so any number gives the same result.
  static func tileCount(of vectors: Int, cacheBytes: Int) -> Int {
    guard cacheBytes < .max else { return Momentum.tileCount }
    let fitting = cacheBytes / 2 / (max(vectors, 1) * MemoryLayout<Scalar>.stride)
    let power = fitting > 0 ? 1 << (Int.bitWidth - 1 - fitting.leadingZeroBitCount) : 1
    return max(256, min(power, Momentum.tileCount))
  }

  /// Tells every operation where its vectors lie.
  ///
  /// - Parameters:
  ///   - gradientCopy: Where operations on the gradient leave a copy for those after them.
  ///   - copy: Where ``Operand/copy`` lies.
  @inline(__always)
  func bind(
    gradient: Pointer?, direction: Pointer?, parameters: Pointer?, average: Pointer?, gradientCopy: Pointer,
    copy: Pointer
  ) {
    var seenGradient = Place(run: gradient)
    @inline(__always)
    func place(_ operand: Operand) -> Place {
      switch operand {
      case .gradient: seenGradient
      case .direction: Place(run: direction)
      case .parameters: Place(run: parameters)
      case .average: Place(run: average)
      case .copy: Place(scratch: copy)
      }
    }
    for position in 0..<count {
      let operation = storage + position
      operation.pointee.source = place(operation.pointee.from)
      switch operation.pointee.kind {
      case .clearNonFinite, .clamp, .scaleClippingUnits, .scaleRuleUnits:
        if operation.pointee.into == .copy { seenGradient = Place(scratch: gradientCopy) }
        operation.pointee.target = seenGradient
      case .axpy, .multiplyAdd, .scal, .multiply, .copy:
        operation.pointee.target = place(operation.pointee.into)
      }
    }
  }

  /// The operations, for whoever runs them: by address, because a copy of one takes as long as a short call of BLAS.
  var operations: UnsafePointer<Operation> { UnsafePointer(storage) }

  private static func lower(_ operation: StepOperation) -> Operation? {
    switch operation {
    case .axpy(let factor, let from, let into):
      let (value, prescale) = round(factor)
      // Some BLAS libraries return at once for the factor 0; NaN in `from` would be lost.
      let kind: Kind = value == 0 || !value.isFinite || prescale != 0 ? .multiplyAdd : .axpy
      return Operation(kind: kind, from: from, into: into, factor: value, upper: 0, prescale: prescale)
    case .scal(let factor, let vector):
      let (value, prescale) = round(factor)
      if value == 1, prescale == 0 { return nil }
      // What scal by 0 or NaN writes depends on the library's version.
      let kind: Kind = value == 0 || !value.isFinite ? .multiply : .scal
      return Operation(kind: kind, from: vector, into: vector, factor: value, upper: 0, prescale: prescale)
    case .copy(let from, let into):
      return Operation(kind: .copy, from: from, into: into, factor: 1, upper: 0, prescale: 0)
    case .clearNonFinite(let inPlace):
      return Operation(
        kind: .clearNonFinite, from: .gradient, into: inPlace ? .gradient : .copy, factor: 0, upper: 0, prescale: 0)
    case .clamp(let lower, let upper, let inPlace):
      return Operation(
        kind: .clamp, from: .gradient, into: inPlace ? .gradient : .copy, factor: Scalar(lower), upper: Scalar(upper),
        prescale: 0)
    case .scaleUnits(let scaling, let inPlace):
      return Operation(
        kind: scaling == .clipping ? .scaleClippingUnits : .scaleRuleUnits, from: .gradient,
        into: inPlace ? .gradient : .copy, factor: 0, upper: 0, prescale: 0)
    }
  }

  /// Rounds a factor once to the element type; out of its normal range, splits a power of two off.
  static func round(_ factor: ScaledDouble) -> (value: Scalar, prescale: Int) {
    let value = Scalar(factor.double)
    if value.isNormal || factor.significand == 0 || !factor.significand.isFinite { return (value, 0) }
    return (Scalar(factor.significand), factor.exponent)
  }
}

/// A few ``Operand``s.
struct OperandSet: Sendable {
  private var bits: UInt8 = 0
  mutating func insert(_ operand: Operand) { bits |= 1 << operand.rawValue }
  func contains(_ operand: Operand) -> Bool { bits & 1 << operand.rawValue != 0 }
  var count: Int { bits.nonzeroBitCount }

  func union(_ other: OperandSet) -> OperandSet {
    var union = self
    union.bits |= other.bits
    return union
  }
}
