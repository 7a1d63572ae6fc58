import Foundation
import MomentumFiles
import MomentumTestSupport
import XCTest

final class HexDoubleTests: XCTestCase {
  private let special: [Double] = [
    0, -0.0, 1, -1, 3, 0.1, 1e-3, .pi, 1e300, 1e-300, .greatestFiniteMagnitude, .leastNormalMagnitude,
    .leastNormalMagnitude.nextDown, .leastNonzeroMagnitude, -.leastNonzeroMagnitude, .infinity, -.infinity,
  ]

  func testIsTheTextOfC() {
    for value in special {
      XCTAssertEqual(HexDouble.text(of: value), String(format: "%a", value))
    }
  }

  func testRoundTripsEveryBit() {
    var generator = SeededGenerator(seed: 1)
    let nans = [
      Double.nan, -.nan, Double(bitPattern: 0x7FF0_0000_0000_0001), Double(bitPattern: 0xFFFF_FFFF_FFFF_FFFF),
    ]
    let random = (0..<20_000).map { _ in Double(bitPattern: generator.next()) }
    for value in special + nans + random {
      let text = HexDouble.text(of: value)
      XCTAssertEqual(HexDouble.value(of: text)?.bitPattern, value.bitPattern, text)
    }
  }

  func testTakesNumbersWrittenByHand() {
    XCTAssertEqual(HexDouble.value(of: "0.1"), 0.1)
    XCTAssertEqual(HexDouble.value(of: "0x1.0000000000000p+0"), 1)
    XCTAssertEqual(HexDouble.value(of: "-inf"), -.infinity)
  }

  func testRefusesWhatIsNoNumber() {
    for text in ["", " 1", "1 ", "x", "0x", "nan:", "nan:x", "nan:0", "nan:7ff0000000000000", "1,5"] {
      XCTAssertNil(HexDouble.value(of: text), text)
    }
  }
}
