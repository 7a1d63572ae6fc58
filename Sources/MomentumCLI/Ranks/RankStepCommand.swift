#if MPI
  import ArgumentParser
  import Momentum
  import MomentumFiles
  import MomentumMPI

  struct RankStepCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "step", abstract: "Clip gradients and take steps of SGD with momentum on tensor files.",
      discussion: """
        As momentum step, whose output and files it has, for tensors of one type. Every rank reads and steps its part of \
        the tensors; rank 0 collects the results and writes the files. The state is read and written as one file \
        (--state, --output-state).
        """)

    @OptionGroup
    var options: StepCommand

    func run() throws {
      let world = try Communicator.world()
      let parameters = try world.together {
        let apart = options.state.given.filter { $0 != "--state" && $0 != "--output-state" }
        if let option = apart.first {
          throw ValidationError("\(option) cannot be given to momentum-mpi; expected --state and --output-state")
        }
        if world.rank == 0 {
          for case let file? in [options.outputParameters] + options.state.outputs.map(\.1) {
            try TensorOutput.check(file, followsLinks: options.writing.followLinks)
          }
        }
        if let option = options.halves.given.first {
          throw ValidationError("\(option) cannot be given to momentum-mpi, whose parameters are F32 or F64")
        }
        let parameters = try CheckpointTensors(
          options.parameters, options.patterns, access: .copyOnWrite, onlyWholeFor: "parameters must be of")
        guard parameters.set.files.count == 1, parameters.set.indices.isEmpty else {
          throw DataFileError(
            file: parameters.name, cause: "is more than a file; expected one, which momentum-mpi takes")
        }
        _ = try parameters.onlyType(with: "momentum-mpi")
        return parameters
      }
      if parameters.dtypes == [.f64] {
        try run(parameters, as: Double.self, world)
      } else {
        try run(parameters, as: Float.self, world)
      }
      withExtendedLifetime(parameters) {}
    }

    private func run<Scalar: ParameterScalar>(
      _ parameters: CheckpointTensors, as _: Scalar.Type, _ world: Communicator
    ) throws {
      let part = try world.together { try RankPart<Scalar>(options, parameters, world) }
      try world.requireSame(part.plan.digest, "the tensors of \(parameters.name)")
      try part.loadState()
      let rows = try options.takeSteps(part.gradients) { () throws(MomentumError) in [try part.step()] }
      try world.together { try part.checkUnchanged() }
      try part.write()
      if world.rank == 0 { try options.show(rows) }
    }
  }

  /// The part of the tensors that one rank steps.
  private final class RankPart<Scalar: ParameterScalar> {
    let plan: ShardPlan
    private let options: StepCommand
    private let world: Communicator
    private let file: CheckpointTensors
    private let gradientFiles: StepGradients
    /// All tensors, of which only the own pieces change; on rank 0 the others follow at the end.
    private let tensors: [UnsafeMutableBufferPointer<Scalar>]
    private let pieces: [UnsafeMutableBufferPointer<Scalar>]
    private var source: GradientSource<Scalar>
    private var optimizer: Optimizer<Scalar>
    /// An optimizer of all tensors, which has the state of all on rank 0 while files are read and written.
    private var whole: Optimizer<Scalar>
    /// What the state has of tensors that are passed by, on rank 0.
    private var passed: StoredStates<Scalar>
    private let transfer: StateTransfer<Scalar>
    private let exchange: ShardExchange

    init(_ options: StepCommand, _ file: CheckpointTensors, _ world: Communicator) throws {
      var settings = try options.options.configuration()
      if settings.averaging == nil, let config = options.options.config, let option = options.state.averageOption {
        throw DataFileError(file: config, cause: "'averaging' is missing; expected it with \(option)")
      }
      guard settings.mode == .twoPass else {
        throw ValidationError("the one-pass mode writes before the norm is known; expected two passes in momentum-mpi")
      }
      gradientFiles = try StepGradients(options.gradients, options.gradientFiles, of: file, options.patterns)
      for checkpoint in gradientFiles.checkpoints { _ = try checkpoint.onlyType(with: "momentum-mpi") }
      if gradientFiles.haveHalves { settings.clipping.algorithm = .portable }
      let threads = options.threading.threads ?? world.threadsPerRank
      let layout = try file.layout()
      whole = try options.make { () throws(MomentumError) in try settings.makeOptimizer(layout, threads: threads) }
      let plan = try ShardPlan(layout, ranks: world.rankCount, cuts: whole.needsWholeTensors ? .tensors : .tiles)
      let (own, partLayout) = (plan.pieces(of: world.rank), plan.layout(of: world.rank))
      optimizer = try options.make { () throws(MomentumError) in
        try settings.makeOptimizer(partLayout, partOf: layout, threads: threads)
      }
      source = try GradientSource(
        gradientFiles, of: file, settings.clipping.algorithm, threads: threads, part: (own, partLayout))
      let tensors = try file.mutableBuffers(as: Scalar.self)
      pieces = own.map { UnsafeMutableBufferPointer(rebasing: tensors[$0.tensor][$0.range]) }
      passed = StoredStates([], file.passed(ofFile: 0, areDoubles: Scalar.dtype == .f64))
      transfer = StateTransfer(world, plan, isSharded: true)
      exchange = ShardExchange(world, plan, isSharded: true)
      (self.plan, self.options, self.world, self.file, self.tensors) = (plan, options, world, file, tensors)
    }

    /// The name of the gradients in errors.
    var gradients: String { gradientFiles.name }

    /// Gives every rank its part of the state that rank 0 reads.
    func loadState() throws {
      guard options.state.state != nil else { return }
      let state = try world.together { () -> OptimizerState<Scalar>? in
        guard world.rank == 0 else { return nil }
        let others = file.passed(ofFile: 0, areDoubles: Scalar.dtype == .f64)
        passed = try options.state.open(for: whole, besides: others)
        try options.state.load(passed, into: &whole)
        return whole.state()
      }
      let own = try transfer.scatter(state, optimizer.layout)
      try world.together { try optimizer.restore(own) }
    }

    func step() throws(MomentumError) -> StepReport { try source.step(&optimizer, pieces, exchange) }

    func checkUnchanged() throws {
      try gradientFiles.checkUnchanged()
      try file.set.checkUnchanged()
    }

    /// Brings everything to rank 0, which writes the files, all or none.
    func write() throws {
      try world.collect(tensors, plan)
      let state = options.state.outputState == nil ? nil : try transfer.gather(optimizer.state())
      try world.together {
        guard world.rank == 0 else { return }
        if let state { try whole.restore(state) }
        let files = try options.outputFiles(like: file.set)
        try files.parameters.add(0, of: file)
        for writer in try options.state.ofFile(0, of: file.set).writers(of: whole, passing: passed) {
          try files.target.add(writer)
        }
        try passed.finish()
        try files.target.commit()
      }
    }
  }
#endif
