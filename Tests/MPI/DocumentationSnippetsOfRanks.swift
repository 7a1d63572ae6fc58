#if MPI
  import Foundation
  import Momentum
  import MomentumMPI

  /// The code of the article on several processes, run; `DocumentationTests` compares it with the article.
  enum DocumentationSnippetsOfRanks {
    static func run(_ folder: String, _ world: Communicator) throws {
      try distributed("\(folder)/state.safetensors", world)
      try ownSteps(world)
      try sharedTensors(world)
    }

    private static func distributed(_ path: String, _ world: Communicator) throws {
      let layout = try caseLayout()
      var parameters = try ParameterVector<Float>(layout)
      func computeGradient(of microBatch: Int, into gradient: inout ParameterVector<Float>) throws {
        gradient.fill(Float(microBatch))
      }
      // snippet
      var optimizer = try DistributedOptimizer<Float>(
        layout, on: world, rule: SGD(learningRate: 0.1, momentum: 0.9), clipping: .byGlobalNorm(1),
        sharding: .state, reduction: .ordered(microBatches: 12))
      for _ in 0..<3 {
        try optimizer.step(&parameters) { microBatch, gradient, parameters in
          try computeGradient(of: microBatch, into: &gradient)  // of this rank's micro-batches only
        }
      }
      try optimizer.save(to: path)  // one file, on any number of ranks
      try optimizer.restore(from: path)  // and on any other number
      // end
      try Cases.require(optimizer.stepCount == 3, "\(optimizer.stepCount) steps were taken")
    }

    private static func ownSteps(_ world: Communicator) throws {
      let model = try caseLayout()
      let plan = try ShardPlan(model, ranks: world.rankCount)
      var optimizer = try Optimizer<Float>(
        plan.layout(of: world.rank), rule: SGD(learningRate: 1), clipping: .byGlobalNorm(1))
      let count = optimizer.layout.count
      let (new, old) = (
        UnsafeMutableBufferPointer<Float>.allocate(capacity: count),
        UnsafeMutableBufferPointer<Float>.allocate(capacity: count)
      )
      new.initialize(repeating: 0)
      old.initialize(repeating: 1)
      defer {
        new.deallocate()
        old.deallocate()
      }
      let shards = optimizer.layout.tensors.map { UnsafeMutableBufferPointer(rebasing: new[$0.range]) }
      let gradients = optimizer.layout.tensors.map { UnsafeBufferPointer(rebasing: old[$0.range]) }
      // snippet
      let exchange = RankExchange(world, elements: model.count)
      let report = try optimizer.step(parameters: shards, gradients: gradients, exchange: exchange)
      // end
      try Cases.require(report.totalNorm == Double(model.count).squareRoot(), "the norm is \(report.totalNorm ?? -1)")
    }

    private static func sharedTensors(_ group: Communicator) throws {
      let model = try ParameterLayout([("weight", [4 * group.rankCount]), ("bias", [3])])
      // snippet
      // Ranks of a group hold slices of the weights, and all of them the biases, which the first one counts.
      let exchange = SharingExchange(
        RankExchange(group, elements: model.count), countedElsewhere: group.rank == 0 ? [] : ["bias"])
      // end
      var (slice, bias) = ([Float](repeating: 1, count: 4), [Float](repeating: 1, count: 3))
      let report = try slice.withUnsafeMutableBufferPointer { slice throws(MomentumError) in
        try bias.withUnsafeMutableBufferPointer { bias throws(MomentumError) in
          try Gradients.clip(
            [slice, bias], by: .byGlobalNorm(1e9), names: ["weight", "bias"], exchange: exchange)
        }
      }
      try Cases.require(report.totalNorm == Double(model.count).squareRoot(), "the norm is \(report.totalNorm ?? -1)")
    }
  }
#endif
