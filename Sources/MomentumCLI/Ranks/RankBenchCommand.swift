#if MPI
  import ArgumentParser
  import Foundation
  import Momentum
  import MomentumMPI

  struct RankBenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "bench", abstract: "Verify and time steps of several ranks, beside MPI's own sum.",
      discussion: """
        Each rank adds one gradient, and all take a step with global norm clipping and momentum, in every way that ranks can \
        divide the work. The parameters of each way are compared with a plain loop first; then the ways run in turn. Beside \
        them stand what they are made of: the merge of the norms alone, MPI's own sum of the gradients alone, and a copy of a \
        gradient within each rank's memory, which no way can do without. A time is that of the slowest rank.
        """)

    @Option(parsing: .upToNextOption, help: "Numbers of parameters, such as 1000000 or 1e6. (default: 1e6 1e7)")
    var count: [BenchCommand.ElementCount] = []
    @Option(parsing: .upToNextOption, help: "The tensors of models: resnet50 (25557032), gpt2 (124439808).")
    var model: [ModelTensors] = []
    @Option(name: .customLong("repeat"), parsing: .unconditional, help: "How often each way is timed.")
    var repeats = 5
    @Flag(help: "Print one JSON object.")
    var json = false

    func validate() throws {
      guard repeats >= 1 else { throw ValidationError("--repeat is \(repeats); expected at least 1") }
    }

    func run() throws {
      let world = try Communicator.world()
      var report = RankBenchReport(world)
      for layout in try layouts() { report.rows += try RankBench(layout, world).rows(repeats: repeats) }
      guard world.rank == 0 else { return }
      if json { return try JSONOutput.print(report) }
      try StandardOutput.print(report.text)
    }

    private func layouts() throws -> [ParameterLayout] {
      let counts = count.isEmpty && model.isEmpty ? [1_000_000, 10_000_000] : count.map(\.value)
      return try counts.map { try ParameterLayout(count: $0) } + model.map { try ParameterLayout($0.tensors) }
    }
  }
#endif
