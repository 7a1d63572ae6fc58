/// A matrix in memory, of which the tiles of X are made.
struct MatrixSource<Element: BLASScalar, Scalar: BLASScalar> {
  private let base: UnsafePointer<Element>
  private let layout: MatrixLayout
  /// X.
  let tiles: TiledMatrix<Scalar>

  init(_ base: UnsafePointer<Element>, _ layout: MatrixLayout, _ tiles: TiledMatrix<Scalar>) {
    (self.base, self.layout, self.tiles) = (base, layout, tiles)
  }

  /// Copies the elements of a tile from the matrix.
  ///
  /// - Parameter scratch: Another tile.
  @inline(__always)
  fileprivate func pack(
    _ i: Int, _ j: Int, into tile: UnsafeMutablePointer<Scalar>, _ scratch: UnsafeMutablePointer<Scalar>
  ) {
    let stored = layout.isTransposed ? scratch : tile
    let sides = layout.sides(ofTile: i, j)
    if Element.self == Scalar.self, let (start, distance) = layout.denseRows(ofTile: i, j) {
      let x = UnsafeRawPointer(base + start).assumingMemoryBound(to: Scalar.self)
      Scalar._copyTile(x, distance, into: stored, sides.columns, sides.rows, sides.columns)
    } else {
      layout.forEachElement(ofTile: i, j) { stored[$1] = Scalar(base[$0]) }
    }
    if layout.isTransposed { Scalar._transposeTile(stored, sides.rows, sides.columns, into: tile) }
  }
}

/// What is measured of a tile before it is scaled.
struct MatrixTileMeasure: BitwiseCopyable {
  /// The largest magnitude; NaN if an element is NaN.
  var largest = 0.0
  /// The sum of squares is `squares · 2^exponent`, where all elements are finite.
  var squares = 0.0
  var exponent = 0
}

/// What is measured of a matrix before any of it is kept.
struct MatrixMeasure {
  /// The largest magnitude; NaN if an element is NaN.
  let largest: Double
  /// The Frobenius norm is `scaled · 2^exponent`, and the exponent is that of the largest magnitude; 0 if that is 0 or not
  /// finite.
  let scaled: Double
  let exponent: Int

  /// Whether there is something to compute.
  var isPositive: Bool { largest > 0 && largest < .infinity }
}

extension MatrixSource {
  /// Reads the matrix once.
  ///
  /// - Parameter measures: Memory for as many as X has tiles.
  func measure(_ measures: UnsafeMutablePointer<MatrixTileMeasure>, _ crew: TaskCrew<Scalar>) -> MatrixMeasure {
    crew.run(MeasureTask(source: self, measures: measures), count: tiles.tileCount)
    var largest = 0.0
    for index in 0..<tiles.tileCount {
      // NaN stays.
      if !(measures[index].largest <= largest) { largest = measures[index].largest }
      if largest.isNaN { break }
    }
    guard largest.isFinite, largest > 0 else { return MatrixMeasure(largest: largest, scaled: 0, exponent: 0) }
    let exponent = Int(largest.exponent)
    var sum = 0.0
    for index in 0..<tiles.tileCount {
      sum += Double(
        sign: .plus, exponent: measures[index].exponent - 2 * exponent, significand: measures[index].squares)
    }
    return MatrixMeasure(largest: largest, scaled: sum.squareRoot(), exponent: exponent)
  }
}

/// Measures a tile.
private struct MeasureTask<Element: BLASScalar, Scalar: BLASScalar>: MatrixTask {
  let source: MatrixSource<Element, Scalar>
  let measures: UnsafeMutablePointer<MatrixTileMeasure>

  @specialized(where Element == Float, Scalar == Float)
  @specialized(where Element == Float, Scalar == Double)
  @specialized(where Element == Double, Scalar == Double)
  func run(_ index: Int, _ scratch: UnsafeMutablePointer<Scalar>) {
    let (i, j) = source.tiles.place(index)
    let (tile, count) = (scratch + MatrixTile.count, source.tiles.count(i, j))
    source.pack(i, j, into: tile, scratch)
    var measure = MatrixTileMeasure(largest: Double(Scalar._maximumMagnitude(tile, count)))
    if measure.largest > 0, measure.largest < .infinity {
      if !Scalar._hasExactSquares {
        // No square leaves the range then.
        measure.exponent = 2 * Int(measure.largest.exponent)
        let (first, second) = ElementLoops.powerOfTwo(-Int(measure.largest.exponent), as: Scalar.self)
        Scalar._multiply(tile, by: (first, second, 1), into: tile, count)
      }
      measure.squares = Scalar._wideSquares(tile, count)
    }
    measures[index] = measure
  }
}

/// Packs tiles of X: elements of the matrix times a power of two, which rounds none of them that stays in the normal range.
struct PackTask<Element: BLASScalar, Scalar: BLASScalar>: ColumnTask {
  private let source: MatrixSource<Element, Scalar>
  private let factors: (Scalar, Scalar, Scalar)

  /// - Parameters:
  ///   - exponent: That of the power of two which brings the largest element into 1..<2, so that what follows does not depend
  ///     on the scale of the matrix.
  ///   - factor: A power of two by which all is multiplied then, or 0.
  init(_ source: MatrixSource<Element, Scalar>, exponent: Int, factor: Scalar) {
    self.source = source
    let (first, second) = ElementLoops.powerOfTwo(exponent, as: Scalar.self)
    factors = (first, second, factor)
  }

  func count(_ columns: Range<Int>) -> Int { source.tiles.tileRows * columns.count }

  @specialized(where Element == Float, Scalar == Float)
  @specialized(where Element == Float, Scalar == Double)
  @specialized(where Element == Double, Scalar == Double)
  func run(_ index: Int, _ columns: Range<Int>, _ scratch: UnsafeMutablePointer<Scalar>) {
    // Along the rows of X: where it is no transpose, what lies side by side in memory soon follows.
    let (i, place) = index.quotientAndRemainder(dividingBy: columns.count)
    let j = columns.lowerBound + place
    let tile = source.tiles.tile(i, j)
    source.pack(i, j, into: tile, scratch)
    Scalar._multiply(tile, by: factors, into: tile, source.tiles.count(i, j))
  }
}
