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
  func pack(_ i: Int, _ j: Int) {
    let tile = tiles.tile(i, j)
    forEachRun(i, j) { source, stride, offset, count, step in
      for k in 0..<count { tile[offset + k * step] = source[k * stride] }
    }
  }

  /// Writes the elements of a tile to the matrix.
  func unpack(_ i: Int, _ j: Int, _ tile: UnsafePointer<Scalar>) {
    forEachRun(i, j) { target, stride, offset, count, step in
      for k in 0..<count { target[k * stride] = tile[offset + k * step] }
    }
  }

  /// Calls `body` with the elements of a tile in runs of a row of the matrix: where they begin in the matrix, how far
  /// they are apart there, where they begin in the tile, how many there are, and how far they are apart in the tile.
  @inline(__always)
  private func forEachRun(
    _ i: Int, _ j: Int, _ body: (UnsafeMutablePointer<Scalar>, Int, Int, Int, Int) -> Void
  ) {
    let layout = matrix.layout
    let (height, width) = (tiles.height(i), tiles.width(j))
    // In terms of the matrix as it is stored.
    let (rows, columns) = isTransposed ? (width, height) : (height, width)
    let (firstRow, firstColumn) =
      isTransposed ? (j * MatrixTile.side, i * MatrixTile.side) : (i * MatrixTile.side, j * MatrixTile.side)
    let (rowStep, columnStep) = isTransposed ? (1, width) : (width, 1)
    for row in 0..<rows {
      let start = matrix.base + layout.rowOffset(firstRow + row)
      if let stride = layout.columnStride {
        body(start + layout.columnOffset(firstColumn), stride, row * rowStep, columns, columnStep)
      } else {
        for column in 0..<columns {
          body(
            start + layout.columnOffset(firstColumn + column), 1, row * rowStep + column * columnStep, 1, columnStep)
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
    packing.pack(i, j)
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
    scratch.update(repeating: value, count: packing.tiles.count(i, j))
    packing.unpack(i, j, scratch)
  }
}
