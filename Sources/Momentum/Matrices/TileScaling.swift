/// Multiplies a matrix by the power of two that brings its largest element into 1..<2. That is exact, so what follows does
/// not depend on powers of two, and no square leaves the range.
struct TileScaling<Scalar: BLASScalar> {
  let tiles: TiledMatrix<Scalar>
  /// The largest magnitude of each tile, then the sum of its squares.
  let measures: UnsafeMutablePointer<Double>

  /// The largest of the measures; NaN if one is.
  var largest: Double {
    var largest = 0.0
    for index in 0..<tiles.tileCount {
      if measures[index].isNaN { return .nan }
      largest = max(largest, measures[index])
    }
    return largest
  }

  /// Multiplies the matrix.
  ///
  /// - Returns: The Frobenius norm of the result, and the exponent of two that makes it the norm of the matrix as it was;
  ///   `nil`, and nothing is done, if all elements are 0 or one is not finite.
  func bringLargestToOne(_ crew: TaskCrew<Scalar>) -> (scaled: Double, exponent: Int)? {
    let largest = largest
    guard largest.isFinite, largest > 0 else { return nil }
    let exponent = Int(Scalar(largest).exponent)
    crew.run(ScaleTask(scaling: self, exponent: -exponent), count: tiles.tileCount)
    var sum = 0.0
    for index in 0..<tiles.tileCount { sum += measures[index] }
    return (sum.squareRoot(), exponent)
  }
}

/// Multiplies a tile by a power of two, and measures the sum of its squares.
private struct ScaleTask<Scalar: BLASScalar>: MatrixTask {
  let scaling: TileScaling<Scalar>
  let exponent: Int

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  func run(_ index: Int, _ scratch: UnsafeMutablePointer<Scalar>) {
    let (i, j) = scaling.tiles.place(index)
    let (tile, count) = (scaling.tiles.tile(i, j), scaling.tiles.count(i, j))
    ElementLoops.multiply(tile, byPowerOfTwo: exponent, count)
    scaling.measures[index] = ElementLoops.sumOfSquares(tile, count)
  }
}
