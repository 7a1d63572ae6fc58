import Momentum
import MomentumMPI
import MomentumTestSupport
import XCTest

final class ShardPlanTests: XCTestCase {
  private let shapes = [[0], [3, 5], [2049], [], [40, 600], [0, 7], [5 * 2048], [1], [0]]

  private func layout(_ shapes: [[Int]]) throws -> ParameterLayout {
    try ParameterLayout(shapes.enumerated().map { ("\($0)", $1) })
  }

  func testEveryElementAndEveryTensorIsInOnePart() throws {
    for shapes in [shapes, [[0]], [], [[1]], [[100_000]]] {
      let layout = try layout(shapes)
      for cuts in ShardPlan.Cuts.allCases {
        for ranks in 1...9 {
          let plan = try ShardPlan(layout, ranks: ranks, cuts: cuts)
          var owners = layout.tensors.map { Array(repeating: 0, count: $0.count) }
          var seen = Set<Int>()
          for rank in 0..<ranks {
            let pieces = plan.pieces(of: rank)
            XCTAssertEqual(pieces.reduce(0) { $0 + $1.range.count }, plan.range(of: rank).count)
            XCTAssertEqual(plan.layout(of: rank).tensors.map(\.count), pieces.map(\.range.count))
            for piece in pieces {
              let tensor = layout.tensors[piece.tensor]
              if tensor.count == 0 || cuts == .tensors {
                XCTAssertTrue(seen.insert(piece.tensor).inserted, "tensor \(piece.tensor) is in two parts")
                XCTAssertEqual(piece.range, 0..<tensor.count)
              }
              XCTAssertTrue(piece.range.lowerBound % Tile.count == 0)
              XCTAssertTrue(piece.range.upperBound % Tile.count == 0 || piece.range.upperBound == tensor.count)
              seen.insert(piece.tensor)
              for index in piece.range { owners[piece.tensor][index] += 1 }
            }
          }
          XCTAssertTrue(owners.joined().allSatisfy { $0 == 1 }, "\(shapes), \(cuts), \(ranks) ranks")
          XCTAssertEqual(seen.count, layout.tensors.count)
        }
      }
    }
  }

  func testPartsAreEqualUpToATile() throws {
    let plan = try ShardPlan(layout([[1_000_000], [1_000_000]]), ranks: 7)
    for rank in 0..<7 {
      XCTAssertEqual(Double(plan.range(of: rank).count), 2_000_000 / 7, accuracy: 2 * Double(Tile.count))
    }
  }

  func testWholeTensorsKeepTheirShape() throws {
    let plan = try ShardPlan(layout([[4096, 2], [3, 5]]), ranks: 2)
    XCTAssertEqual(plan.layout(of: 0).tensors.map(\.shape), [[4096]])
    XCTAssertEqual(plan.layout(of: 1).tensors.map(\.shape), [[4096], [3, 5]])
  }

  func testTheDigestTellsPlansApart() throws {
    let plans = try [
      ShardPlan(layout(shapes), ranks: 2), ShardPlan(layout(shapes), ranks: 3),
      ShardPlan(layout(shapes), ranks: 2, cuts: .tensors), ShardPlan(layout(shapes.reversed()), ranks: 2),
      ShardPlan(ParameterLayout(count: layout(shapes).count), ranks: 2),
    ]
    XCTAssertEqual(Set(plans.map(\.digest)).count, plans.count)
    XCTAssertEqual(plans[0].digest, try ShardPlan(layout(shapes), ranks: 2).digest)
  }

  func testAPlanForNobodyIsRefused() {
    XCTAssertThrowsError(try ShardPlan(layout(shapes), ranks: 0)) {
      XCTAssertEqual("\($0)", "ranks is 0; expected at least 1")
    }
  }
}
