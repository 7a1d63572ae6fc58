import CMomentumKernels
import MomentumTestSupport
import XCTest

@testable import Momentum

/// Products of tiles: chains of fused multiply-adds in the order of the depth, on vectors of any width.
final class TileProductTests: XCTestCase {
  private typealias Product<S> = (
    UnsafePointer<S>, UnsafePointer<S>, UnsafeMutablePointer<S>, Int, Int, Int, Int32
  ) -> Void

  func testProductsAreChainsOfMultiplyAddsFloat() throws {
    try productsAreChains(Float.self) { variant in { variant.multiply_float($0, $1, $2, $3, $4, $5, $6, $0, $1) } }
  }
  func testProductsAreChainsOfMultiplyAddsDouble() throws {
    try productsAreChains(Double.self) { variant in { variant.multiply_double($0, $1, $2, $3, $4, $5, $6, nil, $1) } }
  }

  private func productsAreChains<S: BLASScalar>(
    _: S.Type, _ product: (momentum_tile_products) -> Product<S>
  ) throws {
    var products: [(String, Product<S>)] = []
    while let variant = momentum_tile_products_variant(Int32(products.count))?.pointee {
      products.append((String(cString: variant.name), product(variant)))
    }
    XCTAssertEqual(momentum_has_tile_products() != 0, !products.isEmpty)
    XCTAssertNil(momentum_tile_products_variant(-1))
    guard !products.isEmpty else { throw XCTSkip("this processor has no fused multiply-add") }
    // The choice among them, as the engine makes it.
    products.append(("widest", { TileProduct.multiply($0, $1, into: $2, $3, $4, $5, adds: $6 != 0) }))

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
      for adds in [false, true] {
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
            x.readOnlyBuffer.baseAddress!, y.readOnlyBuffer.baseAddress!, z.buffer.baseAddress!, m, n, k, adds ? 1 : 0)
          XCTAssertTrue(
            zip(z.buffer, expected).allSatisfy { $0 == $1 || $0.isNaN && $1.isNaN },
            "\(name): \(m) x \(k) times \(k) x \(n), adds: \(adds)")
          XCTAssertTrue(x.guardsAreIntact && y.guardsAreIntact && z.guardsAreIntact, "\(name): \(m) x \(k) x \(n)")
        }
      }
    }
  }

  func testTransposedFactorsFloat() { transposedFactors(Float.self) }
  func testTransposedFactorsDouble() { transposedFactors(Double.self) }

  private func transposedFactors<S: BLASScalar>(_: S.Type) {
    var random = SeededGenerator(seed: 152)
    for _ in 0..<40 {
      let (m, n, k) = (
        Int.random(in: 1...64, using: &random), Int.random(in: 1...64, using: &random),
        Int.random(in: 1...64, using: &random)
      )
      let (a, b): ([S], [S]) = (random.numbers(m * k), random.numbers(n * k))
      var straight = [S](repeating: 0, count: k * n)
      for i in 0..<n { for depth in 0..<k { straight[depth * n + i] = b[i * k + depth] } }
      var (c, d) = ([S](repeating: 0.5, count: m * n), [S](repeating: 0.5, count: m * n))
      var scratch = [S](repeating: .nan, count: MatrixTile.count)
      TileProduct.multiply(a, transposed: b, into: &c, m, n, k, adds: true, scratch: &scratch)
      TileProduct.multiply(a, straight, into: &d, m, n, k, adds: true)
      XCTAssertEqual(c, d, "\(m) x \(k) times the transpose of \(n) x \(k)")
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
