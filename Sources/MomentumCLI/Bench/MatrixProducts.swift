import Momentum

/// Products of two tiles that stay in cache, as many as have the operations of the engine's step, on as many threads: the
/// least time that its products can take.
final class TileProducts<Scalar: LimitScalar>: BenchContender, @unchecked Sendable {  // each thread has its own tiles
  private let team: EngineTeam
  private let memory: UnsafeMutablePointer<Scalar>
  /// Operations of one run.
  let operations: Double

  private static var side: Int { MatrixTile.side }
  private static var count: Int { MatrixTile.side * MatrixTile.side }

  init(operations: Double, threads: Int) {
    let ofProduct = Double(2 * Self.side * Self.count)
    let products = max(1, Int((operations / ofProduct).rounded()))
    self.operations = Double(products) * ofProduct
    // A team shares elements in units of tiles of vectors; here each of those stands for a product.
    team = EngineTeam(threads: threads, elements: products * Tile.count)
    memory = .allocate(capacity: team.count * 3 * Self.count)
    for index in 0..<team.count * 3 * Self.count { (memory + index).initialize(to: Self.element(index)) }
  }

  deinit { memory.deallocate() }

  private static func element(_ index: Int) -> Scalar { BenchMemory<Scalar>.gradient(index % (3 * count)) }

  func prepare() {}

  func run() {
    team.run { thread, share in
      let (a, side) = (memory + thread * 3 * Self.count, Self.side)
      let (b, c) = (a + Self.count, a + 2 * Self.count)
      for product in 0..<share.count / Tile.count {
        // The first one clears what was there, the others add up, as in a product of larger matrices.
        TileProduct.multiply(a, b, into: c, side, side, side, adds: product > 0)
      }
    }
  }

  /// Compares a tile of a run of one product with a plain loop.
  static func verify(row: String) throws {
    let products = TileProducts(operations: 1, threads: 1)
    products.run()
    let (a, b, c) = (products.memory, products.memory + count, products.memory + 2 * count)
    for (i, j) in [(0, 0), (side - 1, side - 1), (0, side - 1), (side / 2, 1)] {
      try verifyProduct(
        c[i * side + j], (0..<side).map { (a[i * side + $0], b[$0 * side + j]) }, "tile product", row)
    }
  }
}

/// One product of large square matrices by the BLAS, with its own threads.
final class LargeProduct<Scalar: LimitScalar>: BenchContender {
  static var side: Int { 2048 }
  static var operations: Double { 2 * Double(side) * Double(side) * Double(side) }
  private let memory: UnsafeMutablePointer<Scalar>
  private static var count: Int { side * side }

  init() {
    let (count, period) = (3 * Self.count, 10_007)
    memory = .allocate(capacity: count)
    for index in 0..<period { (memory + index).initialize(to: BenchMemory<Scalar>.gradient(index)) }
    for start in stride(from: period, to: count, by: period) {
      (memory + start).initialize(from: memory, count: min(period, count - start))
    }
  }

  deinit { memory.deallocate() }

  func prepare() {}
  func settle() { settleOpenBLAS() }

  func run() throws {
    func matrix(_ place: Int) -> BLAS.MutableMatrix<Scalar> {
      BLAS.MutableMatrix(memory + place * Self.count, rows: Self.side, columns: Self.side)
    }
    try BLAS.gemm(1, matrix(0).readOnly, matrix(1).readOnly, 0, into: matrix(2))
  }

  /// Compares some elements with plain loops.
  func verify(row: String) throws {
    try run()
    let (side, count) = (Self.side, Self.count)
    for (i, j) in [(0, 0), (side - 1, side - 1), (0, side - 1), (side / 2 + 1, 1)] {
      try verifyProduct(
        memory[2 * count + i * side + j],
        (0..<side).map { (memory[i * side + $0], memory[count + $0 * side + j]) }, "large product", row)
    }
  }
}

/// Compares an element of a product with the sum of its terms in Double.
private func verifyProduct<Scalar: BinaryFloatingPoint>(
  _ found: Scalar, _ factors: [(Scalar, Scalar)], _ name: String, _ row: String
) throws {
  let terms = factors.map { Double($0) * Double($1) }
  let expected = terms.reduce(0, +)
  let size = terms.reduce(0) { $0 + $1.magnitude }
  guard abs(Double(found) - expected) <= Double(terms.count + 4) * Double(Scalar.ulpOfOne) * size else {
    throw BenchFailure(row: row, contender: name, cause: "an element is \(found), expected \(expected)")
  }
}
