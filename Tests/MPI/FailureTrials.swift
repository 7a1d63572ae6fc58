#if MPI
  import Foundation
  import Momentum
  import MomentumMPI

  /// Random failures of a random rank at a random place: all ranks throw the same error and write nothing, and the steps
  /// that are taken have the bits of a run without failures.
  enum FailureTrials {
    private enum Fault: CaseIterable {
      case notFinite, wrongCount, missing, twice, thrown, parameters, setting, refusedSetting, layout
    }

    private struct OwnError: Error {}

    /// Choices that are the same on all ranks.
    private struct Choices {
      private var state: UInt64

      init(_ seeds: Int...) {
        var hash = WordHash()
        for seed in seeds { hash.add(UInt64(seed)) }
        state = hash.value
      }

      mutating func below(_ count: Int) -> Int {
        var hash = WordHash()
        hash.add(state)
        state = hash.value
        return Int(state >> 16) % count
      }

      mutating func one<T>(of values: [T]) -> T { values[below(values.count)] }
    }

    /// One model on the ranks, with random settings.
    private struct Trial {
      let layout: ParameterLayout
      let sharding: Sharding
      let microBatches: Int
      let bucketBytes: Int?
      let isByTensor: Bool

      init(_ choices: inout Choices, ranks: Int) throws {
        layout = try caseLayout()
        sharding = choices.one(of: Sharding.allCases)
        microBatches = 1 + choices.below(2 * ranks + 2)
        bucketBytes = choices.one(of: [nil, 3000, 1 << 20])
        isByTensor = choices.below(2) == 0
      }

      func optimizer(
        on world: Communicator, learningRate: Double = 0.1, threads: Int = 1, reversed: Bool = false
      ) throws -> DistributedOptimizer<Float> {
        let layout = reversed ? try ParameterLayout(layout.tensors.reversed().map { ($0.name, $0.shape) }) : layout
        return try DistributedOptimizer<Float>(
          layout, on: world, rule: SGD(learningRate: learningRate, momentum: 0.9), clipping: .byGlobalNorm(1),
          sharding: sharding, reduction: .ordered(microBatches: microBatches), bucketBytes: bucketBytes,
          threads: threads)
      }

      /// Adds the gradients of this rank's micro-batches, as they should be unless there is a fault at one of them.
      func add(_ step: Int, _ fault: (kind: Fault, place: Int)?, to optimizer: inout DistributedOptimizer<Float>) throws
      {
        let own = optimizer.microBatches ?? []
        var vector = try ParameterVector<Float>(layout)
        for (place, microBatch) in own.enumerated() {
          for index in 0..<layout.count { vector[index] = number(step, microBatch, index) }
          guard let fault, fault.place % own.count == place else {
            add(vector, microBatch, to: &optimizer)
            continue
          }
          switch fault.kind {
          case .missing: continue
          case .thrown: optimizer.fail(OwnError())
          case .wrongCount:
            vector.withUnsafeBufferPointer {
              optimizer.add(UnsafeBufferPointer(rebasing: $0[..<7]), microBatch: microBatch)
            }
            continue
          case .notFinite: vector[fault.place % layout.count] = .nan
          default: break
          }
          add(vector, microBatch, to: &optimizer)
          if fault.kind == .twice { add(vector, microBatch, to: &optimizer) }
        }
      }

      private func add(
        _ vector: borrowing ParameterVector<Float>, _ microBatch: Int, to optimizer: inout DistributedOptimizer<Float>
      ) {
        guard isByTensor else { return optimizer.add(vector, microBatch: microBatch) }
        vector.withUnsafeBufferPointer { all in
          for (index, tensor) in layout.tensors.enumerated().reversed() {
            optimizer.add(UnsafeBufferPointer(rebasing: all[tensor.range]), tensor: index, microBatch: microBatch)
          }
        }
      }
    }

    private static let steps = 3

    static func run(seed: Int, count: Int, _ world: Communicator) throws {
      for index in 0..<count {
        var choices = Choices(seed, index)
        let trial = try Trial(&choices, ranks: world.rankCount)
        let (kind, failing) = (choices.one(of: Fault.allCases), choices.below(world.rankCount))
        let (place, failingStep) = (choices.below(1 << 20), choices.below(steps))
        let what = "seed \(seed), trial \(index): \(kind) on rank \(failing) at step \(failingStep), \(trial)"
        do {
          try run(trial, kind, failing == world.rank, place, failingStep, world)
        } catch {
          throw Cases.Failure(description: "\(what): \(error)")
        }
      }
      Cases.print("\(count) trials", world)
    }

    private static func run(
      _ trial: Trial, _ kind: Fault, _ isFailing: Bool, _ place: Int, _ failingStep: Int, _ world: Communicator
    ) throws {
      switch kind {
      case .setting:
        try requireThrow(world) { _ = try trial.optimizer(on: world, learningRate: isFailing ? 0.2 : 0.1) }
      case .refusedSetting:
        try requireThrow(world) { _ = try trial.optimizer(on: world, threads: isFailing ? 0 : 1) }
      case .layout: try requireThrow(world) { _ = try trial.optimizer(on: world, reversed: isFailing) }
      default: break
      }
      let expected = try bits(of: trial, nil, false, 0, 0, world)
      let found = try bits(of: trial, kind, isFailing, place, failingStep, world)
      try Cases.require(found == expected, "the parameters differ from those of a run without failure")
      try Cases.requireSame("\(found)", world)
    }

    /// The bits of the parameters after some steps, of which one fails first.
    private static func bits(
      of trial: Trial, _ kind: Fault?, _ isFailing: Bool, _ place: Int, _ failingStep: Int, _ world: Communicator
    ) throws -> UInt64 {
      var optimizer = try trial.optimizer(on: world)
      var parameters = try ParameterVector<Float>(trial.layout)
      for step in 0..<steps {
        if let kind, step == failingStep, ![.setting, .refusedSetting, .layout].contains(kind) {
          // A rank without micro-batches has none that could be wrong.
          let hasNone = world.rankCount > trial.microBatches
          let kind: Fault = hasNone && kind != .parameters ? .thrown : kind
          let before = hash(parameters)
          try trial.add(step, isFailing ? (kind, place) : nil, to: &optimizer)
          if isFailing, hasNone, kind == .thrown { optimizer.fail(OwnError()) }
          try requireThrow(world) {
            if isFailing, kind == .parameters {
              try optimizer.step(UnsafeMutableBufferPointer(start: nil, count: 0))
            } else {
              try optimizer.step(&parameters)
            }
          }
          try Cases.require(hash(parameters) == before && optimizer.stepCount == step, "a failed step has written")
        }
        try trial.add(step, nil, to: &optimizer)
        try optimizer.step(&parameters)
      }
      return hash(parameters)
    }

    private static func hash(_ parameters: borrowing ParameterVector<Float>) -> UInt64 {
      var hash = WordHash()
      for index in 0..<parameters.count { hash.add(UInt64(parameters[index].bitPattern)) }
      return hash.value
    }

    private static func requireThrow(_ world: Communicator, _ body: () throws -> Void) throws {
      var text = "nothing"
      do { try body() } catch { text = "\(error)" }
      try Cases.requireSame(text, world)
      try Cases.require(text != "nothing", "nothing was thrown")
    }

    // MARK: Death

    /// Steps and saves until a rank is killed, at a random place.
    static func die(seed: Int, _ state: String, _ world: Communicator) throws {
      var choices = Choices(seed)
      let trial = try Trial(&choices, ranks: world.rankCount)
      let (dying, step, place) = (choices.below(world.rankCount), choices.below(steps), choices.below(4))
      func mayDie(_ now: Int, _ here: Int) {
        if world.rank == dying, now == step, here == place { kill(getpid(), SIGKILL) }
      }
      var optimizer = try trial.optimizer(on: world)
      var parameters = try ParameterVector<Float>(trial.layout)
      for now in 0..<steps {
        mayDie(now, 0)
        try trial.add(now, nil, to: &optimizer)
        mayDie(now, 1)
        try optimizer.step(&parameters)
        mayDie(now, 2)
        if place == 3, now == step, world.rank == dying {
          // While it saves, or soon after.
          Thread.detachNewThread { kill(getpid(), SIGKILL) }
        }
        try optimizer.save(to: state)
        if place == 3, now == step, world.rank == dying { while true { pause() } }
      }
    }
  }
#endif
