#if MPI
  import ArgumentParser
  import Momentum
  import MomentumMPI

  struct RankStepCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "step", abstract: "Clip gradients and take steps of SGD with momentum on checkpoints.",
      discussion: """
        As momentum step, whose options, output and files it has. The tensors are divided among the ranks, in the order of \
        the files: every rank reads, steps and writes whole tensors of its own, group by group where one step is taken. All \
        ranks see the same files. Those that are written have a temporary name until rank 0 puts them in their places, all \
        or none. Not to be had are standard output and the one-pass mode.
        """)

    @OptionGroup
    var options: StepCommand

    func run() throws {
      let world = try Communicator.world()
      let steps = try world.together {
        if let (option, _) = options.outputs.first(where: { $1.map(StandardStream.isOutput) ?? false }) {
          throw ValidationError("\(option) is standard output, which one rank writes; expected a file in momentum-mpi")
        }
        var options = options
        options.threading.threads = options.threading.threads ?? world.threadsPerRank
        let steps = try options.open()
        guard steps.settings.mode == .twoPass else {
          throw ValidationError(
            "the one-pass mode writes before the norm is known; expected two passes in momentum-mpi")
        }
        if world.rank == 0 { steps.warn() }
        return steps
      }
      let rows = try RankSteps(steps, world).run()
      if world.rank == 0 { try options.show(rows, skipped: steps.skipped) }
    }
  }
#endif
