import Momentum

/// A matrix whose singular value decomposition is known, `H D K` with the reflections `H = I - 2·u·uᵀ` and
/// `K = I - 2·w·wᵀ` of unit vectors and falling numbers on the diagonal of D. What Newton-Schulz makes of it is `H p(D) K`,
/// and every element of that is a sum of four terms, whatever the size of the matrix.
struct ReflectedMatrix {
  private let rows, columns: Int
  private let u, w: [Double]
  private let values: [Double]

  /// The largest singular value by the smallest one.
  private static let condition = 100.0

  /// - Parameter seed: Other seeds make other reflections.
  init(rows: Int, columns: Int, seed: Int) {
    (self.rows, self.columns) = (rows, columns)
    u = Self.unitVector(rows) { BenchMemory<Double>.gradient(seed &+ $0) }
    w = Self.unitVector(columns) { BenchMemory<Double>.parameter(seed &+ $0) }
    let count = min(rows, columns)
    values = (0..<count).map { 1 / (1 + (Self.condition - 1) * Double($0) / Double(count)) }
  }

  /// No element is much smaller than others, so that each reflection changes every element of the matrix.
  private static func unitVector(_ count: Int, _ number: (Int) -> Double) -> [Double] {
    let vector = (0..<count).map { index in
      let number = number(index)
      return (number < 0 ? -1 : 1) * (0.5 + number.magnitude / 2)
    }
    let norm = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
    return vector.map { $0 / norm }
  }

  private var norm: Double { values.reduce(0) { $0 + $1 * $1 }.squareRoot() }

  /// The matrix itself.
  var elements: Elements { elements { $0 } }

  /// The matrix whose singular values are a function of those of this one divided by its Frobenius norm.
  func orthogonalized(_ polynomial: (Double) -> Double) -> Elements {
    let norm = norm
    return elements { polynomial($0 / norm) }
  }

  private func elements(_ function: (Double) -> Double) -> Elements {
    let diagonal = values.map(function)
    let middle = diagonal.indices.reduce(0) { $0 + u[$1] * diagonal[$1] * w[$1] }
    return Elements(u: u, w: w, diagonal: diagonal, middle: middle)
  }

  /// `H D K` element by element: `D - 2·u·(uᵀD) - 2·(D w)·wᵀ + 4·(uᵀD w)·u·wᵀ`.
  struct Elements {
    fileprivate let u, w, diagonal: [Double]
    fileprivate let middle: Double

    subscript(row: Int, column: Int) -> Double {
      let ofRow = row < diagonal.count ? diagonal[row] : 0
      let ofColumn = column < diagonal.count ? diagonal[column] : 0
      let first = row == column ? ofRow : 0
      let second = ofColumn == 0 ? 0 : 2 * u[row] * u[column] * ofColumn
      let third = ofRow == 0 ? 0 : 2 * ofRow * w[row] * w[column]
      let fourth = 4 * middle * u[row] * w[column]
      return first - second - third + fourth
    }
  }
}
