#if MPI
  import Momentum
  import MomentumMPI

  /// Works through a plan, one run after the other, each on all ranks. Rank 0 keeps what was done in a report folder.
  struct RankTrainingSession {
    private let options: TrainingOptions
    private let data: DigitsDataset
    private let checkpoint: TrainingCheckpoint
    private let world: Communicator
    private let progress: ProgressDisplay
    private var histories: [TrainingRunKey: TrainingHistory]

    private var plan: TrainingPlan { TrainingPlan(options: options) }
    private var stepsPerEpoch: Int { options.stepsPerEpoch(data) }

    /// - Parameter histories: Those of an earlier session, the same on all ranks.
    init(
      _ options: TrainingOptions, _ data: DigitsDataset, _ checkpoint: TrainingCheckpoint,
      _ histories: [TrainingRunKey: TrainingHistory], _ world: Communicator
    ) {
      (self.options, self.data, self.checkpoint) = (options, data, checkpoint)
      (self.histories, self.world) = (histories, world)
      let perRun = options.stepsPerEpoch(data) * options.epochs
      progress = ProgressDisplay(
        total: TrainingPlan(options: options).runCount * perRun, unit: "steps",
        done: histories.values.reduce(0) { $0 + ($1.isFinished(options) ? perRun : $1.stepCount) },
        isSilent: world.rank != 0)
    }

    var results: TrainingResults {
      TrainingResults(plan: plan, stepsPerEpoch: stepsPerEpoch, histories: histories)
    }

    /// Runs until all is done, or a rank is asked to stop. Returns the results, the same on all ranks.
    mutating func run() throws -> TrainingResults {
      defer { progress.finish() }
      var goesOn = try work(plan.keys(plan.search))
      if goesOn, let comparison = results.comparison { goesOn = try work(plan.keys(comparison)) }
      return results
    }

    /// - Returns: Whether all of it is done.
    private mutating func work(_ keys: [TrainingRunKey]) throws -> Bool {
      for key in keys where histories[key]?.isFinished(options) != true {
        guard try train(key) else { return false }
      }
      return true
    }

    private mutating func train(_ key: TrainingRunKey) throws -> Bool {
      // A run that no session has begun has no file.
      let state = try world.together { histories[key] == nil ? nil : try checkpoint.state(key, options) }
      let learner = try RankLearner(
        key, options: options, microBatches: options.microBatches ?? 1, data: data, from: state, world)
      var run = TrainingRun(
        key, options: options, data: data, learner: learner, history: state?.history ?? TrainingHistory())
      var (isStopped, lastSaved) = (false, ContinuousClock.now)
      while !run.isFinished {
        // Interrupts reach the ranks at different times, and so do seconds.
        let isDue = world.rank == 0 && ContinuousClock.now - lastSaved > .seconds(10)
        var wishes: [UInt64] = [Interrupt.wasRequested ? 1 : 0, isDue ? 1 : 0]
        try world.max(&wishes)
        isStopped = wishes[0] == 1
        if isStopped { break }
        if wishes[1] == 1 {
          try save(learner.state(run.history), key)
          lastSaved = .now
        }
        try run.step()
        progress.advance(1, note: key.name)
      }
      try save(learner.state(run.history), key)
      if run.isFinished { progress.advance(stepsPerEpoch * options.epochs - run.history.stepCount) }
      histories[key] = run.history
      return !isStopped
    }

    private func save(_ state: TrainingState?, _ key: TrainingRunKey) throws {
      try world.together { if let state { try checkpoint.save(state, key, options) } }
    }
  }
#endif
