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

  /// Where a tile begins, and how far its rows are apart; `nil` if that is not the same for all, or if the elements of a row do
  /// not lie side by side.
  func denseRows(ofTile i: Int, _ j: Int) -> (start: Int, distance: Int)? {
    guard columnStride == 1, let distance = rowStride else { return nil }
    let corner = corner(ofTile: i, j)
    return (rowOffset(corner.row) + corner.column, distance)
  }

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
