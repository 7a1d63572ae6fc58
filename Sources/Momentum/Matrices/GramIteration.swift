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
  mutating func run(_ method: borrowing NewtonSchulz) {
    let packing = MatrixPacking(matrix: matrix, tiles: memory.tiles, measures: memory.measures)
    guard let rest = packing.normalize(method.epsilon, method.epsilonUse, crew) else { return }
    computeGram()
    for index in 0..<method.steps.count {
      let isLast = index + 1 == method.steps.count
      let restarts = method.restarts.contains(index + 1)
      let (factors, square, all) = (method.steps[index], rest * rest, isLast ? rest : 1)
      step(
        NewtonSchulz.Step(factors.a * all, factors.b * square * all, factors.c * square * square * all),
        keepsGram: !isLast && !restarts)
      if restarts {
        run(RestartTask(q: memory.accumulated, tiles: memory.tiles), count: memory.tiles.tileColumns)
        computeGram()
        isFresh = true
      }
    }
    run(OutputTask(q: memory.accumulated, tiles: memory.tiles, packing: packing), count: memory.tiles.tileCount)
  }

  private func computeGram() {
    run(GramTask(tiles: memory.tiles, gram: memory.gram), count: lowerCount)
  }

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

/// `R(i, j) ← Σₖ X(i, k) X(j, k)ᵀ`.
struct GramTask<Scalar: BLASScalar>: MatrixTask {
  let tiles: TiledMatrix<Scalar>
  let gram: TiledMatrix<Scalar>

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  func run(_ index: Int, _ scratch: UnsafeMutablePointer<Scalar>) {
    let (i, j) = LowerTiles.tile(at: index)
    tiles.multiplyByOwnTranspose(i, j, into: scratch, scratch: scratch + MatrixTile.count)
    gram.storeSymmetric(i, j, scratch)
  }
}

/// `Z(i, j) ← a·I + b·R(i, j) + c·Σₖ R(i, k) R(k, j)`.
private struct FactorTask<Scalar: BLASScalar>: MatrixTask {
  let gram: TiledMatrix<Scalar>
  let factor: TiledMatrix<Scalar>
  let a: Scalar
  let b: Scalar
  let c: Scalar

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  func run(_ index: Int, _ scratch: UnsafeMutablePointer<Scalar>) {
    let (i, j) = LowerTiles.tile(at: index)
    gram.multiply(i, gram, j, into: scratch)
    let own = gram.tile(i, j)
    let width = gram.width(j)
    for place in 0..<gram.height(i) * width { scratch[place] = c * scratch[place] + b * own[place] }
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
    matrix.multiply(i, factor, j, into: scratch)
    result.storeSymmetric(i, j, scratch)
  }
}

/// `X(·, j) ← Q X(·, j)`.
private struct RestartTask<Scalar: BLASScalar>: MatrixTask {
  let q: TiledMatrix<Scalar>
  let tiles: TiledMatrix<Scalar>

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  func run(_ index: Int, _ scratch: UnsafeMutablePointer<Scalar>) {
    let column = scratch + MatrixTile.count
    let width = tiles.width(index)
    for i in 0..<tiles.tileRows { q.multiply(i, tiles, index, into: column + i * MatrixTile.side * width) }
    for i in 0..<tiles.tileRows {
      tiles.tile(i, index).update(from: column + i * MatrixTile.side * width, count: tiles.height(i) * width)
    }
  }
}

/// The tile (i, j) of Q X, written to where the matrix lies.
private struct OutputTask<Scalar: BLASScalar>: MatrixTask {
  let q: TiledMatrix<Scalar>
  let tiles: TiledMatrix<Scalar>
  let packing: MatrixPacking<Scalar>

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  func run(_ index: Int, _ scratch: UnsafeMutablePointer<Scalar>) {
    let (i, j) = tiles.place(index)
    q.multiply(i, tiles, j, into: scratch)
    packing.unpack(i, j, scratch)
  }
}
