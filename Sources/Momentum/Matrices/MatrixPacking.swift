/// A matrix in memory.
package struct MatrixPlace<Scalar: BLASScalar>: @unchecked Sendable {  // an address; whoever holds it guards the access
  /// The first element of the tensor.
  package let base: UnsafeMutablePointer<Scalar>
  package let layout: MatrixLayout

  package init(_ base: UnsafeMutablePointer<Scalar>, _ layout: MatrixLayout) {
    (self.base, self.layout) = (base, layout)
  }
}

/// Finds out by what a matrix is divided as it becomes X, which a ``PackTask`` makes, and writes tiles of the result to it.
struct MatrixPacking<Scalar: BLASScalar> {
  let matrix: MatrixPlace<Scalar>
  /// X.
  let tiles: TiledMatrix<Scalar>
  /// Memory for as many measures as X has tiles.
  let measures: UnsafeMutablePointer<MatrixTileMeasure>

  /// Finds what makes X of the matrix: elements times a power of two, so that none of them is rounded.
  ///
  /// - Returns: What packs X, and the factor of X, in 1..<2, that the division of the matrix by its Frobenius norm still lacks.
  ///   `nil` if there is no work left: the matrix already is what it must become then, zeros, or NaN everywhere if an element
  ///   is NaN or infinite.
  func normalize(
    _ epsilon: Double, _ use: NewtonSchulz.EpsilonUse, _ crew: TaskCrew<Scalar>
  ) -> (scaled: PackTask<Scalar, Scalar>, rest: Double)? {
    let source = MatrixSource(UnsafePointer(matrix.base), matrix.layout, tiles)
    let measure = source.measure(measures, crew)
    guard measure.isPositive else {
      crew.run(FillTask(packing: self, value: measure.largest == 0 ? 0 : .nan), count: tiles.tileCount)
      return nil
    }
    let exact = ScaledDouble(measure.scaled, exponent: measure.exponent)
    let divisor = use == .added ? exact + epsilon : exact < ScaledDouble(epsilon) ? ScaledDouble(epsilon) : exact
    let factor = (ScaledDouble(1, exponent: measure.exponent) / divisor).double
    let power = factor == 0 ? 0 : Scalar(sign: .plus, exponent: Scalar.Exponent(factor.exponent), significand: 1)
    return (PackTask(source, exponent: -measure.exponent, factor: power), factor == 0 ? 1 : factor.significand)
  }

  /// Writes the elements of a tile to the matrix.
  ///
  /// - Parameter scratch: Another tile.
  func unpack(_ i: Int, _ j: Int, _ tile: UnsafePointer<Scalar>, _ scratch: UnsafeMutablePointer<Scalar>) {
    let layout = matrix.layout
    if layout.isTransposed { Scalar._transposeTile(tile, tiles.height(i), tiles.width(j), into: scratch) }
    let stored = layout.isTransposed ? UnsafePointer(scratch) : tile
    if let (start, distance) = layout.denseRows(ofTile: i, j) {
      let sides = layout.sides(ofTile: i, j)
      Scalar._copyTile(stored, sides.columns, into: matrix.base + start, distance, sides.rows, sides.columns)
    } else {
      layout.forEachElement(ofTile: i, j) { matrix.base[$0] = stored[$1] }
    }
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
