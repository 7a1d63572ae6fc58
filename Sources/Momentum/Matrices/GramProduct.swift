/// `R ← X Xᵀ`.
struct GramProduct<Scalar: BLASScalar> {
  let tiles: TiledMatrix<Scalar>
  let gram: TiledMatrix<Scalar>

  /// Multiplies an X whose tiles are all there.
  func run(_ crew: TaskCrew<Scalar>) {
    let task = task(0..<tiles.tileColumns)
    crew.run(task, count: task.count)
  }

  /// Multiplies an X whose tiles are made here, some columns of tiles at a time: they are multiplied while caches hold them, so that a large X
  /// goes to memory once, and does not come from there as often as there are rows of tasks. The next columns are made beside
  /// the products of those before.
  ///
  /// Each sum goes on where it ended with the columns before, so that the bits are those of ``run(_:)``.
  ///
  /// - Parameter first: The first columns if they are there already, or none.
  func run(making columns: some ColumnTask<Scalar>, behind first: Range<Int> = 0..<0, _ crew: TaskCrew<Scalar>) {
    var (made, next) = (first, tiles.piece(from: first.upperBound))
    while !(made.isEmpty && next.isEmpty) {
      let work = Both(products: made.isEmpty ? nil : task(made), columns: columns, range: next)
      crew.run(work, count: work.count)
      (made, next) = (next, tiles.piece(from: next.upperBound))
    }
  }

  private func task(_ depth: Range<Int>) -> GramTask<Scalar> { GramTask(tiles: tiles, gram: gram, depth: depth) }

  /// Products of some columns, and the making of others.
  private struct Both<Columns: ColumnTask<Scalar>>: MatrixTask {
    let products: GramTask<Scalar>?
    let columns: Columns
    let range: Range<Int>

    private var productCount: Int { products?.count ?? 0 }
    var count: Int { productCount + (range.isEmpty ? 0 : columns.count(range)) }

    func run(_ index: Int, _ scratch: UnsafeMutablePointer<Scalar>) {
      if index < productCount {
        products?.run(index, scratch)
      } else {
        columns.run(index - productCount, range, scratch)
      }
    }
  }
}

/// `R(i, j) ← Σₖ X(i, k) X(j, k)ᵀ`, for some rows i at once, which share the transposed tile. Adds to what is there unless k
/// begins with 0.
struct GramTask<Scalar: BLASScalar>: MatrixTask {
  let tiles: TiledMatrix<Scalar>
  let gram: TiledMatrix<Scalar>
  /// The columns k of tiles.
  let depth: Range<Int>

  /// Three: with more the threads wait longer for the last task than there is left to save.
  private static var rows: Int { 3 }

  /// The number of tasks. Some may be empty, behind the last column.
  var count: Int { Self.rows * LowerTiles.count((tiles.tileRows + Self.rows - 1) / Self.rows) }

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  func run(_ index: Int, _ scratch: UnsafeMutablePointer<Scalar>) {
    let (group, columns) = LowerTiles.tile(at: index / Self.rows)
    let j = columns * Self.rows + index % Self.rows
    let end = min((group + 1) * Self.rows, tiles.tileRows)
    guard j < end else { return }
    let rows = max(group * Self.rows, j)..<end
    // The sums stay beside the transposed tile: in their places in R they were found to be slower in some processes.
    let column = scratch + MatrixTile.count
    func sum(_ i: Int) -> UnsafeMutablePointer<Scalar> {
      column + (i - rows.lowerBound) * MatrixTile.side * gram.width(j)
    }
    if depth.lowerBound > 0 { for i in rows { sum(i).update(from: gram.tile(i, j), count: gram.count(i, j)) } }
    tiles.multiplyByOwnTranspose(rows, j, depth, into: column, scratch: scratch)
    for i in rows { gram.tile(i, j).update(from: sum(i), count: gram.count(i, j)) }
    // The half above the diagonal is written once, when the sums are complete.
    if depth.upperBound == tiles.tileColumns { for i in rows { gram.mirror(i, j) } }
  }
}
