#if MPI
  import Momentum
  import MomentumMPI

  /// What becomes of one and the same training on the ranks at hand.
  enum RankBits {
    private static let (count, microBatches, steps) = (20_000, 8, 2)

    /// A digest of the parameters after two steps of eight micro-batches, whose gradients use all bits of a `Float`.
    static func digest(_ sharding: Sharding, isOrdered: Bool, _ world: Communicator) throws -> String {
      var optimizer = try DistributedOptimizer<Float>(
        ParameterLayout(count: count), on: world, rule: SGD(learningRate: 0.1, momentum: 0.9),
        clipping: .byGlobalNorm(1),
        sharding: sharding, reduction: isOrdered ? .ordered(microBatches: microBatches) : .library)
      var parameters = try ParameterVector<Float>(optimizer.layout)
      var gradient = try ParameterVector<Float>(optimizer.layout)
      let range = world.rank * microBatches / world.rankCount..<(world.rank + 1) * microBatches / world.rankCount
      for step in 0..<steps {
        for microBatch in optimizer.microBatches ?? Array(range) {
          var generator = RandomStream(UInt64(step), UInt64(microBatch))
          for index in 0..<count { gradient[index] = Float(generator.uniform()) - 0.5 }
          optimizer.add(gradient, microBatch: microBatch)
        }
        try optimizer.step(&parameters)
      }
      var hash = WordHash()
      for index in 0..<count { hash.add(UInt64(parameters[index].bitPattern)) }
      return String(hash.value, radix: 16)
    }
  }
#endif
