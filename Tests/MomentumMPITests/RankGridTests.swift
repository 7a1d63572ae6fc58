import Momentum
import MomentumMPI
import XCTest

final class RankGridTests: XCTestCase {
  func testTheLastAxisRunsFastest() throws {
    let grid = try RankGrid([("data", 2), ("pipeline", 3), ("tensor", 2)], ranks: 12)
    XCTAssertEqual(grid.coordinates(of: 0), [0, 0, 0])
    XCTAssertEqual(grid.coordinates(of: 1), [0, 0, 1])
    XCTAssertEqual(grid.coordinates(of: 7), [1, 0, 1])
    XCTAssertEqual("\(grid)", "data 2 x pipeline 3 x tensor 2")
    XCTAssertEqual(grid.index(of: "pipeline"), 1)
    XCTAssertNil(grid.index(of: "expert"))
    for rank in 0..<12 { XCTAssertEqual(grid.rank(at: grid.coordinates(of: rank)), rank) }
  }

  func testLinesAndPlanes() throws {
    let grid = try RankGrid([("data", 2), ("pipeline", 3), ("tensor", 2)], ranks: 12)
    XCTAssertEqual(grid.ranks(along: [], through: 7), [7])
    XCTAssertEqual(grid.ranks(along: [0], through: 7), [1, 7])
    XCTAssertEqual(grid.ranks(along: [1], through: 7), [7, 9, 11])
    XCTAssertEqual(grid.ranks(along: [0, 2], through: 7), [0, 1, 6, 7])
    XCTAssertEqual(grid.ranks(along: [0, 1, 2], through: 7), Array(0..<12))
  }

  func testGridsThatAreNoneAreRefused() {
    for (axes, expected) in [
      ([("data", 2), ("tensor", 2)], "the grid (data 2 x tensor 2) has count 4; expected 6"),
      ([("data", 0)], "extent of axis 'data' is 0; expected at least 1"),
      ([("data", 2), ("data", 3)], "axes is two called 'data'; expected names that differ"),
      ([], "the grid () has count 1; expected 6"),
    ] as [([(String, Int)], String)] {
      XCTAssertThrowsError(try RankGrid(axes.map { ($0.0, $0.1) }, ranks: 6)) { XCTAssertEqual("\($0)", expected) }
    }
  }
}
