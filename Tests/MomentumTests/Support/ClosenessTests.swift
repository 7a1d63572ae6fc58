import MomentumTestSupport
import XCTest

/// The comparison that the other tests rely on.
final class ClosenessTests: XCTestCase {
  func testCountsUnitsInTheLastPlaceOfTheNarrowType() {
    XCTAssertEqual(Closeness.ulps(1.0, Float(1)), 0)
    XCTAssertEqual(Closeness.ulps(1.0, Float(1).nextUp), 1)
    XCTAssertEqual(Closeness.ulps(1.0, Float(1).nextUp.nextUp), 2)
    // Below a power of two the units are half as large; the reference's unit counts.
    XCTAssertEqual(Closeness.ulps(1.0, Float(1).nextDown), 0.5)
    XCTAssertEqual(Closeness.ulps(1 + 0x1p-25, Float(1)), 0.25)
    XCTAssertEqual(Closeness.ulps(-3.0, Float(-3).nextUp), 1)
  }

  func testZerosAndSubnormals() {
    XCTAssertEqual(Closeness.ulps(0.0, Float(-0.0)), 0)
    XCTAssertEqual(Closeness.ulps(0.0, Float.leastNonzeroMagnitude), 1)
    XCTAssertEqual(Closeness.ulps(Double(Float.leastNonzeroMagnitude), -Float.leastNonzeroMagnitude), 2)
  }

  func testASignIsNotOverlooked() {
    XCTAssertEqual(Closeness.ulps(1.0, Float(-1)), 0x1p24)
    XCTAssertEqual(Closeness.ulps(Double.infinity, -Float.infinity), .infinity)
  }

  func testNaNAndInfinity() {
    XCTAssertEqual(Closeness.ulps(Double.nan, Float.nan), 0)
    XCTAssertEqual(Closeness.ulps(Double.nan, Float(1)), .infinity)
    XCTAssertEqual(Closeness.ulps(1.0, Float.nan), .infinity)
    XCTAssertEqual(Closeness.ulps(Double.infinity, Float.infinity), 0)
    XCTAssertEqual(Closeness.ulps(Double.infinity, Float.greatestFiniteMagnitude), .infinity)
    XCTAssertEqual(Closeness.ulps(1.0, Float.infinity), .infinity)
    // Beyond the binade next to overflow the right answer is infinity.
    XCTAssertEqual(Closeness.ulps(1e39, Float.infinity), 0)
    XCTAssertEqual(Closeness.ulps(1e39, Float.greatestFiniteMagnitude), .infinity)
  }

  func testTheWorstElementIsNamed() {
    let closeness = Closeness.between([1.0, 2, 3], [Float(1), Float(2).nextUp.nextUp, Float(3).nextUp])
    XCTAssertEqual(closeness.index, 1)
    XCTAssertEqual(closeness.worst, 2)
    XCTAssertTrue(closeness.description.contains("index 1: expected 2.0"), closeness.description)
  }

  func testFailuresCarryIndexSeedAndReason() {
    let observed = [1, 1 + 3 * Double.ulpOfOne]
    let (failure, worst) = Closeness.failure([1.0, 1], observed, ulps: 2, seed: 7)
    XCTAssertEqual(worst, 3)
    XCTAssertEqual(failure, "index 1: expected 1.0, observed \(observed[1]), 3.0 ulp; allowed 2.0; seed 7")
    XCTAssertNil(Closeness.failure([1.0, 1], observed, ulps: 3).failure)
    XCTAssertEqual(Closeness.failure([1.0], observed, ulps: 3).failure, "2 elements instead of 1")
  }

  func testBits() {
    XCTAssertNil(Closeness.firstDifferentBits([Float(1), .nan], [1, .nan]))
    XCTAssertEqual(Closeness.firstDifferentBits([0.0, 0.0], [0.0, -0.0]), 1)
    XCTAssertEqual(Closeness.firstDifferentBits([Double.nan], [-Double.nan]), 0)
    XCTAssertEqual(Closeness.firstDifferentBits([1.0, 2], [1.0]), 1)
  }

  func testTheGeneratorIsSplitMix64() {
    // The first outputs for seed 1234567, as published with the reference code.
    var random = SeededGenerator(seed: 1_234_567)
    let expected: [UInt64] = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
    XCTAssertEqual((0..<3).map { _ in random.next() }, expected)
  }

  func testGuardsNoticeAWriteOnEitherSide() {
    for offset in [-1, 3] {
      let memory = GuardedMemory<Float>([1, 2, 3], shift: 1)
      XCTAssertTrue(memory.guardsAreIntact)
      memory.buffer.baseAddress![offset] = 0
      XCTAssertFalse(memory.guardsAreIntact)
    }
  }
}
