/// A matrix in memory, of which the tiles of X are made.
struct MatrixSource<Element: BLASScalar, Scalar: BLASScalar> {
  fileprivate let base: UnsafePointer<Element>
  fileprivate let layout: MatrixLayout
  /// X.
  let tiles: TiledMatrix<Scalar>
  /// Memory for as many measures as X has tiles.
  fileprivate let measures: UnsafeMutablePointer<MatrixTileMeasure>

  init(
    _ base: UnsafePointer<Element>, _ layout: MatrixLayout, _ tiles: TiledMatrix<Scalar>,
    _ measures: UnsafeMutablePointer<MatrixTileMeasure>
  ) {
    (self.base, self.layout, self.tiles, self.measures) = (base, layout, tiles, measures)
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

extension MatrixSource {
  /// Makes X of the matrix times a power of two, so that no element is rounded that stays in the normal range, and `R ← X Xᵀ`.
  ///
  /// The power brings the largest element among the first columns of tiles into 1..<2 (it is 1 if that is 0 or not finite). Where others
  /// turn out to be of quite another size, X and R are made once more, by the power that brings the largest of all there. So the
  /// scale of the matrix does not matter to what follows.
  ///
  /// - Returns: What is measured of the matrix, and the exponent of the power of two. X and R mean nothing where no element is
  ///   positive, or one is not finite.
  func multiply(_ product: GramProduct<Scalar>, _ crew: TaskCrew<Scalar>) -> (measure: MatrixMeasure, exponent: Int) {
    let (all, first) = (0..<tiles.tileColumns, tiles.piece(from: 0))
    crew.run(PackTask(source: self, measures: true, power: PowerOfTwo(0)), first)
    let ofFirst = measure(columns: first)
    if first == all, !ofFirst.isPositive { return (ofFirst, 0) }
    let power = PowerOfTwo<Scalar>(-ofFirst.exponent)
    crew.run(ScaleTask(tiles: tiles, power: power), first)
    product.run(making: PackTask(source: self, measures: true, power: power), behind: first, crew)
    let ofAll = measure(columns: all)
    guard ofAll.isPositive, abs(ofAll.exponent - ofFirst.exponent) > Self.mostDifference else {
      return (ofAll, -ofFirst.exponent)
    }
    product.run(making: PackTask(source: self, measures: false, power: PowerOfTwo(-ofAll.exponent)), crew)
    return (ofAll, -ofAll.exponent)
  }

  /// How far the exponent of the largest element may be from that of the largest among the first columns. With 2⁴ times as large
  /// elements the squares of the largest sums, r·c of 2⁴⁷ elements, stay in the range of `Float`.
  private static var mostDifference: Int { 4 }

  /// Puts together what has been measured of the tiles of some columns.
  private func measure(columns: Range<Int>) -> MatrixMeasure {
    var largest = 0.0
    func forEach(_ body: (MatrixTileMeasure) -> Void) {
      for i in 0..<tiles.tileRows { for j in columns { body(measures[i * tiles.tileColumns + j]) } }
    }
    // NaN stays.
    forEach { if !largest.isNaN, !($0.largest <= largest) { largest = $0.largest } }
    guard largest.isFinite, largest > 0 else { return MatrixMeasure(largest: largest, scaled: 0, exponent: 0) }
    let exponent = Int(largest.exponent)
    var sum = 0.0
    forEach { sum += Double(sign: .plus, exponent: $0.exponent - 2 * exponent, significand: $0.squares) }
    return MatrixMeasure(largest: largest, scaled: sum.squareRoot(), exponent: exponent)
  }
}

/// Packs tiles of X: elements of the matrix times a power of two.
private struct PackTask<Element: BLASScalar, Scalar: BLASScalar>: ColumnTask {
  let source: MatrixSource<Element, Scalar>
  /// Whether tiles are measured before they are scaled.
  let measures: Bool
  let power: PowerOfTwo<Scalar>

  func count(_ columns: Range<Int>) -> Int { source.layout.blockCount(columns) }

  @specialized(where Element == Float, Scalar == Float)
  @specialized(where Element == Float, Scalar == Double)
  @specialized(where Element == Double, Scalar == Double)
  func run(_ index: Int, _ columns: Range<Int>, _ scratch: UnsafeMutablePointer<Scalar>) {
    let (rows, columns) = source.layout.block(index, of: columns)
    for i in rows { for j in columns { pack(i, j, scratch) } }
  }

  /// - Parameter scratch: Another tile.
  @inline(__always)
  private func pack(_ i: Int, _ j: Int, _ scratch: UnsafeMutablePointer<Scalar>) {
    let (tile, count) = (source.tiles.tile(i, j), source.tiles.count(i, j))
    source.pack(i, j, into: tile, scratch)
    if measures { source.measures[i * source.tiles.tileColumns + j] = measure(tile, count, scratch) }
    power.multiply(tile, into: tile, count)
  }

  /// - Parameter scratch: Another tile.
  @inline(__always)
  private func measure(
    _ tile: UnsafeMutablePointer<Scalar>, _ count: Int, _ scratch: UnsafeMutablePointer<Scalar>
  ) -> MatrixTileMeasure {
    var measure = MatrixTileMeasure(largest: Double(Scalar._maximumMagnitude(tile, count)))
    guard measure.largest > 0, measure.largest < .infinity else { return measure }
    if Scalar._hasExactSquares {
      measure.squares = Scalar._wideSquares(tile, count)
    } else {
      // No square leaves the range then.
      let exponent = Int(measure.largest.exponent)
      measure.exponent = 2 * exponent
      PowerOfTwo(-exponent).multiply(tile, into: scratch, count)
      measure.squares = Scalar._wideSquares(scratch, count)
    }
    return measure
  }
}

/// Multiplies tiles by a power of two.
struct ScaleTask<Scalar: BLASScalar>: ColumnTask {
  let tiles: TiledMatrix<Scalar>
  let power: PowerOfTwo<Scalar>

  func count(_ columns: Range<Int>) -> Int { tiles.tileRows * columns.count }

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  func run(_ index: Int, _ columns: Range<Int>, _ scratch: UnsafeMutablePointer<Scalar>) {
    let (i, place) = index.quotientAndRemainder(dividingBy: columns.count)
    let (j, tile) = (columns.lowerBound + place, tiles.tile(i, columns.lowerBound + place))
    power.multiply(tile, into: tile, tiles.count(i, j))
  }
}

/// A power of two as a factor.
struct PowerOfTwo<Scalar: BLASScalar> {
  private let factors: (Scalar, Scalar)

  init(_ exponent: Int) { factors = ElementLoops.powerOfTwo(exponent, as: Scalar.self) }

  /// `y ← 2^exponent · x`; x and y may be the same.
  func multiply(_ x: UnsafeMutablePointer<Scalar>, into y: UnsafeMutablePointer<Scalar>, _ count: Int) {
    if x == y, factors == (1, 1) { return }
    Scalar._multiply(x, by: (factors.0, factors.1, 1), into: y, count)
  }
}
