import MomentumTestSupport
import XCTest

@testable import Momentum

/// Sums of tiles by additions that do not round: what is taken has the bits of the exact sum, and what might round is refused.
final class PlainSumTests: XCTestCase {
  func testSumsThatBeginAnewAreExactTogether() {
    var random = SeededGenerator(seed: 31)
    for (spread, refuses) in [(0, false), (5, false), (20, true), (40, true)] {
      var (plain, parts, exact, refused) = (PlainSum(), ExactSum(), ExactSum(), 0)
      for _ in 0..<300 {
        let exponent = Int.random(in: -spread...spread, using: &random)
        let x = Double(sign: .plus, exponent: exponent, significand: Double(Float.random(in: 1..<2, using: &random)))
        exact.add(x)
        guard !plain.add(x) else { continue }
        parts.add(plain.value)
        plain = PlainSum(x)
        refused += 1
      }
      parts.add(plain.value)
      XCTAssertEqual(parts, exact, "\(spread)")
      XCTAssertEqual(refused > 0, refuses, "\(spread)")
      XCTAssertLessThan(refused, 300)
    }
  }

  func testTheLastSumThatSurelyFits() {
    for (large, fits) in [(0x1p29 - 32, true), (0x1p29 - 1, false), (0x1p29, false)] {
      var plain = PlainSum(1)
      XCTAssertEqual(plain.add(large), fits, "\(large)")
      XCTAssertEqual(plain.value, fits ? large + 1 : 1)
    }
    // A zero would hide the smallest other number.
    var plain = PlainSum(1)
    XCTAssertFalse(plain.add(0))
  }
}
