import XCTest

@testable import MomentumMPI

/// Sums over a tree, written out: whoever adds the parts, the text is the same.
final class MicroBatchTreeTests: XCTestCase {
  private final class Sum {
    var text: String
    init(_ text: String) { self.text = text }
  }

  private func add(_ sum: Sum, _ next: Sum) { sum.text = "(\(sum.text)+\(next.text))" }

  /// The sum of all micro-batches, of which each rank adds up a range.
  private func sum(_ ranges: [Range<Int>]) -> String? {
    let parts = ranges.flatMap { range in
      MicroBatchTree.merged(range.map { (MicroBatchTree.Block($0), Sum("\($0)")) }, add: add)
    }
    return MicroBatchTree.folded(MicroBatchTree.merged(parts, add: add), add: add)?.text
  }

  func testTheOrderOfAdditions() {
    XCTAssertNil(sum([0..<0]))
    XCTAssertEqual(sum([0..<1]), "0")
    XCTAssertEqual(sum([0..<6]), "(((0+1)+(2+3))+(4+5))")
    XCTAssertEqual(sum([0..<8]), "(((0+1)+(2+3))+((4+5)+(6+7)))")
    XCTAssertEqual(sum([0..<7]), "(((0+1)+(2+3))+((4+5)+6))")
  }

  func testTheSumDoesNotDependOnTheRanks() {
    for count in 1...20 {
      for ranks in 1...9 {
        let cuts = (0...ranks).map { count * $0 / ranks }
        XCTAssertEqual(sum(zip(cuts, cuts.dropFirst()).map { $0..<$1 }), sum([0..<count]), "\(count) on \(ranks)")
      }
    }
  }

  func testTheBlocksOfARange() {
    XCTAssertEqual(MicroBatchTree.blocks(3..<9).map(\.start), [3, 4, 8])
    XCTAssertEqual(MicroBatchTree.blocks(3..<9).map(\.size), [1, 4, 1])
    XCTAssertEqual(MicroBatchTree.blocks(4..<4), [])
    XCTAssertEqual(MicroBatchTree.blocks(0..<12).map(\.size), [8, 4])
  }
}
