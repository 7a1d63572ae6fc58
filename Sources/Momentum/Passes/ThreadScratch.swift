/// The private memory of one thread during a pass.
struct ThreadScratch<Scalar: BLASScalar> {
  /// The result of the thread, a count, in a cache line of its own.
  let count: UnsafeMutablePointer<Int>
  /// The number of elements in half precision that the thread has written and that exceeded their type, and of those that
  /// rounding has given back the bits that they had.
  var overflowed: UnsafeMutablePointer<Int> { count + 1 }
  var lost: UnsafeMutablePointer<Int> { count + 2 }
  /// The number of elements of tensors in half precision whose program the thread has run tile by tile, not as one loop.
  var tiled: UnsafeMutablePointer<Int> { count + 3 }
  /// The memory for the operations of a ``TileProgram``.
  let operations: UnsafeMutableRawPointer
  /// The tile of the gradient that operations on it write for those after them; a reduce pass copies or changes tiles
  /// here.
  let gradientTile: UnsafeMutablePointer<Scalar>
  /// The tile of ``Operand/copy``.
  var copyTile: UnsafeMutablePointer<Scalar> { gradientTile + Tile.count }
  /// The tile for an operand that is first multiplied by a power of two.
  var scaledTile: UnsafeMutablePointer<Scalar> { gradientTile + 2 * Tile.count }
  /// A granule for the end of each operand that is a vector in memory.
  var ends: UnsafeMutablePointer<Scalar> { gradientTile + 3 * Tile.count }

  /// The tiles of a gradient, of parameters and of a direction that are widened from half precision.
  var wideGradient: UnsafeMutablePointer<Scalar> { ends + Operand.vectorCount * BLASTraits.granule }
  var wideParameters: UnsafeMutablePointer<Scalar> { wideGradient + Tile.count }
  var wideDirection: UnsafeMutablePointer<Scalar> { wideGradient + 2 * Tile.count }

  private static var elementCount: Int { 6 * Tile.count + Operand.vectorCount * BLASTraits.granule }
  private static var operationsOffset: Int { 64 }
  private static var elementsOffset: Int { operationsOffset + (TileProgram<Scalar>.byteCount + 63) & -64 }
  // One more cache line, so that the next thread's memory begins at least two lines after the last one that this thread
  // reads.
  static var byteCount: Int { elementsOffset + elementCount * MemoryLayout<Scalar>.stride + 64 }

  /// The memory of a thread, in ``TensorTable/scratch(threads:)``.
  @inline(__always)
  init(_ memory: UnsafeMutableRawPointer, thread: Int) {
    let part = memory + thread * Self.byteCount
    count = part.bindMemory(to: Int.self, capacity: 4)
    operations = part + Self.operationsOffset
    gradientTile = (part + Self.elementsOffset).bindMemory(to: Scalar.self, capacity: Self.elementCount)
  }
}
