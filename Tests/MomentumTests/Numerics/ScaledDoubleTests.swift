import MomentumTestSupport
import XCTest

@testable import Momentum

/// Numbers beyond the range of `Double`.
final class ScaledDoubleTests: XCTestCase {
  private let numbers: [Double] = [
    0, -0.0, 1, -1, 3, 0.1, .pi, 1e300, -1e-300, .greatestFiniteMagnitude, .leastNormalMagnitude,
    .leastNonzeroMagnitude, -.leastNonzeroMagnitude, 0x1.8p-1070, .infinity, -.infinity,
  ]

  func testEveryDoubleComesBack() {
    for number in numbers {
      XCTAssertEqual(ScaledDouble(number).double.bitPattern, number.bitPattern, "\(number)")
      XCTAssertEqual(ScaledDouble(number, exponent: 5000).significand.sign, number.sign)
    }
    XCTAssertTrue(ScaledDouble(.nan).double.isNaN)
  }

  func testSignificandsAreNormal() {
    for number in numbers where number != 0 && number.isFinite {
      let scaled = ScaledDouble(number, exponent: -3000)
      XCTAssertTrue((1..<2).contains(scaled.significand.magnitude), "\(number)")
      XCTAssertEqual(scaled.exponent, number.exponent - 3000)
    }
    for number in [0, Double.infinity, .nan] { XCTAssertEqual(ScaledDouble(number, exponent: 9).exponent, 0) }
  }

  func testOverflowAndUnderflow() {
    XCTAssertTrue(ScaledDouble(1, exponent: 1024).overflowsDouble)
    XCTAssertFalse(ScaledDouble(1, exponent: 1023).overflowsDouble)
    XCTAssertFalse(ScaledDouble(.infinity).overflowsDouble)
    XCTAssertFalse(ScaledDouble(.nan).overflowsDouble)
    XCTAssertEqual(ScaledDouble(1, exponent: 1 << 40).double, .infinity)
    XCTAssertEqual(ScaledDouble(1, exponent: -(1 << 40)).double, 0)
    // A tie between 0 and the least number goes to the even one, zero.
    XCTAssertEqual(ScaledDouble(1, exponent: -1075).double, 0)
    XCTAssertEqual(ScaledDouble(1.5, exponent: -1075).double, .leastNonzeroMagnitude)
  }

  func testArithmeticRoundsAsDoubleDoes() {
    var random = SeededGenerator(seed: 1)
    for _ in 0..<500 {
      let pair = random.numbers(2, exponents: -200...200, as: Double.self)
      let (x, y) = (ScaledDouble(pair[0]), ScaledDouble(pair[1]))
      XCTAssertEqual((x * y).double, pair[0] * pair[1])
      XCTAssertEqual((x * pair[1]).double, pair[0] * pair[1])
      XCTAssertEqual((x / y).double, pair[0] / pair[1])
      XCTAssertEqual((x + pair[1]).double, pair[0] + pair[1])
      XCTAssertEqual((-x).double, -pair[0])
      XCTAssertEqual(ScaledDouble(pair[0].magnitude).squareRoot().double, pair[0].magnitude.squareRoot())
    }
  }

  func testProductsOfDoublesAreThoseOfScaledOnes() {
    var random = SeededGenerator(seed: 2)
    let drawn = random.numbers(400, exponents: -1074...1023, as: Double.self)
    // Products on both sides of the least normal number, and beyond the largest.
    let edges: [Double] = [1, 2, 1.0.nextDown, 1.0.nextUp, 0x1p-511, 0x1p511, 0x1p-1022, 1.5]
    for (x, y) in zip(drawn, drawn.reversed()) + edges.flatMap({ x in (numbers + edges).map { (x, $0) } }) {
      let (found, expected) = (ScaledDouble.product(x, y), ScaledDouble(x) * ScaledDouble(y))
      XCTAssertEqual(found.significand.bitPattern, expected.significand.bitPattern, "\(x) · \(y)")
      XCTAssertEqual(found.exponent, expected.exponent, "\(x) · \(y)")
    }
  }

  func testArithmeticOutOfRange() {
    let (huge, tiny) = (ScaledDouble(1.5, exponent: 3001), ScaledDouble(1.25, exponent: -3001))
    XCTAssertEqual((huge * tiny).double, 1.875)
    XCTAssertEqual((huge / tiny), ScaledDouble(1.2, exponent: 6002))
    XCTAssertEqual((huge * huge).squareRoot(), huge)
    XCTAssertEqual((tiny * tiny).squareRoot(), tiny)
    XCTAssertEqual(huge + 1e308, huge)
    XCTAssertEqual(tiny + 0, tiny)
    XCTAssertEqual(tiny + 1, ScaledDouble(1))
    // Summands of `Double` do count next to the end of its range.
    XCTAssertEqual(ScaledDouble(1, exponent: 1024) + 0x1p1023, ScaledDouble(1.5, exponent: 1024))
    XCTAssertEqual((ScaledDouble(1, exponent: 1024) + -0x1p1023).double, 0x1p1023)
    XCTAssertEqual(ScaledDouble(1, exponent: -1076) + 0x1p-1074, ScaledDouble(1.25, exponent: -1074))
  }

  func testSumsWithoutAFiniteValue() {
    XCTAssertEqual((ScaledDouble(.infinity) + 1).double, .infinity)
    XCTAssertEqual((ScaledDouble(1, exponent: 2000) + .infinity).double, .infinity)
    XCTAssertTrue((ScaledDouble(.infinity) + -.infinity).double.isNaN)
    XCTAssertTrue((ScaledDouble(.nan) + 1).double.isNaN)
    XCTAssertTrue((ScaledDouble(1) + .nan).double.isNaN)
    XCTAssertEqual((ScaledDouble(0) + 2).double, 2)
  }

  func testOrder() {
    let ordered = [
      ScaledDouble(-.infinity), ScaledDouble(-1.5, exponent: 2000), ScaledDouble(-1, exponent: 2000), ScaledDouble(-1),
      ScaledDouble(-1, exponent: -2000), ScaledDouble(0), ScaledDouble(1, exponent: -2000), ScaledDouble(1),
      ScaledDouble(1.5), ScaledDouble(1, exponent: 2000), ScaledDouble(1.5, exponent: 2000), ScaledDouble(.infinity),
    ]
    for (i, x) in ordered.enumerated() {
      for (j, y) in ordered.enumerated() {
        XCTAssertEqual(x < y, i < j, "\(x) < \(y)")
        XCTAssertEqual(x <= y, i <= j, "\(x) <= \(y)")
      }
      XCTAssertFalse(x < ScaledDouble(.nan) || ScaledDouble(.nan) < x || x <= ScaledDouble(.nan))
    }
  }

  func testPowers() {
    XCTAssertEqual(ScaledDouble(2).power(10).double, 1024)
    XCTAssertEqual(ScaledDouble(0).power(3).double, 0)
    // By logarithms: a relative error of the exponent times the spacing of `Double` there.
    let huge = ScaledDouble(1, exponent: 1000).power(3)
    XCTAssertEqual(huge.significand, 1, accuracy: 1e-12)
    XCTAssertEqual(huge.exponent, 3000)
    let tiny = ScaledDouble(1.5, exponent: -900).power(2)
    XCTAssertEqual(tiny.significand, 1.125, accuracy: 1e-12)
    XCTAssertEqual(tiny.exponent, -1799)
  }
}
