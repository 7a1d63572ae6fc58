import XCTest

@testable import Momentum

/// The orders in which a pass can go: each reaches everything once.
final class PassOrderTests: XCTestCase {
  func testNumbers() {
    XCTAssertEqual(Array(PassOrder.forwards.numbers(in: 3..<6)), [3, 4, 5])
    XCTAssertEqual(Array(PassOrder.backwards.numbers(in: 3..<6)), [5, 4, 3])
    XCTAssertEqual(Array(PassOrder.backwards.numbers(in: 0..<1)), [0])
    for order in [PassOrder.forwards, .backwards] {
      XCTAssertEqual(Array(order.numbers(in: 0..<0)), [])
      XCTAssertEqual(order.opposite.opposite, order)
      XCTAssertNotEqual(order.opposite, order)
    }
  }

  /// Between the ends of a range, blocks end at multiples of their length.
  func testBlocks() {
    func blocks(_ order: PassOrder, of range: Range<Int>, _ count: Int) -> [Range<Int>] {
      var found: [Range<Int>] = []
      order.forEachBlock(of: range, count) { found.append($0) }
      return found
    }
    XCTAssertEqual(blocks(.forwards, of: 3..<17, 8), [3..<8, 8..<16, 16..<17])
    for start in 0..<9 {
      for end in start..<26 {
        for count in [1, 4, 8, 32] {
          let forwards = blocks(.forwards, of: start..<end, count)
          XCTAssertEqual(blocks(.backwards, of: start..<end, count), forwards.reversed(), "\(start)..<\(end), \(count)")
          XCTAssertEqual(forwards.flatMap(Array.init), Array(start..<end), "\(start)..<\(end), \(count)")
          for block in forwards.dropLast() { XCTAssertEqual(block.upperBound % count, 0) }
          XCTAssertLessThanOrEqual(forwards.map(\.count).max() ?? 0, count)
        }
      }
    }
  }

  func testLongVectorsHaveLongBlocks() {
    XCTAssertEqual([1, 1 << 17, 1 << 18, 1 << 23].map(PassOrder.blockCount), [1 << 13, 1 << 13, 1 << 16, 1 << 20])
  }
}
