#if MPI
  import ArgumentParser
  import Momentum
  import MomentumMPI

  struct RankInfoCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "info", abstract: "Show the MPI, the ranks, and what each of them may use.")

    @Flag(help: "Print one JSON object.")
    var json = false

    private struct Output: Encodable {
      let mpi: String
      let ranks: Int
      let ranksOfThisMachine: Int
      let threadsPerRank: [Int]
      let kernels: String
      let kernelsAreTheSame: Bool
    }

    func run() throws {
      let world = try Communicator.world()
      var threads = [UInt64](repeating: 0, count: world.rankCount)
      threads[world.rank] = UInt64(world.threadsPerRank)
      try world.sum(&threads)
      let kernels = BLAS.LibraryInfo.current.coreName ?? "unknown"
      var hash = WordHash()
      hash.add(kernels)
      var extremes = [hash.value, ~hash.value]
      try world.max(&extremes)
      guard world.rank == 0 else { return }
      let output = Output(
        mpi: MPI.library, ranks: world.rankCount, ranksOfThisMachine: world.nodeSize,
        threadsPerRank: threads.map { Int($0) }, kernels: kernels, kernelsAreTheSame: extremes[0] == ~extremes[1])
      if json { return try JSONOutput.print(output) }
      try StandardOutput.print(lines: [
        "MPI      \(output.mpi)",
        "ranks    \(output.ranks), \(output.ranksOfThisMachine) of them on the machine of rank 0",
        "threads  \(output.threadsPerRank.map(\.description).joined(separator: ", "))",
        "kernels  \(output.kernels)\(output.kernelsAreTheSame ? "" : "; NOT THE SAME ON ALL RANKS")",
      ])
    }
  }
#endif
