#if MPI
  import Momentum
  import MomentumMPI

  /// Ranks, words, and parts of communicators.
  enum CommunicatorCases {
    static func run(_ world: Communicator) throws {
      var sums = [1, UInt64(world.rank)]
      try world.sum(&sums)
      let ranks = UInt64(world.rankCount)
      try Cases.require(sums == [ranks, ranks * (ranks - 1) / 2], "the sums are \(sums)")
      // Words have no sign.
      var largest = [world.rank == 0 ? UInt64.max - 5 : 0, UInt64(world.rank)]
      try world.max(&largest)
      try Cases.require(largest == [UInt64.max - 5, ranks - 1], "the maxima are \(largest)")
      // More than one message of 64 MiB, with a remainder.
      var many = [UInt64](repeating: UInt64(world.rank), count: 1 << 23 + 3)
      try world.max(&many)
      try Cases.require(many.allSatisfy { $0 == ranks - 1 }, "a maximum of many words is wrong")
      try Cases.require((1...world.rankCount).contains(world.nodeSize), "there are \(world.nodeSize) ranks on the node")
      try Cases.require(world.threadsPerRank >= 1, "there are \(world.threadsPerRank) threads")

      let copy = try Communicator(fortranHandle: world.fortranHandle)
      try Cases.require(copy.rank == world.rank && copy.rankCount == world.rankCount, "the copy has other ranks")

      try agreement(world)
      try parts(world)
    }

    private static func agreement(_ world: Communicator) throws {
      struct Odd: Error {}
      let value = try world.agree { 7 }
      try Cases.require(value == 7, "the value is \(value)")
      for failing in 0..<world.rankCount {
        do {
          try world.agree { if world.rank >= failing { throw Odd() } }
        } catch {
          try Cases.require(error == .failed(rank: failing, message: "Odd()"), "'\(error)' for rank \(failing)")
          continue
        }
        throw Cases.Failure(description: "rank \(failing) failed, and nothing was thrown")
      }
    }

    /// Two models, each on every second rank: the steps of one do not meet those of the other.
    private static func parts(_ world: Communicator) throws {
      guard let part = try world.split(color: world.rank % 2) else {
        throw Cases.Failure(description: "the rank is in no part")
      }
      try Cases.require(part.rank == world.rank / 2, "rank \(world.rank) is rank \(part.rank) of its part")
      let layout = try ParameterLayout(count: 5000)
      var optimizer = try DistributedOptimizer<Float>(
        layout, on: part, rule: SGD(learningRate: 1), clipping: .measureOnly, reduction: .ordered(microBatches: 3))
      var parameters = try ParameterVector<Float>(layout)
      let report = try optimizer.step(&parameters) { _, gradient, _ in gradient.fill(world.rank % 2 == 0 ? 1 : 2) }
      let norm = Double(5000).squareRoot() * (world.rank % 2 == 0 ? 1 : 2)
      try Cases.require(report.totalNorm == norm, "the norm of the part is \(report.totalNorm ?? -1); expected \(norm)")
      let nobody = try world.split(color: world.rank == 0 ? 0 : nil)
      try Cases.require((nobody == nil) == (world.rank != 0), "a rank without a color is in a part")
    }
  }
#endif
