/// A ``StepProgram`` with its factors rounded to the element type: what the update pass interprets.
///
/// Its operations lie in the scratch memory of a thread: a value of its size would be copied more than once a step.
struct LoweredProgram<Scalar: BLASScalar> {
  enum Kind: UInt8 {
    case axpy, multiplyAdd, scal, multiply, copy, clearNonFinite, clamp, scaleClippingUnits, scaleRuleUnits
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
  }

  private let storage: UnsafeMutablePointer<Operation>
  private(set) var count = 0
  private(set) var writes = OperandSet()
  private(set) var reads = OperandSet()

  /// The memory that ``init(storage:)`` asks for.
  static var byteCount: Int { StepProgram.capacity * MemoryLayout<Operation>.stride }

  /// A program that does nothing.
  init(storage: UnsafeMutableRawPointer) {
    self.storage = storage.bindMemory(to: Operation.self, capacity: StepProgram.capacity)
  }

  /// Replaces the operations.
  mutating func load(_ program: UnsafePointer<StepProgram>) {
    (count, reads, writes) = (0, OperandSet(), OperandSet())
    for position in 0..<program.pointee.count {
      guard let operation = Self.lower(program.pointee[position]) else { continue }
      (storage + count).initialize(to: operation)
      count += 1
      reads.insert(operation.from)
      reads.insert(operation.into)
      writes.insert(operation.into)
    }
  }

  @inline(__always)
  subscript(position: Int) -> Operation {
    @inline(__always) _read { yield storage[position] }
  }

  private static func lower(_ operation: StepOperation) -> Operation? {
    switch operation {
    case .axpy(let factor, let from, let into):
      let (value, prescale) = round(factor)
      // Some BLAS libraries return at once for the factor 0; NaN in `from` would be lost.
      let kind: Kind = value == 0 || !value.isFinite ? .multiplyAdd : .axpy
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
}
