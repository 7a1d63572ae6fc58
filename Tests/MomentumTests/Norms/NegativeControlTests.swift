import MomentumTestSupport
import XCTest

@testable import Momentum

/// The defects that this library avoids are real, and the tests would see them.
final class NegativeControlTests: XCTestCase {
  func testOneFloatAccumulatorStops() {
    // 2²⁴ + 1 is no Float: from there on ones are lost.
    var sum: Float = 0x1p24 - 1000
    for _ in 0..<2000 { sum += 1 * 1 }
    XCTAssertEqual(sum, 0x1p24)
    XCTAssertGreaterThan((Double(sum) / (0x1p24 + 1000)).distance(to: 1), 5e-5)
  }

  func testTheAccuracyGateRejectsANormThatIsNotTiled() throws {
    var random = SeededGenerator(seed: 91)
    let x: [Float] = random.numbers(1 << 18)
    let expected = ReferenceNorm.norm(x.map { Double($0) }, order: 2)
    var sum: Float = 0
    for element in x { sum += element * element }
    let gate = AccuracyBounds.normGate(Float.self)
    XCTAssertGreaterThan(abs(Double(sum.squareRoot()) / expected - 1), gate, "the gate is blind")
    for threads in [1, 2] {
      let found = try norm([x], threads: threads).norm
      XCTAssertLessThanOrEqual(abs(found / expected - 1), gate)
    }
    XCTAssertLessThanOrEqual(
      Closeness.ulps(expected, Float(try norm([x], algorithm: .portable).norm)),
      AccuracyBounds.portableNorm(Float.self))
  }

  func testNormsOfRandomNumbersPassTheGate() throws {
    var random = SeededGenerator(seed: 92)
    for count in [10_000, 10_001, 100_001] {
      let floats: [Float] = random.numbers(count)
      let expected = ReferenceNorm.norm(floats.map { Double($0) }, order: 2)
      let error = abs(try norm([floats]).norm / expected - 1)
      XCTAssertLessThanOrEqual(error, AccuracyBounds.normGate(Float.self))
      record("norm of \(count) random Floats", error / AccuracyBounds.normGate(Float.self))
      let doubles: [Double] = random.numbers(count)
      let wide = ReferenceNorm.norm(doubles.map { Widest($0) }, order: 2)
      let wideError = abs(Double((Widest(try norm([doubles]).norm) - wide) / wide))
      XCTAssertLessThanOrEqual(wideError, AccuracyBounds.normGate(Double.self))
      record("norm of \(count) random Doubles", wideError / AccuracyBounds.normGate(Double.self))
      XCTAssertLessThanOrEqual(
        Closeness.ulps(wide, try norm([doubles], algorithm: .portable).norm),
        AccuracyBounds.portableNorm(Double.self))
    }
  }

  func testPlainAdditionDependsOnTheOrder() {
    var random = SeededGenerator(seed: 93)
    let sums = random.magnitudes(200, exponents: -3...3)
    let inOrder = sums.reduce(0, +)
    let varies = (0..<20).contains { _ in sums.shuffled(using: &random).reduce(0, +) != inOrder }
    XCTAssertTrue(varies, "the tests of order and grouping are blind")
  }

  func testPiecesOfSevenChangeTheBitsOfAFusedAxpy() throws {
    var random = SeededGenerator(seed: 94)
    let (x, y): ([Float], [Float]) = (random.numbers(2048), random.numbers(2048))
    func axpy(pieces: Int) -> [Float] {
      var result = y
      for start in stride(from: 0, to: 2048, by: pieces) {
        let n = min(pieces, 2048 - start)
        x.withUnsafeBufferPointer { x in
          result.withUnsafeMutableBufferPointer { result in
            Float._axpy(Int32(n), 0.3, x.baseAddress! + start, 1, result.baseAddress! + start, 1)
          }
        }
      }
      return result
    }
    let whole = axpy(pieces: 2048)
    assertSameBits(whole, axpy(pieces: 64), "multiples of 32 are safe")
    let differing = zip(whole, axpy(pieces: 7)).count { $0 != $1 }
    // Some kernels fuse the end of a call as well; then, and without fusing, every partition is safe.
    if ScalarOracle<Float>.axpyIsFused, !ScalarOracle<Float>.axpyIsFused(count: 7) {
      XCTAssertGreaterThan(differing, 20, "the tests of partition are blind")
    } else {
      XCTAssertEqual(differing, 0)
    }
    // The engine pads the end of a vector: element by element the bits are those of the long call.
    var run = try EngineRun([Array(y[..<7])], rule: SGD(learningRate: 0.25, maximize: true))
    var long = try EngineRun([y], rule: SGD(learningRate: 0.25, maximize: true))
    try run.step([Array(x[..<7])])
    try long.step([x])
    assertSameBits(Array(long.parameters[0][..<7]), run.parameters[0])
  }

  func testSquaresInTheElementTypeFailWhereOursDoNot() throws {
    for (x, exact) in [([Float](repeating: 1e20, count: 4), 2e20), ([Float](repeating: 1e-30, count: 4), 2e-30)] {
      let naive = x.reduce(0) { $0 + $1 * $1 }.squareRoot()
      XCTAssertTrue(naive == .infinity || naive == 0)
      XCTAssertEqual(try norm([x]).norm, exact, accuracy: exact * 1e-6)
    }
  }

  func testTheOracleNoticesTheOtherRounding() throws {
    // The bit comparison of steps would fail if axpy were taken for fused when it is not, or the other way round.
    var random = SeededGenerator(seed: 95)
    let (start, gradient): ([Double], [Double]) = (random.numbers(2048), random.numbers(2048))
    let rule = try SGD(learningRate: 0.3)
    var right = ScalarOracle(start, rule: rule)
    var wrong = ScalarOracle(start, rule: rule, fused: !ScalarOracle<Double>.axpyIsFused)
    right.step(gradient, coefficient: 1)
    wrong.step(gradient, coefficient: 1)
    XCTAssertNotNil(Closeness.firstDifferentBits(right.parameters, wrong.parameters))
  }
}
