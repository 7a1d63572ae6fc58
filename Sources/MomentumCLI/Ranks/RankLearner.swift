#if MPI
  import Momentum
  import MomentumMPI

  /// A network whose batches the ranks share: each computes the gradients of some micro-batches.
  ///
  /// A batch is cut into the same micro-batches on any number of ranks, and what the ranks tell each other is added up in
  /// the order of these, so that the number of ranks leaves no trace in the numbers.
  final class RankLearner: TrainingLearner {
    private let world: Communicator
    private let options: TrainingOptions
    private let data: DigitsDataset
    private let microBatches: Int
    private var network: RecurrentNetwork<Float>
    private var parameters: ParameterVector<Float>
    private var optimizer: DistributedOptimizer<Float>

    /// Starts a run, or goes on with one that stopped in `state`, which all ranks have. All ranks call it.
    init(
      _ key: TrainingRunKey, options: TrainingOptions, microBatches: Int, data: DigitsDataset,
      from state: TrainingState?,
      _ world: Communicator
    ) throws {
      let setting = key.setting
      let (rule, clipping) = try world.together { (try setting.rule(options), try options.clipping(setting.clipping)) }
      // As in one process, a gradient that is not finite goes through.
      var optimizer = try DistributedOptimizer<Float>(
        options.shape.layout(), on: world, rule: rule, groups: setting.groups(options), clipping: clipping,
        nonFinitePolicy: .propagate, reduction: .ordered(microBatches: microBatches), threads: 1)
      if let state { try optimizer.restore(world.rank == 0 ? state.optimizer : nil) }
      let parameters = try options.parameters(key.seed, from: state)
      (self.world, self.options, self.data, self.microBatches) = (world, options, data, microBatches)
      network = RecurrentNetwork(options.shape, largestBatch: options.batch)
      self.parameters = parameters
      self.optimizer = optimizer
    }

    /// What a checkpoint keeps, on rank 0; `nil` on the others. All ranks call it.
    func state(_ history: TrainingHistory) throws -> TrainingState? {
      guard let optimizer = try optimizer.wholeState() else { return nil }
      return TrainingState(
        history: history, parameters: parameters.withUnsafeBufferPointer { Array($0) }, optimizer: optimizer)
    }

    func step(_ images: ArraySlice<Int>) throws -> LearnedStep {
      let parts = (0..<microBatches).map { part(of: images, $0) }
      var losses = [Double](repeating: 0, count: microBatches)
      let report = try optimizer.step(&parameters) { microBatch, gradient, parameters in
        let part = parts[microBatch]
        guard !part.isEmpty else { return gradient.fill(0) }
        let loss = try gradient.withUnsafeMutableBufferPointer { gradient throws(MomentumError) in
          try network.run(part, of: data, parameters, gradient: gradient).loss
        }
        losses[microBatch] = Double(loss) * Double(part.count)
        // Every image counts the same, also where the parts are not equally large.
        let weight = Float(part.count * microBatches) / Float(images.count)
        if weight != 1 { for index in 0..<gradient.count { gradient[index] *= weight } }
      }
      let loss = try shared(losses).reduce(0, +) / Double(images.count)
      return LearnedStep(
        loss: loss, norm: report.totalNorm ?? .nan, isClipped: report.wasClipped || report.valueClippedCount > 0,
        isSkipped: report.wasSkipped)
    }

    private func part(of images: ArraySlice<Int>, _ microBatch: Int) -> ArraySlice<Int> {
      func bound(_ index: Int) -> Int { images.startIndex + images.count * index / microBatches }
      return images[bound(microBatch)..<bound(microBatch + 1)]
    }

    func test(_ images: [Int]) throws -> (loss: Double, accuracy: Double) {
      let starts = Array(stride(from: 0, to: images.count, by: options.batch))
      // The ranks share the batches.
      var (losses, correct) = (starts.map { _ in 0.0 }, starts.map { _ in 0.0 })
      try world.together {
        for index in stride(from: world.rank, to: starts.count, by: world.rankCount) {
          let batch = images[starts[index]..<min(starts[index] + options.batch, images.count)]
          let part = try network.run(batch, of: data, parameters)
          (losses[index], correct[index]) = (Double(part.loss) * Double(batch.count), Double(part.correct))
        }
      }
      let all = try shared(losses + correct)
      let (loss, right) = (all[..<starts.count].reduce(0, +), all[starts.count...].reduce(0, +))
      return (loss / Double(images.count), right / Double(images.count))
    }

    /// Numbers of which each rank has some, and zeros for the others.
    private func shared(_ numbers: [Double]) throws -> [Double] {
      var words = numbers.map(\.bitPattern)
      try world.sum(&words)
      return words.map { Double(bitPattern: $0) }
    }
  }
#endif
