import CMomentumKernels
import MomentumTestSupport
import XCTest

@testable import Momentum

/// Products of tiles: chains of fused multiply-adds in the order of the depth, on vectors of any width.
final class TileProductTests: XCTestCase {
  private typealias Product<S> = (
    UnsafePointer<S>, UnsafePointer<S>, UnsafeMutablePointer<S>, Int, Int, Int, Int32, Int32
  ) -> Void

  func testProductsAreChainsOfMultiplyAddsFloat() {
    productsAreChains(Float.self) { variant in { variant.multiply_float($0, $1, $2, $3, $4, $5, $6, $7, $0, $1) } }
  }
  func testProductsAreChainsOfMultiplyAddsDouble() {
    productsAreChains(Double.self) { variant in { variant.multiply_double($0, $1, $2, $3, $4, $5, $6, $7, nil, $1) }
    }
  }

  private func productsAreChains<S: BLASScalar>(
    _: S.Type, _ product: (momentum_tile_products) -> Product<S>
  ) {
    var products: [(String, Product<S>)] = []
    while let variant = momentum_tile_products_variant(Int32(products.count))?.pointee {
      products.append((String(cString: variant.name), product(variant)))
    }
    XCTAssertEqual(momentum_has_tile_products() != 0, !products.isEmpty)
    XCTAssertNil(momentum_tile_products_variant(-1))
    // The choice among them, as the engine makes it. A processor without fused multiply-add has none: see the products by BLAS.
    if !products.isEmpty {
      products.append(
        ("widest", { TileProduct.multiply($0, $1, into: $2, $3, $4, $5, adds: $6 != 0, lower: $7 != 0) }))
    }

    var random = SeededGenerator(seed: 151)
    let sizes = [
      (64, 64, 64), (64, 64, 1), (64, 64, 63), (1, 1, 1), (63, 47, 64), (5, 33, 7), (64, 1, 64), (1, 64, 64),
    ]
    for round in 0..<sizes.count + 60 {
      let (m, n, k) =
        round < sizes.count
        ? sizes[round]
        : (
          .random(in: 1...64, using: &random), .random(in: 1...64, using: &random), .random(in: 1...64, using: &random)
        )
      let a: [S] = random.numbers(m * k, exponents: -6...6)
      var b: [S] = random.numbers(k * n, exponents: -6...6)
      if round % 9 == 4 { b[b.count / 2] = round % 2 == 0 ? .nan : .infinity }
      let before: [S] = random.numbers(m * n, exponents: -6...6)
      for (adds, lower) in [(false, false), (true, false), (false, true), (true, true)] where !lower || m == n {
        var expected = before
        for i in 0..<m {
          for j in 0..<n {
            var sum: S = 0
            for depth in 0..<k { sum = sum.addingProduct(a[i * k + depth], b[depth * n + j]) }
            expected[i * n + j] = adds ? before[i * n + j] + sum : sum
          }
        }
        for (name, multiply) in products {
          let (x, y, z) = (
            GuardedMemory(a, shift: round % 16), GuardedMemory(b, shift: round % 7),
            GuardedMemory(before, shift: round % 5)
          )
          multiply(
            x.readOnlyBuffer.baseAddress!, y.readOnlyBuffer.baseAddress!, z.buffer.baseAddress!, m, n, k, adds ? 1 : 0,
            lower ? 1 : 0)
          func isSame(_ x: S, _ y: S) -> Bool { x == y || x.isNaN && y.isNaN }
          XCTAssertTrue(
            z.buffer.indices.allSatisfy {
              isSame(z.buffer[$0], expected[$0]) || lower && $0 % n > $0 / n && isSame(z.buffer[$0], before[$0])
            },
            "\(name): \(m) x \(k) times \(k) x \(n), adds: \(adds), lower: \(lower)")
          XCTAssertTrue(x.guardsAreIntact && y.guardsAreIntact && z.guardsAreIntact, "\(name): \(m) x \(k) x \(n)")
        }
      }
    }
  }

  func testProductsByBLASFloat() { productsByBLAS(Float.self) }
  func testProductsByBLASDouble() { productsByBLAS(Double.self) }

  /// The products of processors without loops, within a rounding for each product and each sum.
  private func productsByBLAS<S: BLASScalar>(_: S.Type) {
    var random = SeededGenerator(seed: 153)
    for (m, n, k) in [(64, 64, 64), (63, 47, 64), (5, 33, 7), (64, 1, 64), (1, 64, 1)] {
      let (a, b): ([S], [S]) = (random.numbers(m * k), random.numbers(k * n))
      let before: [S] = random.numbers(m * n)
      for adds in [false, true] {
        let c = GuardedMemory(before, shift: 1)
        TileProduct.multiplyByBLAS(a, b, into: c.buffer.baseAddress!, m, n, k, adds: adds)
        for index in 0..<m * n {
          let (i, j) = index.quotientAndRemainder(dividingBy: n)
          let terms =
            (0..<k).map { Double(a[i * k + $0]) * Double(b[$0 * n + j]) } + (adds ? [Double(before[index])] : [])
          let (sum, reach) = (terms.reduce(0, +), terms.reduce(0) { $0 + $1.magnitude })
          XCTAssertEqual(
            Double(c.buffer[index]), sum, accuracy: Double(2 * k + 2) * Double(S.ulpOfOne) * reach,
            "\(S.self), \(m) x \(k) times \(k) x \(n), adds: \(adds), at \(index)")
        }
        XCTAssertTrue(c.guardsAreIntact)
      }
    }
  }

  func testGramTilesFloat() { gramTiles(Float.self) }
  func testGramTilesDouble() { gramTiles(Double.self) }

  /// `X Xᵀ` by tiles, several rows of them at once, against products of single tiles with transposes.
  private func gramTiles<S: BLASScalar>(_: S.Type) {
    var random = SeededGenerator(seed: 152)
    for (rows, columns) in [(1, 1), (64, 64), (65, 200), (190, 130), (200, 64)] {
      let x: [S] = random.numbers(rows * columns)
      let tiles = TiledMatrix<S>(base: .allocate(capacity: rows * columns), rows: rows, columns: columns)
      let gram = TiledMatrix<S>(base: .allocate(capacity: rows * rows), rows: rows, columns: rows)
      defer {
        tiles.base.deallocate()
        gram.base.deallocate()
      }
      for index in 0..<rows * columns {
        let (row, column) = index.quotientAndRemainder(dividingBy: columns)
        let (i, j) = (row / MatrixTile.side, column / MatrixTile.side)
        tiles.tile(i, j)[row % MatrixTile.side * tiles.width(j) + column % MatrixTile.side] = x[index]
      }
      let scratch = UnsafeMutablePointer<S>.allocate(capacity: 4 * MatrixTile.count)
      defer { scratch.deallocate() }
      scratch.initialize(repeating: .nan, count: 4 * MatrixTile.count)
      let task = GramTask(tiles: tiles, gram: gram, depth: 0..<tiles.tileColumns)
      for index in 0..<task.count { task.run(index, scratch) }

      for i in 0..<tiles.tileRows {
        for j in 0...i {
          let (m, n) = (tiles.height(i), tiles.height(j))
          var expected = [S](repeating: 0, count: m * n)
          for k in 0..<tiles.tileColumns {
            var straight = [S](repeating: 0, count: tiles.count(j, k))
            S._transposeTile(tiles.tile(j, k), n, tiles.width(k), into: &straight)
            TileProduct.multiply(tiles.tile(i, k), straight, into: &expected, m, n, tiles.width(k), adds: k > 0)
          }
          for place in 0..<m * n {
            let (row, column) = place.quotientAndRemainder(dividingBy: n)
            let value = expected[i == j ? max(row, column) * n + min(row, column) : place]
            XCTAssertEqual(gram.tile(i, j)[place], value, "\(rows) × \(columns), (\(i), \(j))")
            XCTAssertEqual(gram.tile(j, i)[column * m + row], value, "\(rows) × \(columns), (\(j), \(i))")
          }
        }
      }
    }
  }

  func testGramProductInPiecesFloat() { gramProductInPieces(Float.self) }
  func testGramProductInPiecesDouble() { gramProductInPieces(Double.self) }

  /// Copies some columns of tiles of a matrix.
  private struct CopyTask<S: BLASScalar>: ColumnTask {
    let source: TiledMatrix<S>
    let tiles: TiledMatrix<S>

    func count(_ columns: Range<Int>) -> Int { columns.count }

    func run(_ index: Int, _ columns: Range<Int>, _ scratch: UnsafeMutablePointer<S>) {
      let j = columns.lowerBound + index
      for i in 0..<tiles.tileRows { tiles.tile(i, j).update(from: source.tile(i, j), count: tiles.count(i, j)) }
    }
  }

  /// `X Xᵀ` of an X that is made meanwhile, in more pieces than one, has the bits of that of an X that is there.
  private func gramProductInPieces<S: BLASScalar>(_: S.Type) {
    var random = SeededGenerator(seed: 153)
    for (rows, columns) in [(3, 20000), (70, 17000), (200, 12345), (1, 64), (130, 140)] {
      func matrix(_ rows: Int, _ columns: Int, _ values: [S]) -> TiledMatrix<S> {
        let base = UnsafeMutablePointer<S>.allocate(capacity: rows * columns)
        for index in 0..<rows * columns { base[index] = values[index] }
        return TiledMatrix(base: base, rows: rows, columns: columns)
      }
      let nothing = [S](repeating: .nan, count: max(rows * columns, rows * rows))
      let x = matrix(rows, columns, random.numbers(rows * columns))
      let made = matrix(rows, columns, nothing)
      let (whole, pieces) = (matrix(rows, rows, nothing), matrix(rows, rows, nothing))
      defer { for matrix in [x, made, whole, pieces] { matrix.base.deallocate() } }
      let layout = MatrixLayout(rows: rows, columns: columns)
      for threads in [1, 3] {
        guard let workspace = try? MatrixWorkspace<S>(CollectionOfOne(layout), threads: threads) else {
          return XCTFail("no memory")
        }
        let call = EngineCall.begin()
        defer { call.end() }
        let crew = TaskCrew(MatrixWork.team(threads, for: layout), workspace)
        GramProduct(tiles: x, gram: whole).run(crew)
        made.base.update(repeating: .nan, count: rows * columns)
        GramProduct(tiles: made, gram: pieces).run(making: CopyTask(source: x, tiles: made), crew)
        for place in 0..<rows * rows where whole.base[place] != pieces.base[place] {
          return XCTFail("\(rows) × \(columns), element \(place): \(pieces.base[place]), not \(whole.base[place])")
        }
      }
    }
  }

  func testCopiesFloat() { copies(Float.self) }
  func testCopiesDouble() { copies(Double.self) }

  private func copies<S: BLASScalar>(_: S.Type) {
    for (m, n, xRow, yRow) in [
      (64, 64, 64, 64), (64, 64, 201, 64), (63, 64, 64, 90), (5, 17, 40, 17), (1, 1, 1, 1), (9, 63, 70, 63),
    ] {
      let x = (0..<m * xRow).map { S($0) }
      let y = GuardedMemory([S](repeating: -1, count: m * yRow), shift: n % 16)
      S._copyTile(x, xRow, into: y.buffer.baseAddress!, yRow, m, n)
      let expected = (0..<m * yRow).map { $0 % yRow < n ? x[$0 / yRow * xRow + $0 % yRow] : -1 }
      XCTAssertEqual(Array(y.buffer), expected, "\(m) x \(n) of rows of \(xRow) to rows of \(yRow)")
      XCTAssertTrue(y.guardsAreIntact)
    }
  }

  func testProductsWithPowersOfTwoFloat() { productsWithPowersOfTwo(Float.self) }
  func testProductsWithPowersOfTwoDouble() { productsWithPowersOfTwo(Double.self) }

  /// Each product is rounded by itself, also where numbers become subnormal.
  private func productsWithPowersOfTwo<S: BLASScalar>(_: S.Type) {
    var random = SeededGenerator(seed: 154)
    let least = S.leastNormalMagnitude
    for count in Array(0...40) + [4096] {
      let x: [S] = random.numbers(count)
      for factors in [(S(1), S(1), S(0)), (4, 0.5, 0.25), (least * 4, 1, 0.125), (least, 0.25, 8)] {
        let expected = x.map { $0 * factors.0 * factors.1 * factors.2 }
        var (other, same) = ([S](repeating: .nan, count: count), x)
        S._multiply(x, by: factors, into: &other, count)
        same.withUnsafeMutableBufferPointer {
          if let base = $0.baseAddress { S._multiply(base, by: factors, into: base, count) }
        }
        XCTAssertEqual(other, expected, "\(count) elements")
        XCTAssertEqual(same, expected, "\(count) elements in place")
      }
    }
  }

  func testTransposesFloat() { transposes(Float.self) }
  func testTransposesDouble() { transposes(Double.self) }

  private func transposes<S: BLASScalar>(_: S.Type) {
    for m in Array(1...17) + [31, 32, 33, 63, 64] {
      for n in Array(1...17) + [31, 40, 64] {
        let x = GuardedMemory((0..<m * n).map { S($0) }, shift: (m + n) % 16)
        let y = GuardedMemory([S](repeating: -1, count: m * n), shift: m % 16)
        S._transposeTile(x.readOnlyBuffer.baseAddress!, m, n, into: y.buffer.baseAddress!)
        XCTAssertTrue((0..<m * n).allSatisfy { y.buffer[$0 % n * m + $0 / n] == S($0) }, "\(m) x \(n)")
        XCTAssertTrue(x.guardsAreIntact && y.guardsAreIntact, "\(m) x \(n)")
      }
    }
  }
}
