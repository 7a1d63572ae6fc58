import MomentumTestSupport
import XCTest

@testable import Momentum

/// The vector routines: strides, seams of long vectors, special factors, refusals. `BLAS.selfCheck` covers lengths,
/// alignments and plain values.
final class BLASLevel1Tests: XCTestCase {
  func testTablesOfTheReferenceTestsFloat() throws { try tables(Float.self) }
  func testTablesOfTheReferenceTestsDouble() throws { try tables(Double.self) }
  func testStridesAndSeamsFloat() throws { try stridesAndSeams(Float.self) }
  func testStridesAndSeamsDouble() throws { try stridesAndSeams(Double.self) }
  func testFactorsThatLibrariesDisagreeAboutFloat() throws { try specialFactors(Float.self) }
  func testFactorsThatLibrariesDisagreeAboutDouble() throws { try specialFactors(Double.self) }

  /// The cases of sblat1 with positive strides; passed within 1024 units of the size, as there.
  private func tables<S: BLASScalar>(_: S.Type) throws {
    let columns: [([S], nrm2: S, asum: S, iamax: Int?)] = [
      ([], 0, 0, nil), ([0.3], 0.3, 0.3, 0), ([0.3, -0.4], 0.5, 0.7, 1), ([0.2, -0.6, 0.3], 0.7, 1.1, 1),
      ([0.1, -0.3, 0.5, -0.1], 0.6, 1, 2), ([8, -7, 9, 5, 9, 8, 7, 7], 462.0.squareRoot().narrowed(), 60, 2),
    ]
    for (x, nrm2, asum, iamax) in columns {
      let scaled: [S] = x.map { $0 * 0.3 }
      for stride in [1, 2, 3] {
        let memory = GuardedMemory(spread(x, stride))
        let view = BLAS.MutableVector(memory.buffer.baseAddress, count: x.count, stride: stride)
        assertClose(Double(nrm2), try BLAS.nrm2(view.readOnly), ulps: 1024)
        assertClose(Double(asum), try BLAS.asum(view.readOnly), ulps: 1024)
        XCTAssertEqual(try BLAS.iamax(view.readOnly), iamax)
        try BLAS.scal(0.3, view)
        assertSameBits(spread(scaled, stride), memory.elements, "between the elements nothing changes")
        XCTAssertTrue(memory.guardsAreIntact)
      }
    }
    let x: [S] = [0.6, 0.1, -0.5, 0.8]
    let y: [S] = [0.5, -0.9, 0.3, 0.7]
    let dots: [S] = [0, 0.3, 0.21, 0.06, 0.62]
    for n in 0...4 {
      XCTAssertEqual(
        try BLAS.dot(Array(x[..<n]).span, Array(y[..<n]).span), dots[n], accuracy: 1024 * S.ulpOfOne * 3.2)
    }
    var sum = y
    var span = sum.mutableSpan
    try BLAS.axpy(0.3, x.span, into: &span)
    for (found, expected) in zip(sum, [0.68, -0.87, 0.15, 0.94] as [S]) {
      XCTAssertEqual(found, expected, accuracy: 1024 * S.ulpOfOne * 1.17)
    }
  }

  /// Long vectors are handed over in pieces; here of 64 elements, so that every routine crosses seams.
  private func stridesAndSeams<S: BLASScalar>(_: S.Type) throws {
    var random = SeededGenerator(seed: 101)
    for n in [0, 1, 31, 32, 63, 64, 65, 128, 200, 333] {
      for (xStride, yStride) in [(1, 1), (2, 1), (1, 3), (2, 2), (5, 7)] {
        // Small whole numbers: every sum is exact, so that a lost or doubled element cannot hide.
        let x: [S] = (0..<n).map { _ in S(Int.random(in: -8...8, using: &random)) }
        let y: [S] = (0..<n).map { _ in S(Int.random(in: -8...8, using: &random)) }
        let xMemory = GuardedMemory(spread(x, xStride))
        let yMemory = GuardedMemory(spread(y, yStride))
        xMemory.forbidWriting()
        let xView = BLAS.Vector(UnsafePointer(xMemory.buffer.baseAddress), count: n, stride: xStride)
        let yView = BLAS.MutableVector(yMemory.buffer.baseAddress, count: n, stride: yStride)
        let name = "n \(n), strides \(xStride), \(yStride)"
        try BLAS.$pieceCount.withValue(64) {
          XCTAssertEqual(try BLAS.dot(xView, yView.readOnly), zip(x, y).reduce(0) { $0 + $1.0 * $1.1 }, name)
          XCTAssertEqual(try BLAS.asum(xView), x.reduce(0) { $0 + $1.magnitude }, name)
          let norm = x.reduce(0) { $0 + $1 * $1 }.squareRoot()
          assertClose(Double(norm), try BLAS.nrm2(xView), ulps: 8, name)
          let largest = x.map(\.magnitude).max()
          XCTAssertEqual(try BLAS.iamax(xView), x.firstIndex { $0.magnitude == largest }, name)

          try BLAS.axpy(-3, xView, into: yView)
          assertSameBits(spread(zip(x, y).map { -3 * $0 + $1 }, yStride), yMemory.elements, name)
          try BLAS.scal(2, yView)
          assertSameBits(spread(zip(x, y).map { 2 * (-3 * $0 + $1) }, yStride), yMemory.elements, name)
          try BLAS.copy(xView, to: yView)
          assertSameBits(spread(x, yStride), yMemory.elements, name)
        }
        XCTAssertTrue(yMemory.guardsAreIntact, name)
      }
    }
  }

  func testASeamChangesNoBits() throws {
    var random = SeededGenerator(seed: 102)
    let (x, y): ([Float], [Float]) = (random.numbers(1000), random.numbers(1000))
    func axpy() throws -> [Float] {
      var result = y
      var span = result.mutableSpan
      try BLAS.axpy(0.7, x.span, into: &span)
      return result
    }
    assertSameBits(try axpy(), try BLAS.$pieceCount.withValue(64) { try axpy() })
  }

  func testNormsOfPiecesJoinWithoutOverflow() throws {
    let x = [Double](repeating: 1e300, count: 400)
    try BLAS.$pieceCount.withValue(64) {
      XCTAssertEqual(
        try x.withUnsafeBufferPointer { try BLAS.nrm2(BLAS.Vector($0)) }, 2e301, accuracy: 1e287)
    }
  }

  private func specialFactors<S: BLASScalar>(_: S.Type) throws {
    let x: [S] = [1, -2, .nan, .infinity, 0] + [S](repeating: 3, count: 40)
    for stride in [1, 2] {
      for factor: S in [0, -0.0, .nan, .infinity] {
        let memory = GuardedMemory(spread(x, stride))
        try BLAS.scal(factor, BLAS.MutableVector(memory.buffer.baseAddress, count: x.count, stride: stride))
        let found = Swift.stride(from: 0, to: memory.count, by: stride).map { memory.elements[$0] }
        for (i, value) in found.enumerated() {
          let expected = factor * x[i]
          XCTAssertTrue(
            expected.isNaN ? value.isNaN : value == expected && value.sign == expected.sign,
            "\(factor)·\(x[i]) is \(expected), not \(value)")
        }
        let sum = GuardedMemory(spread([S](repeating: 1, count: x.count), stride))
        let source = GuardedMemory(spread(x, stride))
        try BLAS.axpy(
          factor, BLAS.Vector(source.buffer.baseAddress, count: x.count, stride: stride),
          into: BLAS.MutableVector(sum.buffer.baseAddress, count: x.count, stride: stride))
        for i in x.indices {
          let (expected, value) = (1 + factor * x[i], sum.elements[i * stride])
          XCTAssertTrue(expected.isNaN ? value.isNaN : value == expected, "1 + \(factor)·\(x[i]) is not \(value)")
        }
      }
    }
  }

  func testRefusals() {
    let memory = GuardedMemory<Float>([1, 2, 3, 4])
    memory.forbidWriting()
    let base = memory.buffer.baseAddress
    let good = BLAS.MutableVector(base, count: 2)
    let other = BLAS.Vector(UnsafePointer(base! + 2), count: 2)
    for stride in [0, -1, 1 << 32] {
      let x = BLAS.Vector(UnsafePointer(base), count: 2, stride: stride)
      let y = BLAS.MutableVector(base, count: 2, stride: stride)
      let text = "stride of x is \(stride); expected a positive stride"
      expect(text) { try BLAS.dot(x, other) }
      expect(text) { try BLAS.nrm2(x) }
      expect(text) { try BLAS.asum(x) }
      expect(text) { try BLAS.iamax(x) }
      expect(text) { try BLAS.scal(2, y) }
      expect(text) { try BLAS.axpy(2, x, into: good) }
      expect(text) { try BLAS.copy(x, to: good) }
      expect("stride of y is \(stride); expected a positive stride") { try BLAS.copy(other, to: y) }
    }
    let three = BLAS.Vector(UnsafePointer(base), count: 3)
    expect("y has count 2; expected 3") { try BLAS.dot(three, other) }
    expect("y has count 2; expected 3") { try BLAS.axpy(1, three, into: good) }
    expect("x has count -1; expected 0") { try BLAS.asum(BLAS.Vector(UnsafePointer(base), count: -1)) }
    expect("x has count 5; expected 0") { try BLAS.asum(BLAS.Vector<Float>(nil, count: 5)) }
    expect("x and y overlap in memory; expected separate buffers") { try BLAS.axpy(2, good.readOnly, into: good) }
    let odd = BLAS.MutableVector(base! + 1, count: 2, stride: 2)
    expect("x and y overlap in memory; expected separate buffers") {
      try BLAS.copy(BLAS.Vector(UnsafePointer(base), count: 2, stride: 2), to: odd)
    }
    XCTAssertNoThrow(try BLAS.axpy(2, BLAS.Vector<Float>(nil, count: 0), into: BLAS.MutableVector(nil, count: 0)))
  }

  /// Elements a stride apart, with a mark between them.
  private func spread<S: BLASScalar>(_ x: [S], _ stride: Int) -> [S] {
    guard let last = x.last else { return [] }
    return x.dropLast().flatMap { [$0] + [S](repeating: 77, count: stride - 1) } + [last]
  }

  private func expect<R>(_ text: String, line: UInt = #line, _ body: () throws -> R) {
    XCTAssertThrowsError(try body(), text, line: line) { XCTAssertEqual("\($0)", text, line: line) }
  }
}

extension Double {
  fileprivate func narrowed<S: BLASScalar>() -> S { S(self) }
}
