import MomentumTestSupport
import XCTest

@testable import Momentum

/// Sums of tiles by additions that do not round: what is taken has the bits of the exact sum, and what might round is refused.
final class PlainSumTests: XCTestCase {
  func testWhatIsTakenIsExact() {
    var random = SeededGenerator(seed: 31)
    for spread in [0, 5, 20, 40] {
      var (plain, exact, taken) = (PlainSum(), ExactSum(), 0)
      for _ in 0..<300 {
        let x =
          Double(Float.random(in: 1..<2, using: &random))
          * exp2(Double(Int.random(in: -spread...spread, using: &random)))
        guard plain.add(x) else { continue }
        exact.add(x)
        taken += 1
        XCTAssertEqual(plain.value, exact.rounded().double)
      }
      XCTAssertGreaterThan(taken, spread < 20 ? 299 : 0)
      if spread == 40 { XCTAssertLessThan(taken, 300) }
    }
  }

  func testASumBeginsAnewWithWhatWasRefused() {
    var plain = PlainSum(1)
    XCTAssertTrue(plain.add(1 + 0x1p-23))
    // 30 digits below: the sum would need 54.
    XCTAssertFalse(plain.add(0x1p-30 * (1 + 0x1p-23)))
    XCTAssertEqual(plain.value, 2 + 0x1p-23)
    XCTAssertFalse(plain.add(0))
  }
}
