import Momentum
import MomentumMPI
import MomentumTestSupport

/// A model of all kinds of placements, on a grid of threads.
struct PlacedRanks {
  typealias Declared = (name: String, shape: [Int], placement: Placement)

  /// The whole tensors. Rows of the first two are cut at multiples of 16 rows: at tiles.
  static let whole: [(name: String, shape: [Int])] = [
    ("embedding", [64, 128]), ("up", [48, 128]), ("norm", [129]), ("bias", [5]), ("scale", []), ("empty", [0]),
    ("head", [5000]),
  ]

  let grid: RankGrid

  init(_ data: Int, _ pipeline: Int, _ tensor: Int) throws {
    grid = try RankGrid(
      [("data", data), ("pipeline", pipeline), ("tensor", tensor)], ranks: data * pipeline * tensor)
  }

  /// The rows of a tensor that a rank has, if it is sliced.
  func rows(_ name: String, of rank: Int) -> Range<Int>? {
    guard let blocks = ["embedding": 4, "up": 3][name] else { return nil }
    let (place, extent) = (grid.coordinates(of: rank)[2], grid.axes[2].extent)
    return blocks * place / extent * 16..<blocks * (place + 1) / extent * 16
  }

  /// What a rank has.
  func tensors(of rank: Int) -> [Declared] {
    let (last, coordinates) = (grid.axes.map { $0.extent - 1 }, grid.coordinates(of: rank))
    let placements: [String: Placement] = [
      "embedding": ["tensor": .sliced(of: 64), "pipeline": .tied([last[1], 0])],
      "up": ["tensor": .sliced(of: 48), "pipeline": .owned(by: 0)],
      "norm": ["tensor": .copied, "pipeline": .owned(by: last[1])],
      "bias": ["pipeline": .owned(by: 0)],
      "scale": [:],
      "empty": ["pipeline": .owned(by: 0)],
      "head": ["pipeline": .owned(by: last[1]), "tensor": .owned(by: last[2])],
    ]
    let (isFirst, isLast) = (coordinates[1] == 0, coordinates[1] == last[1])
    let isHeld = [
      "embedding": isFirst || isLast, "up": isFirst, "norm": isLast, "bias": isFirst, "scale": true, "empty": isFirst,
      "head": isLast && coordinates[2] == last[2],
    ]
    return Self.whole.compactMap { name, shape in
      guard isHeld[name] == true, let placement = placements[name] else { return nil }
      return (name, rows(name, of: rank).map { [$0.count] + shape.dropFirst() } ?? shape, placement)
    }
  }

  /// The elements of a rank's part of a tensor.
  func part(_ name: String, _ whole: [Float], of rank: Int) -> [Float] {
    guard let rows = rows(name, of: rank) else { return whole }
    return Array(whole[rows.lowerBound * 128..<rows.upperBound * 128])
  }

  /// Runs something on every rank, with the plan of what all of them declare.
  func run<R: Sendable>(
    declaring change: @escaping @Sendable (_ rank: Int, _ declared: inout [Declared]) -> Void = { _, _ in },
    _ body: @escaping @Sendable (PlacementPlan, ThreadRanks.Rank) throws(DistributedError) -> R
  ) -> [Result<R, DistributedError>] {
    ThreadRanks(grid.rankCount).run { rank in
      var declared = tensors(of: rank.rank)
      change(rank.rank, &declared)
      do throws(DistributedError) {
        return .success(try body(try PlacementPlan(on: grid, declared, comparing: rank), rank))
      } catch {
        return .failure(error)
      }
    }
  }
}
