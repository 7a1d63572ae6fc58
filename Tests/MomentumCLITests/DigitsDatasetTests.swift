import Foundation
import XCTest

@testable import MomentumCLI

final class DigitsDatasetTests: XCTestCase {
  /// Sums that the origin of the file, the table in scikit-learn, has as well.
  func testHoldsTheWholeDataSet() throws {
    let data = try DigitsDataset.bundled()
    XCTAssertEqual(data.labels.count, 1797)
    XCTAssertEqual(data.pixels.count, 1797 * 64)
    XCTAssertEqual(data.pixels.reduce(0) { $0 + Int($1) }, 561_718)
    let counts = (0..<10).map { digit in data.labels.count { $0 == digit } }
    XCTAssertEqual(counts, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180])
    XCTAssertEqual(data.pixels.prefix(8), [0, 0, 5, 13, 9, 1, 0, 0])
  }

  func testDividesTheImagesWithoutOverlap() throws {
    let data = try DigitsDataset.bundled()
    XCTAssertEqual(data.trainingImages.count, 1437)
    XCTAssertEqual(data.testImages.count, 360)
    XCTAssertEqual((data.trainingImages + data.testImages).sorted(), Array(0..<1797))
    // Mixed: both parts hold every digit.
    XCTAssertEqual(Set(data.testImages.map { data.labels[$0] }).count, 10)
  }

  func testComesWithItsAttribution() throws {
    let url = try XCTUnwrap(DigitsDataset.attribution)
    let text = try String(contentsOf: url, encoding: .utf8)
    for part in ["E. Alpaydin, C. Kaynak", "10.24432/C50P49", "CC BY 4.0"] { XCTAssertTrue(text.contains(part), part) }
  }

  func testNamesFileAndCause() throws {
    let good = header(count: 2) + [UInt8](repeating: 16, count: 128) + [0, 9]
    XCTAssertEqual(try DigitsDataset(good, file: "good").labels, [0, 9])
    let cases: [(String, [UInt8], String)] = [
      ("empty", [], "f: is not a digits file of version 1: its first 8 bytes are not DIGITS, 0, 1"),
      ("version", change(good, 7, 2), "f: is not a digits file of version 1: its first 8 bytes are not DIGITS, 0, 1"),
      ("width", change(good, 12, 9), "f: holds 2 images of 9 x 8 pixels; expected some of 8 x 8"),
      ("short", good.dropLast(), "f: has 145 bytes; 2 images of 64 pixels take 146"),
      ("long", good + [0], "f: has 147 bytes; 2 images of 64 pixels take 146"),
      ("pixel", change(good, 16 + 64 + 3, 17), "f: pixel 3 of image 1 is 17; expected 0 to 16"),
      ("label", change(good, 145, 10), "f: label of image 1 is 10; expected 0 to 9"),
    ]
    for (name, bytes, message) in cases {
      XCTAssertThrowsError(try DigitsDataset(Array(bytes), file: "f"), name) { XCTAssertEqual("\($0)", message) }
    }
  }

  func testReportsAMissingFile() {
    XCTAssertThrowsError(try DigitsDataset(contentsOf: URL(fileURLWithPath: "/nowhere/digits.bin"))) {
      XCTAssertTrue("\($0)".hasPrefix("/nowhere/digits.bin: cannot be read"), "\($0)")
    }
  }

  private func header(count: UInt8) -> [UInt8] { Array("DIGITS".utf8) + [0, 1, count, 0, 0, 0, 8, 0, 8, 0] }

  private func change(_ bytes: [UInt8], _ index: Int, _ value: UInt8) -> [UInt8] {
    var changed = bytes
    changed[index] = value
    return changed
  }
}
