/// A matrix in memory.
package struct MatrixPlace<Scalar: BLASScalar>: @unchecked Sendable {  // an address; whoever holds it guards the access
  /// The first element of the tensor.
  package let base: UnsafeMutablePointer<Scalar>
  package let layout: MatrixLayout

  package init(_ base: UnsafeMutablePointer<Scalar>, _ layout: MatrixLayout) {
    (self.base, self.layout) = (base, layout)
  }
}

/// Brings a matrix into tiles and back, transposed if it has more rows than columns, and divides it by its norm.
struct MatrixPacking<Scalar: BLASScalar> {
  let matrix: MatrixPlace<Scalar>
  /// X.
  let tiles: TiledMatrix<Scalar>
  /// A number of each tile.
  let measures: UnsafeMutablePointer<Double>

  /// Makes X from the matrix: its elements times a power of two, so that none of them is rounded.
  ///
  /// - Returns: The factor of X, in 1..<2, that the division of the matrix by its Frobenius norm still lacks. `nil` if
  ///   there is no work left: the matrix already is what it must become then, zeros, or NaN everywhere if an element is NaN
  ///   or infinite.
  func normalize(_ epsilon: Double, _ use: NewtonSchulz.EpsilonUse, _ crew: TaskCrew<Scalar>) -> Double? {
    crew.run(PackTask(packing: self), count: tiles.tileCount)
    let scaling = TileScaling(tiles: tiles, measures: measures)
    guard let norm = scaling.bringLargestToOne(crew) else {
      crew.run(FillTask(packing: self, value: scaling.largest == 0 ? 0 : .nan), count: tiles.tileCount)
      return nil
    }
    let exact = ScaledDouble(norm.scaled, exponent: norm.exponent)
    let divisor = use == .added ? exact + epsilon : exact < ScaledDouble(epsilon) ? ScaledDouble(epsilon) : exact
    let factor = (ScaledDouble(1, exponent: norm.exponent) / divisor).double
    let power = factor == 0 ? 0 : Scalar(sign: .plus, exponent: Scalar.Exponent(factor.exponent), significand: 1)
    crew.run(MultiplyTask(tiles: tiles, factor: power), count: tiles.tileCount)
    return factor == 0 ? 1 : factor.significand
  }

  /// Whether X is the transpose of the matrix.
  private var isTransposed: Bool { matrix.layout.rows > matrix.layout.columns }

  /// Copies the elements of a tile from the matrix.
  ///
  /// - Parameter scratch: A tile.
  func pack(_ i: Int, _ j: Int, _ scratch: UnsafeMutablePointer<Scalar>) {
    let tile = tiles.tile(i, j)
    let stored = isTransposed ? scratch : tile
    forEachRun(i, j) { source, stride, offset, count in
      if stride == 1 {
        (stored + offset).update(from: source, count: count)
      } else {
        for k in 0..<count { stored[offset + k] = source[k * stride] }
      }
    }
    if isTransposed { Scalar._transposeTile(stored, tiles.width(j), tiles.height(i), into: tile) }
  }

  /// Writes the elements of a tile to the matrix.
  ///
  /// - Parameter scratch: Another tile.
  func unpack(_ i: Int, _ j: Int, _ tile: UnsafePointer<Scalar>, _ scratch: UnsafeMutablePointer<Scalar>) {
    if isTransposed { Scalar._transposeTile(tile, tiles.height(i), tiles.width(j), into: scratch) }
    let stored = isTransposed ? UnsafePointer(scratch) : tile
    forEachRun(i, j) { target, stride, offset, count in
      if stride == 1 {
        target.update(from: stored + offset, count: count)
      } else {
        for k in 0..<count { target[k * stride] = stored[offset + k] }
      }
    }
  }

  /// Calls `body` with the elements of a tile in runs of a row of the matrix: where they begin in the matrix, how far
  /// they are apart there, where they begin in the tile as the matrix is stored, and how many there are.
  @inline(__always)
  private func forEachRun(
    _ i: Int, _ j: Int, _ body: (UnsafeMutablePointer<Scalar>, Int, Int, Int) -> Void
  ) {
    let layout = matrix.layout
    let (height, width) = (tiles.height(i), tiles.width(j))
    let (rows, columns) = isTransposed ? (width, height) : (height, width)
    let (firstRow, firstColumn) =
      isTransposed ? (j * MatrixTile.side, i * MatrixTile.side) : (i * MatrixTile.side, j * MatrixTile.side)
    for row in 0..<rows {
      let start = matrix.base + layout.rowOffset(firstRow + row)
      if let stride = layout.columnStride {
        body(start + layout.columnOffset(firstColumn), stride, row * columns, columns)
      } else {
        for column in 0..<columns {
          body(start + layout.columnOffset(firstColumn + column), 1, row * columns + column, 1)
        }
      }
    }
  }
}

/// Packs a tile, and measures the largest magnitude in it.
private struct PackTask<Scalar: BLASScalar>: MatrixTask {
  let packing: MatrixPacking<Scalar>

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  func run(_ index: Int, _ scratch: UnsafeMutablePointer<Scalar>) {
    let (i, j) = packing.tiles.place(index)
    packing.pack(i, j, scratch)
    packing.measures[index] = Double(ElementLoops.maximumMagnitude(packing.tiles.tile(i, j), packing.tiles.count(i, j)))
  }
}

/// Multiplies a tile by a number.
private struct MultiplyTask<Scalar: BLASScalar>: MatrixTask {
  let tiles: TiledMatrix<Scalar>
  let factor: Scalar

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  func run(_ index: Int, _ scratch: UnsafeMutablePointer<Scalar>) {
    let (i, j) = tiles.place(index)
    ElementLoops.multiply(tiles.tile(i, j), by: factor, tiles.count(i, j))
  }
}

/// Fills a tile of the matrix with one number.
private struct FillTask<Scalar: BLASScalar>: MatrixTask {
  let packing: MatrixPacking<Scalar>
  let value: Scalar

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  func run(_ index: Int, _ scratch: UnsafeMutablePointer<Scalar>) {
    let (i, j) = packing.tiles.place(index)
    let tile = packing.tiles.tile(i, j)
    tile.update(repeating: value, count: packing.tiles.count(i, j))
    packing.unpack(i, j, tile, scratch)
  }
}
