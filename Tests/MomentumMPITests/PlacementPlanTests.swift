import MomentumTestSupport
import XCTest

@testable import Momentum
@testable import MomentumMPI

/// What follows from placements, on grids of threads.
final class PlacementPlanTests: XCTestCase {
  private static let grids = [
    [1, 1, 1], [2, 1, 1], [1, 2, 1], [1, 1, 2], [2, 2, 1], [2, 1, 2], [1, 2, 2], [2, 2, 2], [1, 3, 3], [1, 1, 4],
  ]

  private static let wholeTensors = PlacedRanks.whole

  /// The steps of one owner: of a rank, or of all.
  private static func steps(
    _ layout: ParameterLayout, _ exchange: (any NormExchange)?, count: Int = 3,
    _ part: (_ name: String, _ whole: [Float]) -> [Float]
  ) throws(MomentumError) -> (reports: [String], parameters: [[Float]]) {
    var optimizer = try Optimizer<Float>(
      layout, rule: SGD(learningRate: 0.1, momentum: 0.9, weightDecay: 0.01), clipping: .byGlobalNorm(3))
    func memory(_ step: UInt64) -> [GuardedMemory<Float>] {
      layout.tensors.map { GuardedMemory(part($0.name, whole($0.name, step))) }
    }
    let parameters = memory(0)
    var reports: [String] = []
    for step in 1...count {
      let gradients = memory(UInt64(step))
      let (written, read) = (parameters.map(\.buffer), gradients.map { Optional($0.readOnlyBuffer) })
      let report = try withExtendedLifetime(gradients) { () throws(MomentumError) in
        guard let exchange else { return try optimizer.step(parameters: written, gradients: read) }
        return try optimizer.step(parameters: written, gradients: read, exchange: exchange)
      }
      reports.append("\(report)")
    }
    return (reports, parameters.map(\.elements))
  }

  /// A whole tensor of parameters (step 0) or gradients.
  private static func whole(_ name: String, _ step: UInt64) -> [Float] {
    let position = wholeTensors.firstIndex { $0.name == name } ?? 0
    var random = SeededGenerator(seed: step * 100 + UInt64(position))
    return (0..<wholeTensors[position].shape.reduce(1, *)).map { _ in Float.random(in: -1...1, using: &random) }
  }

  func testEveryRankStepsAsOneProcess() throws {
    let layout = try ParameterLayout(Self.wholeTensors)
    let (reports, parameters) = try Self.steps(layout, nil) { $1 }
    for extents in Self.grids {
      let ranks = try PlacedRanks(extents[0], extents[1], extents[2])
      let outcomes = ranks.run { plan, rank throws(DistributedError) in
        let exchange = plan.exchange(of: rank.rank, over: RankExchange(rank, elements: plan.layout.count))
        do throws(MomentumError) {
          return try Self.steps(plan.layout(of: rank.rank), exchange) { ranks.part($0, $1, of: rank.rank) }
        } catch {
          throw .refused(error)
        }
      }
      for (rank, outcome) in outcomes.enumerated() {
        let (ownReports, own) = try outcome.get()
        XCTAssertEqual(ownReports, reports, "rank \(rank) of \(ranks.grid)")
        for (tensor, elements) in zip(ranks.tensors(of: rank), own) {
          let whole = parameters[try XCTUnwrap(layout.index(of: tensor.name))]
          assertSameBits(
            ranks.part(tensor.name, whole, of: rank), elements, "\(tensor.name) on rank \(rank) of \(ranks.grid)")
        }
      }
    }
  }

  /// The same where the ranks meet as threads do.
  func testAnyExchangeWillDo() throws {
    let (reports, _) = try Self.steps(ParameterLayout(Self.wholeTensors), nil) { $1 }
    let ranks = try PlacedRanks(1, 2, 2)
    let plan = try XCTUnwrap(ranks.run { plan, _ in plan }.first).get()
    let outcomes = try ThreadExchange.run(owners: 4) { rank, exchange throws(MomentumError) in
      try Self.steps(plan.layout(of: rank), plan.exchange(of: rank, over: exchange)) {
        ranks.part($0, $1, of: rank)
      }.reports
    }
    for own in outcomes { XCTAssertEqual(own, reports) }
  }

  func testWhoDoesWhat() throws {
    let ranks = try PlacedRanks(2, 2, 2)
    for outcome in ranks.run({ plan, _ in plan }) {
      let plan = try outcome.get()
      XCTAssertEqual(plan.layout.count, Self.wholeTensors.reduce(0) { $0 + $1.shape.reduce(1, *) })
      XCTAssertEqual(Set(plan.layout.tensors.map(\.name)), Set(Self.wholeTensors.map(\.name)))
      XCTAssertTrue(plan.hasSlices && plan.cutsAtTiles)
      for (tensor, holders, counters, axes) in [
        ("embedding", Array(0..<8), [0, 1], ["data", "pipeline"]), ("up", [0, 1, 4, 5], [0, 1], ["data"]),
        ("norm", [2, 3, 6, 7], [2], ["data"]), ("bias", [0, 1, 4, 5], [0], ["data", "tensor"]),
        ("scale", Array(0..<8), [0], ["data", "pipeline", "tensor"]), ("head", [3, 7], [3], ["data"]),
      ] {
        XCTAssertEqual(try plan.holders(of: tensor), holders, tensor)
        XCTAssertEqual(try plan.counters(of: tensor), counters, tensor)
        XCTAssertEqual(try plan.summedAxes(of: tensor), axes, tensor)
      }
      XCTAssertEqual(plan.countedElsewhere(by: 1), ["bias", "scale", "empty"])
      XCTAssertEqual(plan.countedElsewhere(by: 3), ["embedding", "norm", "scale"])
      XCTAssertEqual(try plan.placement(of: "norm")["tensor"], .copied)
      XCTAssertEqual(try plan.placement(of: "norm")["data"], .replicated)
      XCTAssertThrowsError(try plan.counters(of: "down"))
    }
  }

  /// An element of a slice is named by its place in the whole tensor.
  func testWhatIsNotFiniteIsNamedByItsPlaceInTheWholeTensor() throws {
    let ranks = try PlacedRanks(1, 2, 2)
    for (culprit, tensor, index, expected) in [(1, "up", 7, 16 * 128 + 7), (3, "embedding", 1, 32 * 128 + 1)] {
      let outcomes = ranks.run { plan, rank throws(DistributedError) in
        let exchange = plan.exchange(of: rank.rank, over: RankExchange(rank, elements: plan.layout.count))
        do throws(MomentumError) {
          _ = try Self.steps(plan.layout(of: rank.rank), exchange, count: 1) { name, whole in
            var part = ranks.part(name, whole, of: rank.rank)
            if rank.rank == culprit, name == tensor, whole == Self.whole(name, 1) { part[index] = .nan }
            return part
          }
        } catch {
          throw .refused(error)
        }
      }
      for outcome in outcomes {
        guard case .failure(.refused(.nonFiniteGradient(let name, let found, _))) = outcome else {
          XCTFail("\(outcome)")
          continue
        }
        XCTAssertEqual(name, tensor)
        XCTAssertEqual(found, expected)
      }
    }
  }
}

// MARK: - Cuts

extension PlacementPlanTests {
  /// The plan of a tensor that is cut into slices of these shapes.
  private func plan(_ shapes: [[Int]], _ placement: Placement) throws -> PlacementPlan {
    let grid = try RankGrid([("tensor", shapes.count)], ranks: shapes.count)
    let plans = ThreadRanks(shapes.count).run { rank in
      Result { () throws(DistributedError) in
        try PlacementPlan(on: grid, [("w", shapes[rank.rank], placement)], comparing: rank)
      }
    }
    return try plans[0].get()
  }

  func testCutsBetweenTilesAreToldFromOthers() throws {
    for (shapes, placement, whole, isAtTiles) in [
      ([[2, 1024], [1, 1024]], ["tensor": .sliced(of: 3)], [3, 1024], true),
      ([[1, 1024], [2, 1024]], ["tensor": .sliced(of: 3)], [3, 1024], false),
      ([[3, 2048], [3, 2048]], ["tensor": .sliced(of: 4096, dimension: 1)], [3, 4096], false),
      ([[1, 2048], [1, 2048]], ["tensor": .sliced(of: 4096, dimension: 1)], [1, 4096], true),
      ([[7], [0], [0]], ["tensor": .sliced(of: 7)], [7], true),
      ([[0, 5], [0, 6]], ["tensor": .sliced(of: 11, dimension: 1)], [0, 11], true),
    ] as [([[Int]], Placement, [Int], Bool)] {
      let plan = try plan(shapes, placement)
      XCTAssertEqual(plan.layout.tensors[0].shape, whole)
      XCTAssertEqual(plan.cutsAtTiles, isAtTiles, "\(shapes)")
      XCTAssertEqual(try plan.counters(of: "w"), Array(shapes.indices))
    }
  }

  /// Columns: every element of each slice has its place in the whole matrix.
  func testPlacesOfElementsOfColumns() throws {
    let plan = try plan([[2, 3], [2, 1]], ["tensor": .sliced(of: 4, dimension: 1)])
    XCTAssertEqual((0..<6).map { plan.wholeIndex($0, of: "w", heldBy: 0) }, [0, 1, 2, 4, 5, 6])
    XCTAssertEqual((0..<2).map { plan.wholeIndex($0, of: "w", heldBy: 1) }, [3, 7])
  }

  /// Cut elsewhere, the norm is the same on all ranks, and within twice the bound of its algorithm that of one process: 36
  /// roundings of `Double` each, or of a dot product the 68.5 of `Float` that kernels on SSE may take, the narrowest here.
  func testNormsOfOtherCutsAreThoseOfOneProcessButForRounding() throws {
    try compareOtherCuts(.portable, within: 2 * 36 * Double.ulpOfOne / 2)
    try compareOtherCuts(.blas, within: 2 * 68.5 * Double(Float.ulpOfOne) / 2)
  }

  private func compareOtherCuts(_ algorithm: NormAlgorithm, within bound: Double) throws {
    let whole = (0..<9000).map { Float($0 % 97) / 96 - 0.5 }
    let grid = try RankGrid([("tensor", 3)], ranks: 3)
    let cuts = [0, 1000, 5001, 9000]
    let clipping = try GradientClipping(whole: .norm(1e9), algorithm: algorithm)
    let norms = ThreadRanks(3).run { rank in
      Result { () throws(any Error) in
        let part = Array(whole[cuts[rank.rank]..<cuts[rank.rank + 1]])
        let plan = try PlacementPlan(on: grid, [("w", [part.count], ["tensor": .sliced(of: 9000)])], comparing: rank)
        XCTAssertFalse(plan.cutsAtTiles)
        let exchange = plan.exchange(of: rank.rank, over: RankExchange(rank, elements: plan.layout.count))
        let memory = GuardedMemory(part)
        return try withExtendedLifetime(memory) {
          try Gradients.clip([memory.buffer], by: clipping, names: ["w"], exchange: exchange).totalNorm
        }
      }
    }
    let memory = GuardedMemory(whole)
    let expected = try withExtendedLifetime(memory) {
      try XCTUnwrap(try Gradients.clip([memory.buffer], by: clipping).totalNorm)
    }
    for outcome in norms {
      let norm = try XCTUnwrap(try outcome.get())
      XCTAssertEqual(norm, try norms[0].get())
      XCTAssertEqual(norm, expected, accuracy: bound * expected)
    }
  }
}
