/// The square pieces in which matrices are multiplied.
package enum MatrixTile {
  /// The largest number of rows and of columns. Part of the numeric contract: another size would change bits.
  ///
  /// A product of two such tiles is the largest that OpenBLAS computes on the calling thread
  /// (``BLASTraits/mostUnthreadedProduct``), where it is BLAS that computes it (``TileProduct``): it starts no threads of its
  /// own then, and gives the same bits whatever number of threads the process allows it.
  package static var side: Int { TileProduct.side }
  static var count: Int { side * side }

  /// The number of tiles along a side of a matrix; the last one may be shorter.
  static func number(of extent: Int) -> Int { (extent + side - 1) / side }

  /// The rows or columns of a tile along a side of a matrix.
  static func extent(_ tile: Int, of extent: Int) -> Int { min(side, extent - tile * side) }
}

/// A matrix whose tiles lie one after the other, row of tiles by row of tiles, each of them row by row. Tiles at the edges
/// are as small as they are: padding them with zeros would cost up to the time of whole tiles.
struct TiledMatrix<Scalar: BLASScalar> {
  let base: UnsafeMutablePointer<Scalar>
  let rows: Int
  let columns: Int

  var tileRows: Int { MatrixTile.number(of: rows) }
  var tileColumns: Int { MatrixTile.number(of: columns) }
  var tileCount: Int { tileRows * tileColumns }

  /// The row and the column of a tile by its number.
  func place(_ index: Int) -> (Int, Int) { index.quotientAndRemainder(dividingBy: tileColumns) }

  func height(_ i: Int) -> Int { MatrixTile.extent(i, of: rows) }
  func width(_ j: Int) -> Int { MatrixTile.extent(j, of: columns) }
  /// The number of elements of a tile.
  func count(_ i: Int, _ j: Int) -> Int { height(i) * width(j) }

  /// The first element of a tile; its rows are `width(j)` elements long.
  func tile(_ i: Int, _ j: Int) -> UnsafeMutablePointer<Scalar> {
    base + (i * columns + j * height(i)) * MatrixTile.side
  }
}

extension TiledMatrix {
  /// `c(i) ← Σₖ self(i, k) · other(k, j)`, or where it adds `c(i) ← c(i) + Σₖ ...`, for some rows i of tiles, one behind the
  /// other, each in the order of k. A tile of the other matrix stays in cache for all of them.
  ///
  /// - Parameters:
  ///   - depth: The number of tiles k, by default all.
  ///   - isSymmetric: Whether the product is: then a tile on the diagonal has only its lower half.
  func multiply(
    _ rows: Range<Int>, _ other: TiledMatrix, _ j: Int, depth: Int? = nil, into c: UnsafeMutablePointer<Scalar>,
    adds: Bool = false, isSymmetric: Bool = false
  ) {
    let depth = depth ?? tileColumns
    for k in 0..<depth {
      let next = k + 1 < depth ? other.tile(k + 1, j) : nil
      multiply(
        rows, k, other.tile(k, j), other.width(j), next: next, into: c, adds: adds || k > 0,
        lower: isSymmetric ? j : nil)
    }
  }

  /// `c(i) ← Σₖ self(i, k) · self(j, k)ᵀ`, or where k does not begin with 0 `c(i) ← c(i) + Σₖ ...`, for some rows i of tiles,
  /// one behind the other, each in the order of k. Each tile is transposed once for all of them. A tile on the diagonal has
  /// only its lower half.
  ///
  /// - Parameter scratch: A tile.
  func multiplyByOwnTranspose(
    _ rows: Range<Int>, _ j: Int, _ depth: Range<Int>, into c: UnsafeMutablePointer<Scalar>,
    scratch: UnsafeMutablePointer<Scalar>
  ) {
    for k in depth {
      Scalar._transposeTile(tile(j, k), height(j), width(k), into: scratch)
      let next = k + 1 < depth.upperBound ? tile(j, k + 1) : nil
      multiply(rows, k, scratch, height(j), next: next, into: c, adds: k > 0, lower: j)
    }
  }

  /// `c(i) ← self(i, k) · b`, or where it adds `c(i) ← c(i) + self(i, k) · b`, for some rows i of tiles.
  ///
  /// - Parameters:
  ///   - columns: The number of columns of b.
  ///   - next: What is read in the place of b for the next k.
  ///   - lower: The row of which only the lower half is asked for.
  private func multiply(
    _ rows: Range<Int>, _ k: Int, _ b: UnsafePointer<Scalar>, _ columns: Int, next: UnsafePointer<Scalar>?,
    into c: UnsafeMutablePointer<Scalar>, adds: Bool, lower: Int?
  ) {
    for i in rows {
      let isLast = i + 1 == rows.upperBound
      let nextTile = !isLast ? tile(i + 1, k) : next == nil ? nil : tile(rows.lowerBound, k + 1)
      TileProduct.multiply(
        tile(i, k), b, into: c + (i - rows.lowerBound) * MatrixTile.side * columns, height(i), columns, width(k),
        adds: adds, lower: i == lower, next: (UnsafePointer(nextTile), isLast ? next : nil))
    }
  }

  /// Writes a tile of the lower half of a symmetric matrix to both of its places.
  ///
  /// - Parameter c: The tile; what is above its diagonal is not read.
  func storeSymmetric(_ i: Int, _ j: Int, _ c: UnsafePointer<Scalar>) {
    tile(i, j).update(from: c, count: count(i, j))
    mirror(i, j)
  }

  /// Copies a tile of the lower half of a symmetric matrix to its other place. The half above the diagonal of a tile on the
  /// diagonal is that below it.
  func mirror(_ i: Int, _ j: Int) {
    let (m, n, c) = (height(i), width(j), tile(i, j))
    if i == j {
      for row in 1..<max(m, 1) { for column in 0..<row { c[column * n + row] = c[row * n + column] } }
    } else {
      Scalar._transposeTile(c, m, n, into: tile(j, i))
    }
  }
}

/// The tiles of the lower half of a symmetric matrix, in the order of rows.
enum LowerTiles {
  static func count(_ tiles: Int) -> Int { tiles * (tiles + 1) / 2 }

  static func tile(at index: Int) -> (row: Int, column: Int) {
    var row = Int((Double(8 * index + 1).squareRoot() - 1) / 2)
    // The root may be off by its last digit.
    while row * (row + 1) / 2 > index { row -= 1 }
    while (row + 1) * (row + 2) / 2 <= index { row += 1 }
    return (row, index - row * (row + 1) / 2)
  }
}
