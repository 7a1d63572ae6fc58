/// The Cholesky factorisation `t·I - G = L Lᵀ` in tiles, for the question whether it exists: if it does, every eigenvalue
/// of G is below t, up to rounding.
///
/// LAPACK's is not used because its library brings others along that a program which clips and steps need not load.
struct CholeskyFactorization {
  let gram: TiledMatrix<Double>
  /// Memory for L.
  let factor: TiledMatrix<Double>

  func exists(below t: Double, _ crew: TaskCrew<Double>) -> Bool {
    for column in 0..<gram.tileColumns {
      // The tile on the diagonal first: those below it are divided by it.
      update(column, column, t)
      guard Self.factorize(factor.tile(column, column), factor.height(column)) else { return false }
      crew.run(ColumnTask(factorization: self, column: column, t: t), count: gram.tileRows - column - 1)
    }
    return true
  }

  /// `L(i, j) ← t·I - G(i, j) - Σₖ L(i, k) L(j, k)ᵀ` over the columns k of tiles before j.
  private func update(_ i: Int, _ j: Int, _ t: Double) {
    let (tile, source) = (factor.tile(i, j), gram.tile(i, j))
    let (height, width) = (factor.height(i), factor.width(j))
    for place in 0..<height * width { tile[place] = -source[place] }
    if i == j { for place in 0..<width { tile[place * (width + 1)] += t } }
    for k in 0..<j {
      let depth = Int32(factor.width(k))
      Double._gemm(
        false, true, Int32(height), Int32(width), depth, -1, factor.tile(i, k), depth, factor.tile(j, k), depth, 1,
        tile,
        Int32(width))
    }
  }

  /// The factorisation of a tile, of which only the half below the diagonal is read and written.
  private static func factorize(_ a: UnsafeMutablePointer<Double>, _ n: Int) -> Bool {
    for j in 0..<n {
      let row = a + j * n
      var pivot = row[j]
      for k in 0..<j { pivot -= row[k] * row[k] }
      // Written so that NaN fails it.
      guard pivot > 0 else { return false }
      row[j] = pivot.squareRoot()
      for i in j + 1..<max(n, j + 1) {
        let other = a + i * n
        var sum = other[j]
        for k in 0..<j { sum -= other[k] * row[k] }
        other[j] = sum / row[j]
      }
    }
    return true
  }

  /// A tile below the diagonal.
  private struct ColumnTask: MatrixTask {
    let factorization: CholeskyFactorization
    let column: Int
    let t: Double

    func run(_ index: Int, _ scratch: UnsafeMutablePointer<Double>) {
      let i = column + 1 + index
      factorization.update(i, column, t)
      let factor = factorization.factor
      let (tile, diagonal) = (factor.tile(i, column), factor.tile(column, column))
      let width = factor.width(column)
      // Rows are independent of each other, elements of a row are not.
      for row in 0..<factor.height(i) {
        let x = tile + row * width
        for j in 0..<width {
          let other = diagonal + j * width
          var sum = x[j]
          for k in 0..<j { sum -= x[k] * other[k] }
          x[j] = sum / other[j]
        }
      }
    }
  }
}
