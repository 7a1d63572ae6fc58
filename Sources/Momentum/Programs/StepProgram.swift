/// The operations of one step on each tile, as a list of BLAS calls over named operands.
///
/// An ``UpdateRule`` compiles its hyper-parameters into a program; the engine runs any program over any tensors with
/// any number of threads. So a new rule needs neither a change in the engine nor a new kernel. Factors are
/// ``ScaledDouble``s. The engine rounds each once to the element type; a factor that the element type cannot hold is
/// applied as a power of two and a remainder.
public struct StepProgram: Sendable {
  /// The fixed capacity of a program, so that a step allocates nothing: more than any rule of this library needs with
  /// every clip and averaging, so that no run of theirs stops in the middle.
  static let capacity = 24

  /// An operation in the form that the engine reads: all kinds have the same fields, so that no enum payload has to be
  /// unpacked.
  struct Instruction: Equatable {
    enum Kind: UInt8 {
      case axpy, scal, copy, sign, averageSquares, divideByRoot, transform, clearNonFinite, clamp, scaleClippingUnits,
        scaleRuleUnits

      /// The bit of the kind in a set.
      @inline(__always)
      var bit: UInt32 { 1 &<< UInt32(rawValue) }
    }

    let kind: Kind
    let from: Operand
    let into: Operand
    /// The operation as loops know it, found from the fields above; 0 for one that no loop has.
    let code: UInt8
    /// The factor, the lower bound of a clamp, or the epsilon beside a root.
    let factor: ScaledDouble
    /// The upper bound of a clamp, or the decay of an average of squares.
    let upper: Double
  }

  /// The first operations of a program: how many, and their kinds as a set of bits.
  struct Part: Equatable {
    var count = 0
    var kinds: UInt32 = 0
  }

  private var storage = InlineArray<24, Instruction>(
    repeating: Instruction(kind: .copy, from: .gradient, into: .gradient))
  /// The number of operations.
  public private(set) var count = 0

  /// A program that does nothing.
  public init() {}

  /// Whether a direction is multiplied by powers of two only, which rounds nothing: where it has few digits.
  var keepsDigitsOfDirection = false

  /// Whether an operation was appended for which there was no room.
  private(set) var isTruncated = false

  /// The operands that operations read, those that they change among them, and those that they change.
  private(set) var (reads, writes) = (OperandSet(), OperandSet())
  /// The kinds of the operations that were appended since ``beginRule()``, as a set of bits.
  private(set) var ruleKinds: UInt32 = 0
  /// What there was before.
  private(set) var beforeRule = Part()
  /// The program as loops know it, if each of its operations is one that loops have.
  private(set) var signature: ProgramSignature? = ProgramSignature()

  /// Adds an operation at the end.
  ///
  /// A program holds 24 operations, those of clipping and averaging included. Whatever is appended after that is left
  /// out, and the step refuses the program (``MomentumError/invalidProgram(tensor:operation:fault:)``).
  @inline(__always)
  public mutating func append(_ operation: StepOperation) {
    guard count < Self.capacity else {
      isTruncated = true
      return
    }
    let instruction = Instruction(operation)
    storage[count] = instruction
    reads.insert(instruction.from)
    reads.insert(instruction.into)
    writes.insert(instruction.into)
    ruleKinds |= instruction.kind.bit
    if instruction.code != 0, count < ProgramSignature.longest {
      signature?.set(instruction.code, at: count)
    } else {
      signature = nil
    }
    count &+= 1
  }

  /// Removes all operations.
  @inline(__always)
  mutating func removeAll() {
    (count, isTruncated, keepsDigitsOfDirection) = (0, false, false)
    (reads, writes, ruleKinds, signature) = (OperandSet(), OperandSet(), 0, ProgramSignature())
    beforeRule = Part()
  }

  /// Counts the operations from here on as those of a rule.
  ///
  /// - Returns: ``beforeRule``. A program that the rule puts in the place of this one has another, or none.
  @inline(__always)
  mutating func beginRule() -> Part {
    (beforeRule, ruleKinds) = (Part(count: count, kinds: ruleKinds), 0)
    return beforeRule
  }

  /// The operation at a position in `0..<count`.
  public subscript(position: Int) -> StepOperation { storage[position].operation }

  /// As the subscript, for the engine.
  @inline(__always)
  func instruction(at position: Int) -> Instruction { storage[position] }

  /// All operations in order.
  public var operations: [StepOperation] { (0..<count).map { self[$0] } }
}

extension StepProgram: Equatable {
  public static func == (x: StepProgram, y: StepProgram) -> Bool {
    guard x.count == y.count else { return false }
    for i in 0..<x.count where x.storage[i] != y.storage[i] { return false }
    return true
  }
}

extension StepProgram: CustomStringConvertible {
  /// The operations in order and the memory traffic for each parameter, for example
  /// `direction += 0.5 * gradient; parameters += -0.1 * direction (reads 3, writes 2)`.
  public var description: String {
    count == 0 ? "no operation" : "\(operations.map(\.description).joined(separator: "; ")) (\(traffic))"
  }
}
