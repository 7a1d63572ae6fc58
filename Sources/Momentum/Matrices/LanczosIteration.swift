/// The Lanczos iteration on a symmetric matrix with full reorthogonalisation: an orthonormal basis in which the matrix
/// becomes tridiagonal, one vector a step. The largest eigenvalue of the small matrix rises to that of the large one.
struct LanczosIteration: ~Copyable {
  private let matrix: TiledMatrix<Double>
  private let crew: TaskCrew<Double>
  private let basis: OwnedBuffer<Double>
  private let most: Int
  private var limit: Int
  private var diagonal: [Double] = []
  private var besides: [Double] = []
  /// The number of steps so far.
  var count: Int { diagonal.count }
  /// The largest eigenvalue of the tridiagonal matrix.
  private(set) var largest = 0.0
  /// Whether the basis does not yet span a space that the matrix maps into itself, and there is memory for more.
  private(set) var canContinue = true

  private static let firstLimit = 60

  init(_ matrix: TiledMatrix<Double>, most: Int, _ crew: TaskCrew<Double>) throws(MomentumError) {
    (self.matrix, self.crew, self.most) = (matrix, crew, most)
    limit = min(most, Self.firstLimit)
    basis = try OwnedBuffer(count: (most + 1) * matrix.rows)
    // The bits of a fixed random vector: it has a part along every eigenvector, unless one was made against it.
    let first = basis.base
    var state: UInt64 = 0x9e37_79b9_7f4a_7c15
    for i in 0..<matrix.rows {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      first[i] = Double(Int64(bitPattern: state) >> 11) * 0x1p-52
    }
    _ = Self.normalize(first, matrix.rows)
  }

  /// Steps until the largest eigenvalue rises by less than a fraction of itself in three steps.
  mutating func run(until tolerance: Double) {
    var calm = 0
    while canContinue, count < limit, calm < 3 {
      let before = largest
      step()
      largest = TridiagonalMatrix(diagonal: diagonal, besides: besides).largestEigenvalue()
      calm = largest - before <= tolerance * largest ? calm + 1 : 0
    }
  }

  /// Allows more steps.
  mutating func extend() { limit = min(most, 2 * limit) }

  private mutating func step() {
    let n = matrix.rows
    let vector = basis.base + count * n
    let next = vector + n
    crew.run(ProductTask(matrix: matrix, vector: vector, result: next), count: matrix.tileRows)
    diagonal.append(Self.dot(vector, next, n))
    // Twice is enough (Parlett, The symmetric eigenvalue problem, section 6.9).
    for _ in 0..<2 {
      for k in 0..<count {
        let known = basis.base + k * n
        Self.subtract(Self.dot(known, next, n), known, from: next, n)
      }
    }
    let norm = Self.normalize(next, n)
    let scale = diagonal.reduce(0) { max($0, $1.magnitude) }
    canContinue = norm > Double(n) * .ulpOfOne * scale && count < most
    besides.append(norm)
  }

  // MARK: - Vectors, in pieces for which OpenBLAS starts no threads

  private static func dot(_ x: UnsafePointer<Double>, _ y: UnsafePointer<Double>, _ n: Int) -> Double {
    var sum = 0.0
    for start in stride(from: 0, to: n, by: Tile.count) {
      sum += Double._dot(Int32(min(Tile.count, n - start)), x + start, 1, y + start, 1)
    }
    return sum
  }

  private static func subtract(
    _ factor: Double, _ x: UnsafePointer<Double>, from y: UnsafeMutablePointer<Double>, _ n: Int
  ) {
    for start in stride(from: 0, to: n, by: Tile.count) {
      Double._axpy(Int32(min(Tile.count, n - start)), -factor, x + start, 1, y + start, 1)
    }
  }

  /// Divides a vector by its norm, unless that is 0.
  private static func normalize(_ x: UnsafeMutablePointer<Double>, _ n: Int) -> Double {
    let norm = dot(x, x, n).squareRoot()
    if norm > 0 { for i in 0..<n { x[i] /= norm } }
    return norm
  }

  /// The part of the product of the matrix with a vector that a row of tiles gives.
  private struct ProductTask: MatrixTask {
    let matrix: TiledMatrix<Double>
    let vector: UnsafePointer<Double>
    let result: UnsafeMutablePointer<Double>

    func run(_ index: Int, _ scratch: UnsafeMutablePointer<Double>) {
      let height = Int32(matrix.height(index))
      for j in 0..<matrix.tileColumns {
        let width = Int32(matrix.width(j))
        Double._gemv(
          false, height, width, 1, matrix.tile(index, j), width, vector + j * MatrixTile.side, 1, j == 0 ? 0 : 1,
          result + index * MatrixTile.side, 1)
      }
    }
  }
}

/// A symmetric matrix with elements on its diagonal and beside it.
struct TridiagonalMatrix {
  let diagonal: [Double]
  /// One element more than needed is allowed, and not looked at.
  let besides: [Double]

  /// The largest eigenvalue, by bisection: a number below it.
  func largestEigenvalue() -> Double {
    // Gershgorin's circles.
    var (lower, upper) = (-Double.infinity, -Double.infinity)
    for i in diagonal.indices {
      let radius = (i > 0 ? besides[i - 1] : 0) + (i + 1 < diagonal.count ? besides[i] : 0)
      lower = max(lower, diagonal[i])
      upper = max(upper, diagonal[i] + radius)
    }
    while true {
      let middle = lower + (upper - lower) / 2
      guard middle > lower, middle < upper else { return lower }
      if hasEigenvalue(atLeast: middle) { lower = middle } else { upper = middle }
    }
  }

  /// Whether there is an eigenvalue that is not below a number: whether `T - x·I` has a pivot that is not negative.
  private func hasEigenvalue(atLeast x: Double) -> Bool {
    var pivot = diagonal[0] - x
    for i in diagonal.indices.dropFirst() {
      guard pivot < 0 else { return true }
      pivot = diagonal[i] - x - besides[i - 1] * besides[i - 1] / pivot
    }
    return pivot >= 0
  }
}
