import XCTest

@testable import Momentum

final class PlatformTests: XCTestCase {
  func testComplementsOfPowersKeepTheirDigits() {
    // 1 - b^(k + 1) = d + (1 - b)·(1 - d) with d = 1 - b^k: nothing cancels, and each step rounds a few times.
    for base in [0, 1e-300, 0.3, 0.5, 0.9, 0.999, 0.9998725286886337, 1 - 0x1p-20, 1 - 0x1p-40, 1.0.nextDown] {
      var expected = 1 - base
      for exponent in 1...64 {
        let found = Platform.complementOfPower(base, Double(exponent))
        XCTAssertEqual(
          found, expected, accuracy: expected * Double(2 * exponent + 4) * 0x1p-53, "1 - \(base)^\(exponent)")
        expected += (1 - base) * (1 - expected)
      }
    }
    XCTAssertEqual(Platform.complementOfPower(0.9, 1), 1 - 0.9)
    XCTAssertEqual(Platform.complementOfPower(0.9, 1e9), 1)
    XCTAssertEqual(Platform.complementOfPower(1.5, 2), -1.25, accuracy: 0x1p-51)
    XCTAssertEqual(Platform.complementOfPower(1, 7).sign, .plus)
    XCTAssertEqual(Platform.complementOfPower(1, 7), 0)
  }
}
