/// The addresses of a program's operands, and how each operand is stored: as a vector in memory, or as one tile of
/// scratch memory.
struct OperandPlaces<Scalar: BLASScalar> {
  typealias Pointer = UnsafeMutablePointer<Scalar>

  private var bases = InlineArray<7, Pointer?>(repeating: nil)
  private var scratch = OperandSet()

  init() {}

  @inline(__always)
  init(
    gradient: Pointer?, direction: Pointer?, parameters: Pointer?, average: Pointer?, secondMoment: Pointer? = nil
  ) {
    bases = [gradient, direction, parameters, average, secondMoment, nil, nil]
  }

  /// The address of an operand's first element, or of its scratch tile.
  @inline(__always)
  subscript(base operand: Operand) -> Pointer? {
    get { bases[Int(operand.rawValue)] }
    set { bases[Int(operand.rawValue)] = newValue }
  }

  /// Makes an operand a tile of scratch memory.
  @inline(__always)
  mutating func setScratch(_ operand: Operand, _ tile: Pointer) {
    self[base: operand] = tile
    scratch.insert(operand)
  }

  /// The place at which an operation finds an operand.
  @inline(__always)
  subscript(operand: Operand) -> OperandPlace<Scalar> {
    OperandPlace(self[base: operand], isScratch: scratch.contains(operand))
  }

  /// Calls `body` with the addresses of the vectors' elements at a position; of those that a program does not use, whatever
  /// they are.
  @inline(__always)
  func withAddresses<R>(at position: Int, _ body: (UnsafePointer<Pointer?>) -> R) -> R {
    let bytes = UInt(bitPattern: position &* MemoryLayout<Scalar>.stride)
    let addresses: InlineArray<6, Pointer?> = InlineArray { number in
      Pointer(bitPattern: UInt(bitPattern: bases[number]) &+ bytes)
    }
    return withUnsafePointer(to: addresses) {
      $0.withMemoryRebound(to: Pointer?.self, capacity: Operand.vectorCount, body)
    }
  }
}
