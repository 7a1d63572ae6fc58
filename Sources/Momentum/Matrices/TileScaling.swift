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

  func run(_ index: Int, _ scratch: UnsafeMutablePointer<Scalar>) {
    let (i, j) = scaling.tiles.place(index)
    let (tile, count) = (scaling.tiles.tile(i, j), scaling.tiles.count(i, j))
    PowerOfTwo.multiply(tile, count, exponent: exponent)
    scaling.measures[index] = ElementLoops.sumOfSquares(tile, count)
  }
}

/// Products with powers of two, also with those that no number of the type is.
enum PowerOfTwo {
  static func multiply<Scalar: BLASScalar>(_ x: UnsafeMutablePointer<Scalar>, _ count: Int, exponent: Int) {
    // One rounding at most: a factor that makes numbers smaller is one power of two, and larger ones are exact.
    let most = Scalar.greatestFiniteMagnitude.exponent
    let first = Scalar(sign: .plus, exponent: min(exponent, most), significand: 1)
    let second = Scalar(sign: .plus, exponent: max(exponent - most, 0), significand: 1)
    for k in 0..<count { x[k] = x[k] * first * second }
  }
}
