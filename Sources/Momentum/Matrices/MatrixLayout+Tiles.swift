/// Where the tiles of X lie in a matrix: those of the matrix, or of its transpose if it has more rows than columns.
extension MatrixLayout {
  /// Whether X is the transpose of the matrix.
  var isTransposed: Bool { rows > columns }

  /// The rows and columns of a tile as the matrix is stored.
  func sides(ofTile i: Int, _ j: Int) -> (rows: Int, columns: Int) {
    let (height, width) = (MatrixTile.extent(i, of: shortSide), MatrixTile.extent(j, of: longSide))
    return isTransposed ? (width, height) : (height, width)
  }

  /// The first row and column of a tile as the matrix is stored.
  private func corner(ofTile i: Int, _ j: Int) -> (row: Int, column: Int) {
    let (row, column) = (i * MatrixTile.side, j * MatrixTile.side)
    return isTransposed ? (column, row) : (row, column)
  }

  /// Whether elements of a row lie side by side, and all rows are equally far apart.
  var isDense: Bool { columnStride == 1 && rowStride != nil }

  /// Where a tile begins, and how far its rows are apart; `nil` if that is not the same for all, or if the elements of a row do
  /// not lie side by side.
  func denseRows(ofTile i: Int, _ j: Int) -> (start: Int, distance: Int)? {
    guard columnStride == 1, let distance = rowStride else { return nil }
    let corner = corner(ofTile: i, j)
    return (rowOffset(corner.row) + corner.column, distance)
  }

  /// The number of blocks of some columns of tiles: parts for single tasks, whose elements lie in rows so long that memory
  /// delivers what comes next without being asked.
  func blockCount(_ columns: Range<Int>) -> Int {
    isTransposed ? columns.count : MatrixTile.number(of: shortSide) * Self.blocksOfRow(columns)
  }

  /// The tiles of a block.
  func block(_ index: Int, of columns: Range<Int>) -> (rows: Range<Int>, columns: Range<Int>) {
    if isTransposed {
      let j = columns.lowerBound + index
      return (0..<MatrixTile.number(of: shortSide), j..<j + 1)
    }
    let count = Self.blocksOfRow(columns)
    let (i, place) = index.quotientAndRemainder(dividingBy: count)
    func start(_ place: Int) -> Int { columns.lowerBound + columns.count * place / count }
    return (i..<i + 1, start(place)..<start(place + 1))
  }

  /// A block has up to 16 tiles of a row.
  private static func blocksOfRow(_ columns: Range<Int>) -> Int { (columns.count + 15) / 16 }

  /// Calls `body` with the place of each element of a tile in the tensor, and that in the tile as the matrix is stored.
  @inline(__always)
  func forEachElement(ofTile i: Int, _ j: Int, _ body: (_ place: Int, _ element: Int) -> Void) {
    let (sides, corner) = (sides(ofTile: i, j), corner(ofTile: i, j))
    for row in 0..<sides.rows {
      let start = rowOffset(corner.row + row)
      if let stride = columnStride {
        let first = start + columnOffset(corner.column)
        for column in 0..<sides.columns { body(first + column * stride, row * sides.columns + column) }
      } else {
        for column in 0..<sides.columns {
          body(start + columnOffset(corner.column + column), row * sides.columns + column)
        }
      }
    }
  }
}
