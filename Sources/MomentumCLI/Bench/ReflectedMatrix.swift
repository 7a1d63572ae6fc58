import Foundation
import Momentum

/// A matrix whose singular value decomposition is known, `H M D K` with the reflections `H = I - 2·u·uᵀ` and
/// `K = I - 2·w·wᵀ` of unit vectors, numbers on the diagonal of D, and an orthogonal M that mixes them, so that they are in
/// all rows, as in matrices of random numbers; or the transpose of one, if it has more rows than columns. What Newton-Schulz
/// makes of it is `H M p(D) K`, and every element of that is a sum of four terms, whatever the size of the matrix.
struct ReflectedMatrix {
  private let isTransposed: Bool
  private let mixing: Mixing
  private let u, w: [Double]
  private let values: [Double]

  /// - Parameters:
  ///   - condition: The largest singular value by the smallest, between which each is smaller than the one before by the
  ///     same factor. `nil` for numbers evenly between the bounds of the singular values of a matrix of random numbers of one
  ///     variance, whose ratio is that of 1 + √q to 1 - √q for sides of the ratio q.
  ///   - seed: Other seeds make other reflections.
  init(rows: Int, columns: Int, condition: Double? = nil, seed: Int) {
    isTransposed = rows > columns
    let (count, length) = (min(rows, columns), max(rows, columns))
    u = Self.unitVector(count) { BenchMemory<Double>.gradient(seed &+ $0) }
    w = Self.unitVector(length) { BenchMemory<Double>.parameter(seed &+ $0) }
    mixing = Mixing(count: count)
    let spread = (Double(count) / Double(length)).squareRoot()
    let falling = (0..<count).map { index in
      // In the middle of equal parts, so that none is 0.
      let part = (Double(index) + 0.5) / Double(count)
      return condition.map { pow($0, -Double(index) / Double(max(count - 1, 1))) } ?? 1 + spread * (1 - 2 * part)
    }
    // Those of every block are from everywhere among them: multiples of the golden ratio, taken by their fractions.
    let golden = (5.squareRoot() - 1) / 2
    let order = (0..<count).map { (Double($0) * golden).truncatingRemainder(dividingBy: 1) }.enumerated()
      .sorted { $0.element < $1.element }
    values = order.map { falling[$0.offset] }
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
    let left = diagonal.indices.map { j in
      diagonal[j] * mixing.partners(of: j).reduce(0) { $0 + u[$1] * mixing[$1, j] }
    }
    let right = diagonal.indices.map { i in
      mixing.partners(of: i).reduce(0) { $0 + mixing[i, $1] * diagonal[$1] * w[$1] }
    }
    let middle = diagonal.indices.reduce(0) { $0 + left[$1] * w[$1] }
    return Elements(
      isTransposed: isTransposed, mixing: mixing, u: u, w: w, diagonal: diagonal, left: left, right: right,
      middle: middle)
  }

  /// `H M D K` element by element: `M D - 2·u·(uᵀM D) - 2·(M D w)·wᵀ + 4·(uᵀM D w)·u·wᵀ`.
  struct Elements {
    fileprivate let isTransposed: Bool
    fileprivate let mixing: Mixing
    fileprivate let u, w, diagonal, left, right: [Double]
    fileprivate let middle: Double

    subscript(row: Int, column: Int) -> Double {
      let (i, j) = isTransposed ? (column, row) : (row, column)
      let isSquare = j < diagonal.count
      let first = isSquare ? mixing[i, j] * diagonal[j] : 0
      let second = isSquare ? 2 * u[i] * left[j] : 0
      return first - second - 2 * right[i] * w[j] + 4 * middle * u[i] * w[j]
    }
  }
}

/// An orthogonal matrix of Hadamard matrices along the diagonal: of 64 × 64, then of smaller powers of two.
private struct Mixing {
  let count: Int

  /// The rows and columns of the Hadamard matrix that a row is part of.
  func partners(of index: Int) -> Range<Int> {
    var (first, side) = (index & -64, 64)
    while first + side > count {
      side /= 2
      if index >= first + side { first += side }
    }
    return first..<first + side
  }

  subscript(row: Int, column: Int) -> Double {
    let partners = partners(of: row)
    guard partners.contains(column) else { return 0 }
    let (i, j) = (row - partners.lowerBound, column - partners.lowerBound)
    let element = 1 / Double(partners.count).squareRoot()
    return (i & j).nonzeroBitCount % 2 == 0 ? element : -element
  }
}
