import MomentumTestSupport
import XCTest

@testable import Momentum

/// Per-example clipping against plain loops.
final class PerExampleClippingTests: XCTestCase {
  func testAveragesAgreeWithPlainLoopsFloat() throws { try agrees(Float.self) }
  func testAveragesAgreeWithPlainLoopsDouble() throws { try agrees(Double.self) }

  /// A step from row to row that is longer than a row.
  private func run<S: BLASScalar>(
    _ rows: [[S]], _ clipping: PerExampleClipping, layout: ParameterLayout? = nil, gap: Int = 0, seed: UInt64 = 1
  ) throws -> (gradient: [S], report: PerExampleReport) {
    let columns = rows[0].count
    let memory = GuardedMemory(rows.flatMap { $0 + Array(repeating: S.nan, count: gap) }, shift: 3)
    memory.forbidWriting()
    let gradient = GuardedMemory(Array(repeating: S.nan, count: columns), shift: 1)
    var random = SeededGenerator(seed: seed)
    defer { withExtendedLifetime(memory) {} }
    do {
      let report = try clipping.average(
        BLAS.Matrix(
          memory.readOnlyBuffer.baseAddress, rows: rows.count, columns: columns, leadingDimension: columns + gap),
        layout: layout, into: gradient.buffer, using: &random)
      XCTAssertTrue(gradient.guardsAreIntact)
      return (gradient.elements, report)
    } catch {
      XCTAssertTrue(gradient.elements.allSatisfy(\.isNaN), "written before an error")
      throw error
    }
  }

  private func limits(_ clipping: PerExampleClipping, _ counts: [Int]) -> [Double] {
    let total = Double(counts.reduce(0, +))
    switch clipping.scope {
    case .example: return [clipping.norm]
    case .uniformLayers: return counts.map { _ in clipping.norm / Double(counts.count).squareRoot() }
    case .proportionalLayers: return counts.map { clipping.norm * (Double($0) / total).squareRoot() }
    }
  }

  private func agrees<S: BLASScalar>(_: S.Type) throws {
    var random = SeededGenerator(seed: 321)
    for _ in 0..<120 {
      let counts = (0..<Int.random(in: 1...4, using: &random)).map { _ in Int.random(in: 0...60, using: &random) }
      let columns = counts.reduce(0, +)
      let rows: [[S]] = (0..<Int.random(in: 1...12, using: &random)).map { _ in random.numbers(columns) }
      let clipping = try PerExampleClipping(
        norm: Double.random(in: 0...6, using: &random), scope: .allCases.randomElement(using: &random)!,
        batchSize: Bool.random(using: &random) ? nil : 7.5)
      let layout = try ParameterLayout(counts.enumerated().map { ("\($0)", [$1]) })
      let (gradient, report) = try run(rows, clipping, layout: layout, gap: Int.random(in: 0...3, using: &random))

      let parts = clipping.scope == .example ? [columns] : counts
      let limits = limits(clipping, counts)
      var (expected, bound) = (Array(repeating: 0.0, count: columns), Array(repeating: 0.0, count: columns))
      var clipped = parts.map { _ in 0 }
      for row in rows {
        var offset = 0
        for (part, count) in parts.enumerated() {
          let elements = row[offset..<offset + count].map { Double($0) }
          let norm = ReferenceNorm.norm(elements, order: 2)
          let factor = norm > limits[part] ? limits[part] / norm : 1
          if factor < 1 { clipped[part] += 1 }
          for (i, value) in elements.enumerated() {
            expected[offset + i] += factor * value / (clipping.batchSize ?? Double(rows.count))
            bound[offset + i] += (factor * value / (clipping.batchSize ?? Double(rows.count))).magnitude
          }
          offset += count
        }
      }
      XCTAssertEqual(report.clippedCounts, clipped)
      for (norm, row) in zip(report.norms, rows) {
        XCTAssertEqual(norm, ReferenceNorm.norm(row.map { Double($0) }, order: 2), accuracy: norm * 1e-6)
      }
      let unit = Double(S.ulpOfOne)
      for i in 0..<columns {
        XCTAssertEqual(
          Double(gradient[i]), expected[i], accuracy: Double(rows.count + 4) * unit * bound[i], "\(clipping) \(i)")
      }
    }
  }

  func testFactorsBeyondTheTypeKeepTheClippedNorm() throws {
    // The norm of the first row exceeds Float; of what is left of it nothing may be lost.
    let rows: [[Float]] = [[3e38, 3e38, 3e38, 3e38], [3, 4, 0, 0], [0, 0, 0, 0], [.leastNonzeroMagnitude, 0, 0, 0]]
    let clipping = try PerExampleClipping(norm: 1, batchSize: 1)
    let (gradient, report) = try run(rows, clipping)
    assertClose([1.1, 1.3, 0.5, 0.5], gradient, ulps: 2)
    XCTAssertEqual(report.clippedCounts, [2])
    XCTAssertGreaterThan(report.norms[0], 5.9e38)
    // Finite rows whose plain sum overflows.
    let (mean, _) = try run(Array(repeating: [Float(3e38)], count: 4), PerExampleClipping(norm: .infinity))
    assertClose([3e38], mean, ulps: 1)
  }

  func testNoLimitAndALimitOfZero() throws {
    let rows: [[Double]] = [[1, 2], [3, -4], [0, 0]]
    let all = try run(rows, PerExampleClipping(norm: .infinity, batchSize: 1))
    XCTAssertEqual(all.gradient, [4, -2])
    XCTAssertEqual(all.report.clippedCounts, [0])
    let none = try run(rows, PerExampleClipping(norm: 0))
    XCTAssertEqual(none.gradient, [0, 0])
    XCTAssertEqual(none.report.clippedCounts, [2])
  }

  func testNonFiniteExamples() throws {
    let rows: [[Float]] = [[3, 4, 1], [1, .nan, -.infinity], [0, 5, 0], [6, 8, .infinity]]
    func clipping(_ policy: NonFinitePolicy, _ norm: Double = 1) throws -> PerExampleClipping {
      try PerExampleClipping(norm: norm, batchSize: 1, nonFinitePolicy: policy)
    }
    XCTAssertThrowsError(try run(rows, clipping(.throw))) {
      guard case .nonFiniteGradient("example 1", 1, let value) = $0 as? MomentumError else { return XCTFail("\($0)") }
      XCTAssertTrue(value.isNaN)
    }
    let skipped = try run(rows, clipping(.skipStep))
    XCTAssertTrue(skipped.report.wasSkipped)
    XCTAssertTrue(skipped.gradient.allSatisfy(\.isNaN), "not written")
    XCTAssertEqual(skipped.report.nonFiniteExamples, 2)
    XCTAssertEqual(skipped.report.clippedCounts, [0])

    let cleared = try run(rows, clipping(.zero))
    let expected = try run([[3, 4, 1], [1, 0, 0], [0, 5, 0], [6, 8, 0]], clipping(.throw))
    assertClose(expected.gradient.map { Double($0) }, cleared.gradient, ulps: 2)
    XCTAssertEqual(cleared.report.clippedCounts, expected.report.clippedCounts)
    XCTAssertEqual(cleared.report.norms, expected.report.norms)

    let loud = try run(rows, clipping(.propagate))
    XCTAssertTrue(loud.gradient.allSatisfy(\.isNaN))
    let measured = try run(rows, clipping(.propagate, .infinity))
    XCTAssertEqual(measured.gradient[0], 10)
    XCTAssertTrue(measured.gradient[1].isNaN)
    XCTAssertTrue(measured.gradient[2].isNaN, "infinities of both signs")
    // Only the layer that holds it.
    let layout = try ParameterLayout([("a", [2]), ("b", [1])])
    let layers = try run(
      [[3, 4, .nan], [0, 1, 2]], PerExampleClipping(norm: 1, scope: .uniformLayers, nonFinitePolicy: .propagate),
      layout: layout)
    XCTAssertTrue(layers.gradient[2].isNaN)
    XCTAssertFalse(layers.gradient[0].isNaN || layers.gradient[1].isNaN)
  }

  func testNoiseHasItsDistributionAndIsReproducible() throws {
    let rows = Array(repeating: Array(repeating: 0.0, count: 40_001), count: 4)
    let clipping = try PerExampleClipping(norm: 2, noiseMultiplier: 1.5)
    let (noise, _) = try run(rows, clipping, seed: 9)
    XCTAssertEqual(noise, try run(rows, clipping, seed: 9).gradient)
    XCTAssertNotEqual(noise, try run(rows, clipping, seed: 10).gradient)
    // C·z/B = 0.75; moments of 40 001 numbers lie within five standard errors.
    let unit = noise.map { $0 / 0.75 }
    let count = Double(unit.count)
    func moment(_ power: Int) -> Double { unit.map { pow($0, Double(power)) }.reduce(0, +) / count }
    XCTAssertEqual(moment(1), 0, accuracy: 5 / count.squareRoot())
    XCTAssertEqual(moment(2), 1, accuracy: 5 * (2 / count).squareRoot())
    XCTAssertEqual(moment(3), 0, accuracy: 5 * (15 / count).squareRoot())
    XCTAssertEqual(moment(4), 3, accuracy: 5 * (96 / count).squareRoot())
    let neighbours = zip(unit, unit.dropFirst()).map { $0 * $1 }.reduce(0, +) / count
    XCTAssertEqual(neighbours, 0, accuracy: 5 / count.squareRoot())
    // The documented formula, with the documented order.
    var random = SeededGenerator(seed: 9)
    let (a, b) = (random.next(), random.next())
    let radius = (-2 * log((Double(a >> 11) + 1) * 0x1p-53)).squareRoot()
    XCTAssertEqual(noise[0], 0.75 * radius * cos(2 * .pi * Double(b >> 11) * 0x1p-53), accuracy: 1e-14)
    XCTAssertEqual(noise[1], 0.75 * radius * sin(2 * .pi * Double(b >> 11) * 0x1p-53), accuracy: 1e-14)
    // Without noise nothing is drawn; with a limit of 0 there is none.
    struct Forbidden: RandomNumberGenerator {
      mutating func next() -> UInt64 { preconditionFailure("drawn") }
    }
    var forbidden = Forbidden()
    var gradient = [0.0]
    try gradient.withUnsafeMutableBufferPointer { gradient in
      for clipping in try [PerExampleClipping(norm: 1), PerExampleClipping(norm: 0, noiseMultiplier: 1)] {
        try clipping.average(BLAS.Matrix([1.0], rows: 1, columns: 1), into: gradient, using: &forbidden)
      }
    }
    let extremes = [Gaussian.pair(0, 0), Gaussian.pair(.max, .max)]
    for (x, y) in extremes { XCTAssertLessThanOrEqual(max(x.magnitude, y.magnitude), 8.6) }
  }

  func testPiecesAndLongSteps() throws {
    var random = SeededGenerator(seed: 325)
    let rows: [[Float]] = (0..<9).map { _ in random.numbers(777) }
    let clipping = try PerExampleClipping(norm: 4)
    let whole = try run(rows, clipping).gradient
    let pieces = try BLAS.$pieceCount.withValue(64) { try run(rows, clipping).gradient }
    // Sums of 9 terms of at most 1/9, in any order.
    for (x, y) in zip(whole, pieces) { XCTAssertEqual(x, y, accuracy: 1e-6) }
    let oneByOne = try PerExampleLimits.$leadingDimension.withValue(100) { try run(rows, clipping).gradient }
    for (x, y) in zip(whole, oneByOne) { XCTAssertEqual(x, y, accuracy: 1e-6) }
  }

  func testRefusals() throws {
    func expect<R>(_ text: String, line: UInt = #line, _ body: () throws -> R) {
      XCTAssertThrowsError(try body(), line: line) { XCTAssertEqual("\($0)", text, line: line) }
    }
    for norm in [-1, Double.nan] {
      expect("per-example norm is \(norm); expected a number >= 0") { try PerExampleClipping(norm: norm) }
    }
    expect("noiseMultiplier is inf; expected a finite number >= 0") {
      try PerExampleClipping(norm: 1, noiseMultiplier: .infinity)
    }
    expect("per-example norm is inf; expected a finite number, which the noise is proportional to") {
      try PerExampleClipping(norm: .infinity, noiseMultiplier: 1)
    }
    expect("batchSize is 0.0; expected a finite number > 0") { try PerExampleClipping(norm: 1, batchSize: 0) }
    expect("layout is nil; expected the tensors, for the scope uniformLayers") {
      try run([[1.0]], PerExampleClipping(norm: 1, scope: .uniformLayers))
    }
    expect("layout has count 3; expected 1") {
      try run([[1.0]], PerExampleClipping(norm: 1), layout: ParameterLayout(count: 3))
    }
    expect("noiseMultiplier is 1e+38; expected noise that Float can hold") {
      try run([[Float(1)]], PerExampleClipping(norm: 10, noiseMultiplier: 1e38))
    }
    let clipping = try PerExampleClipping(norm: 1)
    var memory: [Float] = [1, 2, 3, 4]
    memory.withUnsafeMutableBufferPointer { memory in
      let matrix = BLAS.Matrix(UnsafePointer(memory.baseAddress), rows: 1, columns: 2)
      expect("examples and gradient overlap in memory; expected separate buffers") {
        try clipping.average(matrix, into: UnsafeMutableBufferPointer(rebasing: memory[1..<3]))
      }
      expect("gradient has count 1; expected 2") {
        try clipping.average(matrix, into: UnsafeMutableBufferPointer(rebasing: memory[2..<3]))
      }
      expect("examples is a transposed matrix; expected one row for each example") {
        try clipping.average(matrix.transposed, into: UnsafeMutableBufferPointer(rebasing: memory[2..<3]))
      }
      expect("examples has count 0; expected 1") {
        try clipping.average(
          BLAS.Matrix(UnsafePointer(memory.baseAddress), rows: 0, columns: 2),
          into: UnsafeMutableBufferPointer(rebasing: memory[2..<4]))
      }
    }
    XCTAssertEqual(memory, [1, 2, 3, 4])
  }
}
