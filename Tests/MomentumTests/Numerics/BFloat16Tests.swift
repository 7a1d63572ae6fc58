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

  /// Rounded to `Double` first, an integer closely beside a tie would fall on it.
  func testIntegersAreRoundedOnce() {
    let beside = 36_169_534_507_319_297  // 2⁵⁵ + 2⁴⁷ + 1
    XCTAssertEqual(Double(BFloat16(beside)), 0x1p55 + 0x1p48)
    XCTAssertEqual(Double(BFloat16(-beside)), -0x1p55 - 0x1p48)
    XCTAssertEqual(Double(BFloat16(beside - 1)), 0x1p55)
    let (literal, negative): (BFloat16, BFloat16) = (36_169_534_507_319_297, -36_169_534_507_319_297)
    XCTAssertEqual([literal, negative], [BFloat16(beside), BFloat16(-beside)])
    let most: BFloat16 = 9_223_372_036_854_775_807
    XCTAssertEqual(Double(most), 0x1p63)

    var random = SeededGenerator(seed: 162)
    let signed: [Int] = [0, 1, -1, 255, 256, 257, 258, 259, .max, .min, .max - 1, .min + 1]
    for number in signed { assertRoundedOnce(number) }
    let unsigned: [UInt] = [.max, .max - 1, 0x8000_0000_0000_0000, 0x8080_0000_0000_0000, 0x8080_0000_0000_0001]
    for number in unsigned { assertRoundedOnce(number) }
    // The last ones are the tie before infinity, and the number before it.
    let tie = UInt128(0xff8) << 116
    let wide: [UInt128] = [.max, tie, tie - 1]
    for number in wide { assertRoundedOnce(number) }
    for number in [Int128.min, .max] { assertRoundedOnce(number) }
    for number in Int8.min...Int8.max { assertRoundedOnce(number) }
    for _ in 0..<20_000 {
      let (word, shift) = (random.next(), Int(random.next() % 64))
      assertRoundedOnce(word >> shift)
      assertRoundedOnce(Int64(bitPattern: word) >> shift)
      assertRoundedOnce(Int32(truncatingIfNeeded: word))
      assertRoundedOnce(UInt128(word) << shift | UInt128(random.next()))
      // Ties of numbers with 8 digits, and their neighbours.
      let tie = Int64(word % 128 + 128) << 1 | 1
      for distance in -1...1 as ClosedRange<Int64> {
        assertRoundedOnce(tie << (shift % 54) + distance)
        assertRoundedOnce(-(tie << (shift % 54)) + distance)
      }
    }
  }

  /// Compares with integer arithmetic: 8 digits, and what is cut off.
  private func assertRoundedOnce(_ number: some FixedWidthInteger, line: UInt = #line) {
    let magnitude = UInt128(number.magnitude)
    let excess = max(128 - magnitude.leadingZeroBitCount - 8, 0)
    var digits = magnitude >> excess
    let (rest, half) = (magnitude - digits << excess, (UInt128(1) << excess) >> 1)
    if half > 0, rest > half || (rest == half && digits % 2 == 1) { digits += 1 }
    // 2¹²⁸ is the first number that is infinite.
    let expected = Float(digits) * Float(sign: .plus, exponent: excess, significand: 1)
    XCTAssertEqual(Float(BFloat16(number)), number < 0 ? -expected : expected, "\(number)", line: line)
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
