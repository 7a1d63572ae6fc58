import Momentum
import MomentumMPI
import MomentumTestSupport
import XCTest

/// Placements that contradict themselves or those of other ranks: every rank throws the same error.
final class PlacementCheckTests: XCTestCase {
  private typealias Change = @Sendable (_ rank: Int, _ declared: inout [PlacedRanks.Declared]) -> Void

  /// Changes a tensor on some ranks, where they have it.
  private func change(
    _ name: String, on ranks: Set<Int>, _ body: @escaping @Sendable (inout PlacedRanks.Declared) -> Void
  ) -> Change {
    { rank, declared in
      guard ranks.contains(rank), let index = declared.firstIndex(where: { $0.name == name }) else { return }
      body(&declared[index])
    }
  }

  private func expect(
    _ tensor: String, rank: Int, found: String, expected: String, line: UInt = #line, _ change: @escaping Change
  ) throws {
    let error = DistributedError.placement(tensor: tensor, rank: rank, found: found, expected: expected)
    for outcome in try PlacedRanks(2, 2, 2).run(declaring: change, { _, _ in true }) {
      XCTAssertEqual(outcome, .failure(error), line: line)
    }
  }

  /// The mistake that silently counts a tensor several times.
  func testAReplicatedTensorThatIsDeclaredAsOwned() throws {
    try expect(
      "norm", rank: 3, found: "held",
      expected:
        "nothing of it at data 0, pipeline 1, tensor 1: it is owned by 1 along pipeline, owned by 0 along tensor",
      change("norm", on: Set(0..<8)) { $0.placement = ["pipeline": .owned(by: 1), "tensor": .owned(by: 0)] })
    // Each rank says that it is its owner.
    try expect(
      "norm", rank: 3, found: "owned by 1 along pipeline, owned by 1 along tensor",
      expected: "as on rank 2: owned by 1 along pipeline, owned by 0 along tensor"
    ) { rank, declared in
      guard let index = declared.firstIndex(where: { $0.name == "norm" }) else { return }
      declared[index].placement = ["pipeline": .owned(by: 1), "tensor": .owned(by: rank % 2)]
    }
  }

  func testDeclarationsThatDiffer() throws {
    for rank in [1, 4, 5] {
      try expect(
        "bias", rank: rank, found: "owned by 0 along pipeline, copied along tensor",
        expected: "as on rank 0: owned by 0 along pipeline",
        change("bias", on: [rank]) { $0.placement = ["pipeline": .owned(by: 0), "tensor": .copied] })
    }
    try expect(
      "bias", rank: 5, found: "missing",
      expected: "a part of it at data 1, pipeline 0, tensor 1: it is owned by 0 along pipeline"
    ) { rank, declared in
      if rank == 5 { declared.removeAll { $0.name == "bias" } }
    }
    try expect(
      "extra", rank: 0, found: "missing", expected: "a part of it at data 0, pipeline 0, tensor 0: it is replicated"
    ) { rank, declared in
      if rank == 6 { declared.append(("extra", [3], [:])) }
    }
  }

  func testSlicesThatDisagree() throws {
    // A rank of another replica has another slice.
    try expect(
      "up", rank: 4, found: "of shape [15, 128]", expected: "[16, 128], as the ranks before it have",
      change("up", on: [4]) { $0.shape = [15, 128] })
    // The other dimensions differ.
    try expect(
      "up", rank: 1, found: "of shape [32, 127]", expected: "[32, 128], as the ranks before it have",
      change("up", on: [1]) { $0.shape = [32, 127] })
    try expect(
      "norm", rank: 7, found: "of shape [3, 43]", expected: "[129], as the ranks before it have",
      change("norm", on: [7]) { $0.shape = [3, 43] })
    // All replicas agree, and the slices do not make up the tensor.
    try expect(
      "up", rank: 0, found: "cut into 15 + 32 along tensor", expected: "slices of 48 in all",
      change("up", on: [0, 4]) { $0.shape = [15, 128] })
    // The whole tensor instead of slices.
    try expect(
      "up", rank: 0, found: "cut into 48 + 48 along tensor", expected: "slices of 48 in all",
      change("up", on: [0, 1, 4, 5]) { $0.shape = [48, 128] })
  }

  func testPlacementsThatNoGridHas() throws {
    let all = Set(0..<8)
    try expect(
      "bias", rank: 0, found: "copied along expert", expected: "an axis of the grid data 2 x pipeline 2 x tensor 2",
      change("bias", on: all) { $0.placement = ["expert": .copied] })
    try expect(
      "bias", rank: 0, found: "owned by 2 along pipeline", expected: "places from 0 to 1",
      change("bias", on: all) { $0.placement = ["pipeline": .owned(by: 2)] })
    try expect(
      "embedding", rank: 0, found: "tied to 0 and 3 along pipeline", expected: "places from 0 to 1",
      change("embedding", on: all) { $0.placement = ["pipeline": .tied([3, 0])] })
    try expect(
      "embedding", rank: 0, found: "tied to  along pipeline", expected: "places from 0 to 1",
      change("embedding", on: all) { $0.placement = ["pipeline": .tied([])] })
    try expect(
      "bias", rank: 0, found: "sliced of 5 in dimension 1 along tensor",
      expected: "a dimension of shape [5] for each axis that slices it",
      change("bias", on: all) { $0.placement = ["tensor": .sliced(of: 5, dimension: 1)] })
    try expect(
      "bias", rank: 0, found: "sliced of 5 along tensor",
      expected: "a dimension of shape [5] for each axis that slices it",
      change("bias", on: all) { $0.placement = ["tensor": .sliced(of: 5), "data": .sliced(of: 5)] })
  }

  func testWhatIsNoLayoutIsRefused() throws {
    for outcome in try PlacedRanks(2, 1, 2).run(
      declaring: { rank, declared in
        if rank == 3 { declared.append(("bias", [5], [:])) }
      }, { _, _ in true })
    {
      XCTAssertEqual(outcome, .failure(.refused(.duplicateTensor(name: "bias"))))
    }
    for outcome in try PlacedRanks(2, 1, 2).run(
      declaring: { rank, declared in
        declared.append(("huge", [.max / 2], ["tensor": .sliced(of: .max - 1), "data": .copied]))
      }, { _, _ in true })
    {
      guard case .failure(.refused(.invalidShape)) = outcome else {
        XCTFail("\(outcome)")
        continue
      }
    }
  }

  /// Ranks that have arranged themselves differently.
  func testGridsThatDiffer() throws {
    let outcomes = ThreadRanks(4).run { rank in
      Result { () throws(DistributedError) in
        let axes = rank.rank == 2 ? [("tensor", 2), ("data", 2)] : [("data", 2), ("tensor", 2)]
        guard let grid = try? RankGrid(axes.map { ($0.0, $0.1) }, ranks: 4) else { return false }
        _ = try PlacementPlan(on: grid, [("bias", [3], ["tensor": .copied])], comparing: rank)
        return true
      }
    }
    for outcome in outcomes { XCTAssertEqual(outcome, .failure(.differs(what: "the axes of the grid", rank: 2))) }
  }

  /// Ranks that declare the same say it once: words do not grow with the number of replicas.
  func testDeclarationsTravelOnce() throws {
    func words(_ ranks: PlacedRanks) -> Int {
      let threads = ThreadRanks(ranks.grid.rankCount)
      _ = threads.run { rank in
        (try? PlacementPlan(on: ranks.grid, ranks.tensors(of: rank.rank), comparing: rank)) != nil
      }
      return threads.sums.last ?? 0
    }
    let (one, eight) = try (words(PlacedRanks(2, 1, 1)), words(PlacedRanks(8, 1, 1)))
    XCTAssertGreaterThan(one, 50)
    XCTAssertEqual(one, eight)
  }
}
