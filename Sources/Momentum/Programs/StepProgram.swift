/// The vectors that a step works on.
public enum Operand: UInt8, Sendable, Hashable, CaseIterable {
  /// The gradient. A step only reads it; clipping in place is the one program that writes it.
  case gradient
  /// The velocity divided by its scale (see ``UpdateRule``).
  case direction
  /// The parameters.
  case parameters
  /// The averaged parameters divided by their scale (see ``WeightAveraging``).
  case average
  /// One tile of scratch memory of each thread: never moved to or from main memory.
  case copy
}

/// One operation of a ``StepProgram``, on one tile.
public enum StepOperation: Sendable, Hashable {
  /// `into ← factor·from + into` (`cblas_?axpy`).
  case axpy(factor: ScaledDouble, from: Operand, into: Operand)
  /// `vector ← factor·vector` (`cblas_?scal`).
  case scal(factor: ScaledDouble, Operand)
  /// `into ← from` (`cblas_?copy`).
  case copy(from: Operand, into: Operand)
  /// Replaces NaN and infinite elements of the gradient by 0. Unless `inPlace`, what follows sees a scratch copy.
  case clearNonFinite(inPlace: Bool)
  /// Moves the elements of the gradient to the nearest bound. Unless `inPlace`, what follows sees a scratch copy.
  case clamp(lower: Double, upper: Double, inPlace: Bool)
  /// Multiplies the gradient of each unit with its factor, which the engine keeps. Unless `inPlace`, what follows sees a
  /// scratch copy. Appended by the engine only.
  case scaleUnits(UnitScaling, inPlace: Bool)
}

/// Who multiplies units of a gradient with factors of their own.
public enum UnitScaling: UInt8, Sendable, Hashable {
  /// ``GradientClipping/normUnits``.
  case clipping
  /// ``UpdateRule/unitFactor(gradientNorm:parameterNorm:)``.
  case rule
}

/// What one step does to each tile, as a list of BLAS calls over named operands.
///
/// An ``UpdateRule`` compiles its hyper-parameters into a program; the engine runs any program over any tensors with any
/// number of threads. A rule needs no change in the engine, nor a new kernel in the rules. Factors are `Double`s with room
/// to spare; the engine rounds each once to the element type, and applies one that the element type cannot hold as a
/// power of two and a remainder.
public struct StepProgram: Sendable {
  /// Programs have a fixed capacity so that a step allocates nothing.
  static let capacity = 16

  /// An operation the way the engine reads it: the same fields for all kinds, so that nothing has to be taken apart.
  struct Instruction: Equatable {
    enum Kind: UInt8 {
      case axpy, scal, copy, clearNonFinite, clamp, scaleClippingUnits, scaleRuleUnits
    }

    var kind: Kind
    var from: Operand
    var into: Operand
    /// The factor, or the lower bound of a clamp.
    var factor = ScaledDouble(1)
    /// The upper bound of a clamp.
    var upper = 0.0
  }

  private var storage = InlineArray<16, Instruction>(
    repeating: Instruction(kind: .copy, from: .gradient, into: .gradient))
  /// The number of operations.
  public private(set) var count = 0

  /// A program that does nothing.
  public init() {}

  /// Adds an operation at the end.
  ///
  /// - Precondition: The program has fewer than 16 operations.
  @inline(__always)
  public mutating func append(_ operation: StepOperation) {
    precondition(count < Self.capacity, "a step program holds at most \(Self.capacity) operations")
    storage[count] = Instruction(operation)
    count &+= 1
  }

  /// Removes all operations.
  mutating func removeAll() { count = 0 }

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

extension StepProgram.Instruction {
  @inline(__always)
  init(_ operation: StepOperation) {
    switch operation {
    case .axpy(let factor, let from, let into): self.init(kind: .axpy, from: from, into: into, factor: factor)
    case .scal(let factor, let vector): self.init(kind: .scal, from: vector, into: vector, factor: factor)
    case .copy(let from, let into): self.init(kind: .copy, from: from, into: into)
    case .clearNonFinite(let inPlace): self.init(kind: .clearNonFinite, from: .gradient, into: Self.target(inPlace))
    case .clamp(let lower, let upper, let inPlace):
      self.init(
        kind: .clamp, from: .gradient, into: Self.target(inPlace), factor: ScaledDouble(lower), upper: upper)
    case .scaleUnits(let scaling, let inPlace):
      self.init(
        kind: scaling == .clipping ? .scaleClippingUnits : .scaleRuleUnits, from: .gradient,
        into: Self.target(inPlace))
    }
  }

  private static func target(_ inPlace: Bool) -> Operand { inPlace ? .gradient : .copy }

  var operation: StepOperation {
    let inPlace = into == .gradient
    return switch kind {
    case .axpy: .axpy(factor: factor, from: from, into: into)
    case .scal: .scal(factor: factor, into)
    case .copy: .copy(from: from, into: into)
    case .clearNonFinite: .clearNonFinite(inPlace: inPlace)
    case .clamp: .clamp(lower: factor.double, upper: upper, inPlace: inPlace)
    case .scaleClippingUnits: .scaleUnits(.clipping, inPlace: inPlace)
    case .scaleRuleUnits: .scaleUnits(.rule, inPlace: inPlace)
    }
  }
}

// MARK: - Traffic

/// Elements moved to and from main memory for each parameter. A tile stays in cache while its program runs, so an operand
/// counts once for reading and once for writing however often the program uses it.
public struct MemoryTraffic: Sendable, Hashable {
  /// Elements read for each parameter.
  public var reads: Int
  /// Elements written for each parameter.
  public var writes: Int
  /// Both together, in elements for each parameter.
  public var words: Int { reads + writes }
}

extension StepProgram {
  /// What the program moves for each parameter.
  public var traffic: MemoryTraffic {
    var (read, written): (Set<Operand>, Set<Operand>) = ([], [])
    for operation in operations {
      switch operation {
      case .axpy(_, let from, let into):
        read.formUnion([from, into])
        written.insert(into)
      case .scal(_, let vector):
        read.insert(vector)
        written.insert(vector)
      case .copy(let from, let into):
        read.insert(from)
        written.insert(into)
      case .clearNonFinite(let inPlace), .clamp(_, _, let inPlace), .scaleUnits(_, let inPlace):
        read.insert(.gradient)
        if inPlace { written.insert(.gradient) }
      }
    }
    read.remove(.copy)
    written.remove(.copy)
    return MemoryTraffic(reads: read.count, writes: written.count)
  }
}
