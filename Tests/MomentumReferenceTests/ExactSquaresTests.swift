import Momentum
import XCTest

@testable import MomentumReference

final class ExactSquaresTests: XCTestCase {
  private func total<Scalar: ReferenceScalar>(_ x: [Scalar]) -> FixedPoint {
    var squares = ExactSquares<Scalar>()
    x.withUnsafeBufferPointer { squares.add($0) }
    return squares.total
  }

  private func fixedPoint(_ value: UInt128, _ exponent: Int) -> FixedPoint {
    var result = FixedPoint()
    result.add(value, exponent: exponent)
    return result
  }

  func testSquaresOverTheWholeRange() {
    XCTAssertEqual(total([Float(3), -4]), fixedPoint(25, 0))
    XCTAssertEqual(total([Float.leastNonzeroMagnitude, .leastNonzeroMagnitude]), fixedPoint(2, -298))
    XCTAssertEqual(total([Float.leastNormalMagnitude.nextDown]), fixedPoint((1 << 23 - 1) * (1 << 23 - 1), -298))
    XCTAssertEqual(total([Float.greatestFiniteMagnitude]), fixedPoint((1 << 24 - 1) * (1 << 24 - 1), 208))
    XCTAssertEqual(total([Double.leastNonzeroMagnitude]), fixedPoint(1, -2148))
    XCTAssertEqual(total([-Double.leastNormalMagnitude]), fixedPoint(1, -2044))
    XCTAssertEqual(total([Double.greatestFiniteMagnitude]), fixedPoint((1 << 53 - 1) * (1 << 53 - 1), 1942))
    XCTAssertEqual(total([Double(0), -0.0]), FixedPoint())
  }

  func testNothingIsLostBetweenFarNumbers() {
    var expected = fixedPoint(1, -2148)
    expected.add((1 << 53 - 1) * (1 << 53 - 1), exponent: 1942)
    XCTAssertEqual(total([Double.greatestFiniteMagnitude, .leastNonzeroMagnitude]), expected)
    XCTAssertNotEqual(total([Double.greatestFiniteMagnitude]), expected)
  }

  func testSumsCarryBeyond128Bits() {
    var squares = ExactSquares<Double>()
    // A square below 2^106; doubling 30 times adds 2^30 of them.
    withUnsafePointer(to: (2.0).nextDown) { squares.add(UnsafeBufferPointer(start: $0, count: 1)) }
    for _ in 0..<30 {
      let copy = squares
      squares.add(copy)
    }
    var expected = FixedPoint()
    expected.add((1 << 53 - 1) * (1 << 53 - 1), exponent: 30 - 104)
    XCTAssertEqual(squares.total, expected)
    squares.replace((2.0).nextDown, by: 0)
    XCTAssertEqual(squares.total.distance(to: expected), total([(2.0).nextDown]))
  }

  func testDistancesAreExactBothWays() {
    let (large, small) = (fixedPoint(1, 200), fixedPoint(1, -300))
    var difference = fixedPoint(0, 0)
    for bit in -300..<200 { difference.add(1, exponent: bit) }
    XCTAssertEqual(large.distance(to: small), difference)
    XCTAssertEqual(small.distance(to: large), difference)
    XCTAssertEqual(small.distance(to: small), FixedPoint())
    XCTAssertEqual(fixedPoint(UInt128.max, 37).leading, ScaledDouble(1, exponent: 165))
  }

  func testErrorsInUnitsInTheLastPlace() {
    let five = total([Float(3), 4])
    XCTAssertEqual(five.error(ofRoot: ScaledDouble(5), inUlpsOf: Float.self), 0)
    XCTAssertEqual(five.error(ofRoot: ScaledDouble(Double(Float(5).nextUp)), inUlpsOf: Float.self), 1, accuracy: 1e-12)
    XCTAssertEqual(five.error(ofRoot: ScaledDouble((5.0).nextDown), inUlpsOf: Double.self), 1, accuracy: 1e-12)
    XCTAssertEqual(five.error(ofRoot: ScaledDouble(0), inUlpsOf: Float.self), 5 * 0x1p21)
    XCTAssertEqual(five.error(ofRoot: ScaledDouble(50), inUlpsOf: Float.self), 45 * 0x1p21)
    XCTAssertEqual(five.error(ofRoot: ScaledDouble(.nan), inUlpsOf: Float.self), .infinity)
    XCTAssertEqual(five.error(ofRoot: ScaledDouble(.infinity), inUlpsOf: Float.self), .infinity)
    XCTAssertEqual(FixedPoint().error(ofRoot: ScaledDouble(0), inUlpsOf: Float.self), 0)
    XCTAssertEqual(FixedPoint().error(ofRoot: ScaledDouble(1), inUlpsOf: Float.self), .infinity)
    // √2 is 0x1.6a09e667f3bcc90...p0, and the nearest Double 0x1.6a09e667f3bcdp0.
    XCTAssertEqual(
      total([1.0, 1]).error(ofRoot: ScaledDouble((2.0).squareRoot()), inUlpsOf: Double.self), 1 - 0x0.908B2FB1p0,
      accuracy: 1e-8)
    // Units do not shrink below the least subnormal, and √3 of those is 0.268 units off 2.
    let subnormal = total([Float](repeating: .leastNonzeroMagnitude, count: 3))
    let two = ScaledDouble(2, exponent: -149)
    XCTAssertEqual(subnormal.error(ofRoot: two, inUlpsOf: Float.self), 0.2679, accuracy: 1e-3)
    // Beyond the range of the scalar units keep their size.
    let beyond = total([Double](repeating: .greatestFiniteMagnitude, count: 4))
    let norm = ScaledDouble(.greatestFiniteMagnitude, exponent: 1)
    XCTAssertEqual(beyond.error(ofRoot: norm, inUlpsOf: Double.self), 0)
  }
}
