/// Makes X of a matrix, and writes tiles of the result to the matrix.
struct MatrixPacking<Scalar: BLASScalar> {
  let matrix: MatrixPlace<Scalar>
  /// X.
  let tiles: TiledMatrix<Scalar>
  /// Memory for as many measures as X has tiles.
  let measures: UnsafeMutablePointer<MatrixTileMeasure>

  /// Makes X of the matrix, and `R = X Xᵀ`.
  ///
  /// - Returns: The factor that X lacks to be the matrix divided by its Frobenius norm and epsilon. `nil` if there is no work left:
  ///   then the result has been written, zeros, or NaN everywhere if an element is NaN or infinite.
  func multiply(
    _ product: GramProduct<Scalar>, _ epsilon: Double, _ use: NewtonSchulz.EpsilonUse, _ crew: TaskCrew<Scalar>
  ) -> Double? {
    let source = MatrixSource(UnsafePointer(matrix.base), matrix.layout, tiles, measures)
    let (measure, exponent) = source.multiply(product, crew)
    guard measure.isPositive else {
      crew.run(FillTask(packing: self, value: measure.largest == 0 ? 0 : .nan), count: tiles.tileCount)
      return nil
    }
    let exact = ScaledDouble(measure.scaled, exponent: measure.exponent)
    let divisor = use == .added ? exact + epsilon : exact < ScaledDouble(epsilon) ? ScaledDouble(epsilon) : exact
    let factor = (ScaledDouble(1, exponent: -exponent) / divisor).double
    if factor == 0 {
      crew.run(FillTask(packing: self, value: 0), count: tiles.tileCount)
      return nil
    }
    // An epsilon much larger than the norm makes X so small that only the factors a of the steps count. X must be that small
    // itself then: R grows by a² from step to step, and its square would leave the range, which b and c could not bring back.
    guard (exact / divisor).double < 0.25 else { return factor }
    let power = Int(factor.exponent)
    crew.run(ScaleTask(tiles: tiles, power: PowerOfTwo(power)), 0..<tiles.tileColumns)
    crew.run(ScaleTask(tiles: product.gram, power: PowerOfTwo(2 * power)), 0..<product.gram.tileColumns)
    return factor.significand
  }

  /// Writes the elements of a tile of the result to the matrix, or gives them to its epilogue.
  ///
  /// - Parameter scratch: Another tile.
  func unpack(_ i: Int, _ j: Int, _ tile: UnsafePointer<Scalar>, _ scratch: UnsafeMutablePointer<Scalar>) {
    let layout = matrix.layout
    if layout.isTransposed { Scalar._transposeTile(tile, tiles.height(i), tiles.width(j), into: scratch) }
    let stored = layout.isTransposed ? UnsafePointer(scratch) : tile
    if let (start, distance) = layout.denseRows(ofTile: i, j) {
      let sides = layout.sides(ofTile: i, j)
      if let epilogue = matrix.epilogue {
        for row in 0..<sides.rows {
          epilogue.run(at: start + row * distance, sides.columns, update: stored + row * sides.columns)
        }
        return
      }
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
    let tile = scratch + MatrixTile.count
    tile.update(repeating: value, count: packing.tiles.count(i, j))
    packing.unpack(i, j, tile, scratch)
  }
}
