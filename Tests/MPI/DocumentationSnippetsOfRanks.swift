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
      try placedTensors(world)
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

    private static func placedTensors(_ world: Communicator) throws {
      let (data, stages, slices) = (1, world.rankCount, 1)
      // snippet
      let grid = try CommunicatorGrid(world, [("data", data), ("pipeline", stages), ("tensor", slices)])
      let (stage, last) = (grid.coordinate(along: "pipeline"), stages - 1)
      var tensors: [(name: String, shape: [Int], placement: Placement)] = [
        ("scale", [64], [:])  // every rank has it, and a part of its gradient
      ]
      if stage == 0 || stage == last {
        // One matrix for the first and the last stage, of which each rank of a stage has some rows.
        tensors.append(
          ("embedding", [256 / slices, 64], ["pipeline": .tied([0, last]), "tensor": .sliced(of: 256)]))
      }
      if stage == last {
        // The ranks of the last stage compute the same gradient.
        tensors.append(("norm", [64], ["pipeline": .owned(by: last), "tensor": .copied]))
      }
      let model = try PlacedModel<Float>(grid, tensors)
      // end
      let count = model.layout.count
      let memory = GridCases.Memory([[Float](repeating: 0, count: count), [Float](repeating: 1, count: count)])
      let (parameters, gradients) = (
        model.layout.tensors.map { UnsafeMutableBufferPointer(rebasing: memory.tensors[0][$0.range]) },
        model.layout.tensors.map { UnsafeMutableBufferPointer(rebasing: memory.tensors[1][$0.range]) }
      )
      defer { withExtendedLifetime(memory) {} }
      // snippet
      var optimizer = try model.makeOptimizer(
        rule: SGD(learningRate: 0.1, momentum: 0.9), clipping: .byGlobalNorm(1))
      let report = try model.step(&optimizer, parameters: parameters, gradients: gradients)
      // end
      // Gradients of 1, of which two ranks add up those of the first two tensors.
      let sum = Double(min(stages, 2))
      let expected = (sum * sum * (64 + 256 * 64) + 64).squareRoot()
      try Cases.require(report.totalNorm == expected, "the norm is \(report.totalNorm ?? -1); expected \(expected)")
    }
  }
#endif
