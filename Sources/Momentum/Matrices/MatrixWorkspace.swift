internal import Synchronization

/// The memory in which matrices are orthogonalised, made once for the largest of them: for r rows and c columns, r the
/// smaller number, `r·c + 5·r²` elements, for matrices in one tile at most `2·(r·c + r²)` if that is more, and some tiles
/// for each thread.
///
/// Small matrices are worked on one by each thread, so they need this for every thread; see ``isSmall(_:)``.
final class MatrixWorkspace<Scalar: BLASScalar>: @unchecked Sendable {  // threads have own parts
  let threads: Int
  private let elements: OwnedBuffer<Scalar>
  private let measures: OwnedBuffer<MatrixTileMeasure>
  private let largest: Size
  private let largestSmall: Size
  private let scratchSide: Int
  private let squares: Int
  /// The next task of a list, or the next matrix of a wave.
  private let next = Atomic(0)

  /// The numbers of elements and of tiles' measures that matrices need.
  private struct Size {
    var elements = 0
    var measures = 0

    init() {}

    init(_ layout: MatrixLayout, squares: Int) {
      let (r, c) = (layout.shortSide, layout.longSide)
      let (all, square) = (Self.rounded(r * c), Self.rounded(r * r))
      var behind = (squares - 2) * square
      // Where there are more than two squares, the next X of a plain iteration lies in the place of the others.
      if behind > 0, layout.iteratesPlainly { behind = max(behind, all) }
      elements = all + 2 * square + behind
      measures = MatrixTile.number(of: r) * MatrixTile.number(of: c)
    }

    mutating func include(_ other: Size) {
      elements = max(elements, other.elements)
      measures = max(measures, other.measures)
    }

    /// Up to a whole cache line.
    static func rounded(_ count: Int) -> Int { (count + 15) & -16 }
  }

  /// Whether a matrix fits in the cache of one processor. Of such matrices each thread takes one at a time.
  static func isSmall(_ layout: MatrixLayout) -> Bool { layout.shortSide <= 256 && layout.count <= 1 << 18 }

  /// Memory for any of some matrices.
  ///
  /// - Parameter squares: How many of the square matrices of ``GramMemory`` have memory, the first ones: 2 or all 5.
  /// - Throws: ``MomentumError/allocationFailed(bytes:)``.
  init(_ layouts: some Sequence<MatrixLayout>, threads: Int, squares: Int = 5) throws(MomentumError) {
    assert(MatrixTile.count * MatrixTile.side <= BLASTraits.mostUnthreadedProduct)
    var (largest, small, side) = (Size(), Size(), 0)
    for layout in layouts {
      let size = Size(layout, squares: squares)
      largest.include(size)
      if Self.isSmall(layout) { small.include(size) }
      side = max(side, layout.shortSide)
    }
    self.threads = max(threads, 1)
    self.squares = squares
    self.largest = largest
    largestSmall = small
    scratchSide = side
    let parts = max(largest.elements, self.threads * small.elements)
    elements = try OwnedBuffer(count: parts + self.threads * Self.scratchCount(side))
    measures = try OwnedBuffer(count: max(largest.measures, self.threads * small.measures))
  }

  /// Begins another list of tasks.
  func restartCount() { next.store(0, ordering: .relaxed) }

  /// The number of a task that no other thread has taken.
  func takeNext() -> Int { next.wrappingAdd(1, ordering: .relaxed).oldValue }

  /// The number of bytes.
  var byteCount: Int {
    elements.count * MemoryLayout<Scalar>.stride + measures.count * MemoryLayout<MatrixTileMeasure>.stride
  }

  /// A tile, and a column of tiles.
  private static func scratchCount(_ side: Int) -> Int { MatrixTile.count + MatrixTile.side * Size.rounded(side) }

  /// Tiles of one thread's own: one, and behind it up to as many as a column has.
  func scratch(thread: Int) -> UnsafeMutablePointer<Scalar> {
    elements.base + (elements.count - (thread + 1) * Self.scratchCount(scratchSide))
  }

  /// The memory for a matrix that all threads work on, or for one of a thread's own.
  func memory(for layout: MatrixLayout, ofThread thread: Int? = nil) -> GramMemory<Scalar> {
    let size = Size(layout, squares: squares)
    let room = thread == nil ? largest : largestSmall
    precondition(
      size.elements <= room.elements && size.measures <= room.measures && layout.shortSide <= scratchSide,
      "the workspace was made for smaller matrices than \(layout.rows) × \(layout.columns)")
    let base = elements.base + (thread ?? 0) * room.elements
    let (r, c) = (layout.shortSide, layout.longSide)
    let (tileCount, squareCount) = (Size.rounded(r * c), Size.rounded(r * r))
    func square(_ index: Int) -> TiledMatrix<Scalar> {
      TiledMatrix(base: base + tileCount + index * squareCount, rows: r, columns: r)
    }
    return GramMemory(
      tiles: TiledMatrix(base: base, rows: r, columns: c), gram: square(0), factor: square(1), product: square(2),
      accumulated: square(3), spare: square(4), measures: measures.base + (thread ?? 0) * room.measures)
  }
}

/// The matrices of an iteration, in tiles.
struct GramMemory<Scalar: BLASScalar> {
  /// X: the matrix, or its transpose if that has fewer rows, times a power of two.
  var tiles: TiledMatrix<Scalar>
  /// R: the Gram matrix `X Xᵀ` of the matrix as the steps so far have made it.
  var gram: TiledMatrix<Scalar>
  /// Z: the factor of one step, `a·I + b·R + c·R²`.
  var factor: TiledMatrix<Scalar>
  /// W: `R Z`.
  var product: TiledMatrix<Scalar>
  /// Q: the product of the factors of all steps since the start, or since a restart.
  var accumulated: TiledMatrix<Scalar>
  /// Where the next Q is made.
  var spare: TiledMatrix<Scalar>
  /// Memory for what is measured of each tile of X.
  let measures: UnsafeMutablePointer<MatrixTileMeasure>
}
