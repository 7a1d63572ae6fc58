/// The Cholesky factorisation `A = Uᵀ U` in tiles of `t·I - G` or `G - t·I`, for the question whether it exists: if it does,
/// every eigenvalue of G is below t, or above it, up to rounding.
///
/// LAPACK's is not used because its library brings others along that a program which clips and steps need not load, and
/// starts threads of its own. Every tile is computed in a fixed order, so that the answer does not depend on the number of
/// threads.
struct CholeskyFactorization<Scalar: BLASScalar> {
  /// G, both halves of it.
  let gram: TiledMatrix<Scalar>
  /// Memory for U, whose tiles above the diagonal lie below it too, transposed and with the other sign: so what they take
  /// from later tiles is a product that adds.
  let factor: TiledMatrix<Scalar>

  /// Whether `t·I - G` has a factorisation.
  func exists(below t: Scalar, _ crew: TaskCrew<Scalar>) -> Bool { exists(sign: -1, shift: t, crew) }

  /// Whether `G - t·I` has a factorisation.
  func exists(above t: Scalar, _ crew: TaskCrew<Scalar>) -> Bool { exists(sign: 1, shift: -t, crew) }

  private func exists(sign: Scalar, shift: Scalar, _ crew: TaskCrew<Scalar>) -> Bool {
    var task = RowTask(gram: gram, factor: factor, sign: sign, shift: shift)
    task.factorizeDiagonal(0)
    for row in 0..<factor.tileRows {
      guard task.isFactorized(row) else { return false }
      task.row = row
      crew.run(task, count: factor.tileColumns - row - 1)
    }
    return true
  }

  /// The tiles of U in a row of tiles, right of the diagonal. The first task goes on to the next tile on the diagonal, while
  /// other threads do the others.
  private struct RowTask: MatrixTask {
    let gram: TiledMatrix<Scalar>
    let factor: TiledMatrix<Scalar>
    let sign: Scalar
    let shift: Scalar
    var row = 0

    @specialized(where Scalar == Float)
    @specialized(where Scalar == Double)
    func run(_ index: Int, _ scratch: UnsafeMutablePointer<Scalar>) {
      let column = row + 1 + index
      let tile = factor.tile(row, column)
      update(row, column)
      Scalar._solveTile(factor.tile(row, row), factor.height(row), tile, factor.width(column))
      Scalar._multiply(tile, by: (-1, 1, 1), into: scratch, factor.count(row, column))
      Scalar._transposeTile(scratch, factor.height(row), factor.width(column), into: factor.tile(column, row))
      if index == 0 { factorizeDiagonal(column) }
    }

    /// Whether a tile on the diagonal has a factorisation.
    func isFactorized(_ i: Int) -> Bool { factor.tile(i, i)[factor.count(i, i) - 1] > 0 }

    /// Makes U in a tile on the diagonal, or writes 0 in its last place.
    func factorizeDiagonal(_ i: Int) {
      update(i, i)
      let (a, n) = (factor.tile(i, i), factor.height(i))
      if !Scalar._factorizeTile(a, n) { a[n * n - 1] = 0 }
    }

    /// `U(i, j) ← A(i, j) - Σₖ U(k, i)ᵀ U(k, j)` over the rows k of tiles before i.
    private func update(_ i: Int, _ j: Int) {
      let (tile, source, width) = (factor.tile(i, j), gram.tile(i, j), factor.width(j))
      Scalar._multiply(source, by: (sign, 1, 1), into: tile, factor.count(i, j))
      if i == j { for place in 0..<width { tile[place * (width + 1)] += shift } }
      factor.multiply(i..<i + 1, factor, j, depth: i, into: tile, adds: true)
    }
  }
}
