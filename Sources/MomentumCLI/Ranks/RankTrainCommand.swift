#if MPI
  import ArgumentParser
  import Foundation
  import Momentum
  import MomentumMPI

  struct RankTrainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "train", abstract: "Train the network of momentum train, each batch on all ranks.",
      discussion: """
        As momentum train, one run after the other. Each batch is cut into micro-batches, which the ranks share; their \
        gradients are added in a fixed tree, so that CSVs, summary and checkpoints have the same bytes on any number of \
        ranks. Rank 0 writes the report folder; --resume goes on with it on any number of ranks, all of which read it.
        """)

    private static let defaultMicroBatches = 8

    @Option(
      parsing: .unconditional,
      help: "The number of parts of a batch, whatever the number of ranks. (default: \(defaultMicroBatches))")
    var microBatches: Int?

    @OptionGroup
    var train: TrainCommand

    private var options: TrainingOptions {
      var options = train.trainingOptions
      options.microBatches = microBatches ?? Self.defaultMicroBatches
      return options
    }

    func validate() throws {
      if train.threads != nil {
        throw ValidationError("--threads cannot be given to momentum-mpi, where one run goes after the other")
      }
      if train.gradientType != .f32 {
        throw ValidationError("--gradient-type cannot be given to momentum-mpi, whose gradients are Floats")
      }
      if microBatches != nil, train.resume != nil {
        throw ValidationError("--resume takes --micro-batches from the folder")
      }
      if train.resume == nil, let problem = options.problem { throw ValidationError(problem) }
    }

    func run() throws {
      Interrupt.catchSignals()
      let world = try Communicator.world()
      let (checkpoint, options, histories) = try world.together { try open(world) }
      var hash = WordHash()
      hash.add(String(reflecting: options))
      for key in histories.keys.sorted(by: { $0.name < $1.name }) {
        hash.add("\(key.name), \(histories[key]?.stepCount ?? 0)")
      }
      try world.requireSame(hash.value, "the report folder")
      var session = RankTrainingSession(options, try world.together { try .bundled() }, checkpoint, histories, world)
      let results = try session.run()
      try world.together {
        if world.rank == 0 { try train.show(results, in: checkpoint.folder, command: "momentum-mpi train") }
      }
      guard results.isComplete else { throw ExitCode(Interrupt.exitStatus) }
    }

    private func open(
      _ world: Communicator
    ) throws -> (TrainingCheckpoint, TrainingOptions, [TrainingRunKey: TrainingHistory]) {
      if let resume = train.resume {
        let checkpoint = TrainingCheckpoint(folder: URL(fileURLWithPath: resume, isDirectory: true))
        let options = try checkpoint.options()
        guard options.microBatches != nil else {
          throw DataFileError(file: resume, cause: "is a report of momentum train; expected one of momentum-mpi train")
        }
        return (checkpoint, options, try checkpoint.histories(options))
      }
      guard world.rank == 0 else {
        // Of a new folder only rank 0 knows, and needs to.
        return (TrainingCheckpoint(folder: URL(fileURLWithPath: "report", isDirectory: true)), options, [:])
      }
      let checkpoint = TrainingCheckpoint(folder: try ReportFolder.choose(train.output, name: "report"))
      try checkpoint.save(options)
      return (checkpoint, options, [:])
    }
  }
#endif
