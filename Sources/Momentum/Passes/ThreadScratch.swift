/// The memory that a thread has to itself during a pass.
struct ThreadScratch<Scalar: BLASScalar> {
  /// A number that the thread leaves behind, in a cache line of its own.
  let count: UnsafeMutablePointer<Int>
  /// Where a ``TileProgram`` keeps its operations.
  let operations: UnsafeMutableRawPointer
  /// What operations on the gradient leave for those after them; a reduce pass copies or changes tiles here.
  let gradientTile: UnsafeMutablePointer<Scalar>
  /// ``Operand/copy``.
  var copyTile: UnsafeMutablePointer<Scalar> { gradientTile + Tile.count }
  /// What an operation multiplies by a power of two first.
  var scaledTile: UnsafeMutablePointer<Scalar> { gradientTile + 2 * Tile.count }
  /// A granule for the end of each operand that is a vector.
  var ends: UnsafeMutablePointer<Scalar> { gradientTile + 3 * Tile.count }

  private static var elementCount: Int { 3 * Tile.count + Operand.vectorCount * BLASTraits.granule }
  private static var operationsOffset: Int { 64 }
  private static var elementsOffset: Int { operationsOffset + (TileProgram<Scalar>.byteCount + 63) & -64 }
  // One more line: the next thread's memory begins at least two lines after what this one reads.
  static var byteCount: Int { elementsOffset + elementCount * MemoryLayout<Scalar>.stride + 64 }

  /// The part of a thread in ``TensorTable/scratch(threads:)``.
  @inline(__always)
  init(_ memory: UnsafeMutableRawPointer, thread: Int) {
    let part = memory + thread * Self.byteCount
    count = part.bindMemory(to: Int.self, capacity: 1)
    operations = part + Self.operationsOffset
    gradientTile = (part + Self.elementsOffset).bindMemory(to: Scalar.self, capacity: Self.elementCount)
  }
}
