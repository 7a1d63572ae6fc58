import Foundation
import Momentum
import MomentumTestSupport
import XCTest

final class BFloat16Tests: XCTestCase {
  func testConversionsOfAllPatterns() {
    for bits in 0...UInt16.max {
      let number = BFloat16(bitPattern: bits)
      let value = HalfOracle.value(bits, .bfloat16)
      XCTAssertEqual(Float(number).bitPattern, UInt32(bits) << 16)
      XCTAssertEqual(number.isNaN, value.isNaN)
      XCTAssertEqual(number.isFinite, value.isFinite)
      XCTAssertEqual(number.isInfinite, value.isInfinite)
      guard !value.isNaN else { continue }
      XCTAssertEqual(Double(number), value)
      XCTAssertEqual(BFloat16(value).bitPattern, bits)
      XCTAssertEqual(BFloat16(number.description)?.bitPattern, bits, number.description)
      XCTAssertLessThanOrEqual(number.description.filter(\.isNumber).count, 45)
    }
  }

  func testDescriptionsAreShort() {
    let texts: [(BFloat16, String)] = [
      (0.1, "0.1"), (-0.01, "-0.01"), (1, "1.0"), (0, "0.0"), (-0.0, "-0.0"), (1.0 / 3, "0.334"), (3.14159, "3.14"),
      (256, "256.0"), (.infinity, "inf"), (-.infinity, "-inf"), (.nan, "nan"), (.greatestFiniteMagnitude, "3.39e+38"),
      (.leastNonzeroMagnitude, "9e-41"), (.leastNormalMagnitude, "1.18e-38"), (.ulpOfOne, "0.0078"),
    ]
    for (number, text) in texts { XCTAssertEqual("\(number)", text) }
    XCTAssertNil(BFloat16("one"))
    XCTAssertEqual(BFloat16("1e-1"), 0.1)
  }

  /// A `Double` closely beside a tie: rounded to `Float` first it would fall on the tie, and then to the even neighbour.
  func testDoublesAreRoundedOnce() {
    let tie = 1 + 0x1p-8
    XCTAssertEqual(BFloat16(tie).bitPattern, 0x3f80)
    XCTAssertEqual(BFloat16(tie + 0x1p-50).bitPattern, 0x3f81)
    let upperTie = 1 + 3 * 0x1p-8
    XCTAssertEqual(BFloat16(upperTie).bitPattern, 0x3f82)
    XCTAssertEqual(BFloat16(upperTie - 0x1p-50).bitPattern, 0x3f81)
    XCTAssertEqual(BFloat16(-tie - 0x1p-50).bitPattern, 0xbf81)
    XCTAssertEqual(BFloat16(1e300), .infinity)
    XCTAssertEqual(BFloat16(-1e300), -.infinity)
    XCTAssertEqual(BFloat16(0x1p-134).bitPattern, 0)
    XCTAssertEqual(BFloat16(0x1.0001p-134).bitPattern, 1)
    XCTAssertEqual(BFloat16(-0x1p-200).bitPattern, 0x8000)
    XCTAssertTrue(BFloat16(Double.nan).isNaN)
    XCTAssertEqual(BFloat16(16_777_217), 16_777_216)
    XCTAssertNil(BFloat16(exactly: 257))
    XCTAssertEqual(BFloat16(exactly: 258), 258)
  }

  func testArithmeticIsRoundedOnce() {
    var random = SeededGenerator(seed: 161)
    for _ in 0..<20_000 {
      let (x, y) = (
        BFloat16(bitPattern: UInt16(random.next() & 0xffff)), BFloat16(bitPattern: UInt16(random.next() & 0xffff))
      )
      guard x.isFinite, y.isFinite else { continue }
      let (a, b) = (Double(x), Double(y))
      // Sums and products of two such numbers are exact in Double unless their exponents are far apart, where the
      // smaller one decides only about ties; Double keeps enough of it.
      XCTAssertEqual((x * y).bitPattern, BFloat16(a * b).bitPattern, "\(x) * \(y)")
      if max(a.magnitude, b.magnitude) < 0x1p40 * min(a.magnitude, b.magnitude) {
        XCTAssertEqual((x + y).bitPattern, BFloat16(a + b).bitPattern, "\(x) + \(y)")
        XCTAssertEqual((x - y).bitPattern, BFloat16(a - b).bitPattern, "\(x) - \(y)")
      }
      if b != 0 { XCTAssertEqual((x / y).bitPattern, BFloat16(a / b).bitPattern, "\(x) / \(y)") }
      XCTAssertEqual(x < y, a < b)
      XCTAssertEqual(x == y, a == b)
      XCTAssertEqual((-x).bitPattern, x.bitPattern ^ 0x8000)
    }
  }

  func testComparingFollowsIEEE() {
    XCTAssertEqual(BFloat16(0.0), -0.0)
    XCTAssertEqual(BFloat16(0.0).hashValue, BFloat16(-0.0).hashValue)
    XCTAssertNotEqual(BFloat16.nan, .nan)
    XCTAssertFalse(BFloat16.nan < 1 || BFloat16.nan >= 1)
    XCTAssertEqual([BFloat16(3), -1, 2].sorted(), [-1, 2, 3])
  }

  func testJSON() throws {
    let numbers: [BFloat16] = [0.1, -3, 65_536]
    let data = try JSONEncoder().encode(numbers)
    XCTAssertEqual(try JSONDecoder().decode([BFloat16].self, from: data), numbers)
  }
}
