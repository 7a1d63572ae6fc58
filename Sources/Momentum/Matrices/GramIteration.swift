/// Orthogonalises one matrix by ``NewtonSchulz`` on its Gram matrix:
///
///     R ← X Xᵀ
///     each step: Z ← a·I + b·R + c·R²;  Q ← Z (first step), Q Z (others);  R ← (R Z) Z
///     X ← Q X
///
/// X stands for the matrix divided by its norm, but lacks a factor f of that: rounding its elements would change small
/// singular values, which the steps let grow. The factors of a step take f in, `a, b·f², c·f⁴`, those of the last step all
/// times f.
///
/// R, Z and Q are symmetric and commute, so only half the tiles of their products are computed, and all but the first and
/// the last product have sides of the smaller side of X. Five steps on r × 4r take a third of the operations of the steps
/// as they are written down.
///
/// Every tile of a product is a task of its own, which one thread computes in a fixed order. So the bits do not depend on
/// the number of threads.
struct GramIteration<Scalar: BLASScalar> {
  private var memory: GramMemory<Scalar>
  private let matrix: MatrixPlace<Scalar>
  private let crew: TaskCrew<Scalar>
  /// Whether the step to come is the first one, or the first after a restart.
  private var isFresh = true

  init(_ matrix: MatrixPlace<Scalar>, _ memory: GramMemory<Scalar>, _ crew: TaskCrew<Scalar>) {
    (self.matrix, self.memory, self.crew) = (matrix, memory, crew)
  }

  private var lowerCount: Int { LowerTiles.count(memory.tiles.tileRows) }

  /// Replaces the matrix by `U p(S) Vᵀ`.
  ///
  /// - Returns: How often a Gram matrix was computed anew.
  @discardableResult
  mutating func run(_ method: borrowing NewtonSchulz) -> Int {
    let packing = MatrixPacking(matrix: matrix, tiles: memory.tiles, measures: memory.measures)
    guard let rest = packing.multiply(gramProduct, method.epsilon, method.epsilonUse, crew) else { return 0 }
    if matrix.layout.iteratesPlainly {
      PlainIteration(memory, crew).run(method, rest, packing)
      return method.steps.count - 1
    }
    let restarts = needsRestarts(method) ? method.restarts : []
    for index in 0..<method.steps.count {
      let isLast = index + 1 == method.steps.count
      let isRestarted = restarts.contains(index + 1)
      step(method.step(index, rest), keepsGram: !isLast && !isRestarted)
      if isRestarted {
        gramProduct.run(making: RestartTask(q: memory.accumulated, tiles: memory.tiles), crew)
        isFresh = true
      }
    }
    let output = OutputTask(q: memory.accumulated, tiles: memory.tiles, a: nil, target: .matrix(packing))
    run(output, count: output.count)
    return restarts.count
  }

  /// Whether the restarts of a method are to be taken on this matrix, whose R has been computed.
  private func needsRestarts(_ method: borrowing NewtonSchulz) -> Bool {
    guard method.restartUse == .whereNeeded, !method.restarts.isEmpty, matrix.layout.mayDoWithoutRestarts else {
      return true
    }
    return !GramCondition(gram: memory.gram, memory: memory.factor, measures: memory.measures).isGood(crew)
  }

  private var gramProduct: GramProduct<Scalar> { GramProduct(tiles: memory.tiles, gram: memory.gram) }

  private mutating func step(_ step: NewtonSchulz.Step, keepsGram: Bool) {
    run(
      FactorTask(
        gram: memory.gram, factor: memory.factor, a: Scalar(step.a), b: Scalar(step.b), c: Scalar(step.c)),
      count: lowerCount)
    // R Z and Q Z do not need each other.
    run(
      ProductTask(
        half: lowerCount, factor: memory.factor, first: keepsGram ? (memory.gram, memory.product) : nil,
        second: isFresh ? nil : (memory.accumulated, memory.spare)),
      count: (keepsGram ? lowerCount : 0) + (isFresh ? 0 : lowerCount))
    if keepsGram {
      run(
        ProductTask(half: lowerCount, factor: memory.factor, first: (memory.product, memory.gram), second: nil),
        count: lowerCount)
    }
    if isFresh {
      swap(&memory.accumulated, &memory.factor)
    } else {
      swap(&memory.accumulated, &memory.spare)
    }
    isFresh = false
  }

  private func run(_ task: some MatrixTask<Scalar>, count: Int) { crew.run(task, count: count) }
}

/// `Z(i, j) ← a·I + b·R(i, j) + c·Σₖ R(i, k) R(k, j)`.
struct FactorTask<Scalar: BLASScalar>: MatrixTask {
  let gram: TiledMatrix<Scalar>
  let factor: TiledMatrix<Scalar>
  let a: Scalar
  let b: Scalar
  let c: Scalar

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  func run(_ index: Int, _ scratch: UnsafeMutablePointer<Scalar>) {
    let (i, j) = LowerTiles.tile(at: index)
    gram.multiply(i..<i + 1, gram, j, into: scratch, isSymmetric: true)
    let width = gram.width(j)
    Scalar._combine(c, scratch, b, gram.tile(i, j), gram.height(i) * width)
    if i == j { for place in 0..<width { scratch[place * (width + 1)] += a } }
    factor.storeSymmetric(i, j, scratch)
  }
}

/// One or two products of a symmetric matrix with Z.
private struct ProductTask<Scalar: BLASScalar>: MatrixTask {
  let half: Int
  let factor: TiledMatrix<Scalar>
  let first: (TiledMatrix<Scalar>, into: TiledMatrix<Scalar>)?
  let second: (TiledMatrix<Scalar>, into: TiledMatrix<Scalar>)?

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  func run(_ index: Int, _ scratch: UnsafeMutablePointer<Scalar>) {
    guard let (matrix, result) = index < half ? first ?? second : second else { return }
    let (i, j) = LowerTiles.tile(at: index < half ? index : index - half)
    matrix.multiply(i..<i + 1, factor, j, into: scratch, isSymmetric: true)
    result.storeSymmetric(i, j, scratch)
  }
}

/// `X(·, j) ← Q X(·, j)`.
private struct RestartTask<Scalar: BLASScalar>: ColumnTask {
  let q: TiledMatrix<Scalar>
  let tiles: TiledMatrix<Scalar>

  func count(_ columns: Range<Int>) -> Int { columns.count }

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  func run(_ index: Int, _ columns: Range<Int>, _ scratch: UnsafeMutablePointer<Scalar>) {
    let column = scratch + MatrixTile.count
    let j = columns.lowerBound + index
    let width = tiles.width(j)
    func place(_ i: Int) -> UnsafeMutablePointer<Scalar> { column + i * MatrixTile.side * width }
    for first in stride(from: 0, to: tiles.tileRows, by: 2) {
      q.multiply(first..<min(first + 2, tiles.tileRows), tiles, j, into: place(first))
    }
    for i in 0..<tiles.tileRows { tiles.tile(i, j).update(from: place(i), count: tiles.height(i) * width) }
  }
}

/// Two tiles of a column of `Q X`, or of `a·X + Q X`. Column by column, so that caches hold the tiles of X that several
/// tasks read.
struct OutputTask<Scalar: BLASScalar>: MatrixTask {
  let q: TiledMatrix<Scalar>
  let tiles: TiledMatrix<Scalar>
  let a: Scalar?
  let target: Target

  /// Where the product is written.
  enum Target {
    case tiles(TiledMatrix<Scalar>)
    case matrix(MatrixPacking<Scalar>)
  }

  private var pairs: Int { (tiles.tileRows + 1) / 2 }
  /// The number of tasks.
  var count: Int { pairs * tiles.tileColumns }

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  func run(_ index: Int, _ scratch: UnsafeMutablePointer<Scalar>) {
    let (j, pair) = index.quotientAndRemainder(dividingBy: pairs)
    let (rows, column) = (2 * pair..<min(2 * pair + 2, tiles.tileRows), scratch + MatrixTile.count)
    func place(_ i: Int) -> UnsafeMutablePointer<Scalar> {
      column + (i - rows.lowerBound) * MatrixTile.side * tiles.width(j)
    }
    if let a {
      for i in rows { Scalar._multiply(tiles.tile(i, j), by: (a, 1, 1), into: place(i), tiles.count(i, j)) }
    }
    q.multiply(rows, tiles, j, into: column, adds: a != nil)
    for i in rows {
      switch target {
      case .tiles(let result): result.tile(i, j).update(from: place(i), count: result.count(i, j))
      case .matrix(let packing): packing.unpack(i, j, place(i), scratch)
      }
    }
  }
}
