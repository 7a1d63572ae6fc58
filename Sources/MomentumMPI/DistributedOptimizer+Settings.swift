#if MPI
  import Momentum

  // What the ranks compare, and make, before the first step.
  extension DistributedOptimizer {
    /// What is made before the ranks are compared.
    struct Parts {
      let plan: ShardPlan
      let gradients: any GradientSum<Scalar>

      init(
        _ layout: ParameterLayout, _ settings: OptimizerSettings<Scalar>, _ communicator: Communicator,
        _ sharding: Sharding,
        _ reduction: GradientReduction, _ buckets: Buckets?
      ) throws(MomentumError) {
        // The whole, which refuses what one process refuses. It has no vector yet.
        let needsWholeTensors = try settings.optimizer(layout, groups: settings.groups).needsWholeTensors
        plan = try ShardPlan(
          layout, ranks: communicator.rankCount, cuts: needsWholeTensors && sharding != .none ? .tensors : .tiles)
        switch (reduction, sharding) {
        case (.ordered(let count), _) where count < 1:
          throw .invalidSetting(name: "microBatches", value: count, expected: .countAtLeast(1))
        case (.ordered(let count), .stateAndGradients):
          gradients = try RoundSum<Scalar>(
            communicator, plan, microBatches: count, buckets: buckets, threads: settings.threads)
        case (.ordered(let count), _):
          gradients = try RangeSum<Scalar>(
            communicator, plan, microBatches: count, isWhole: sharding == .none, buckets: buckets,
            threads: settings.threads)
        case (.library, _) where buckets != nil:
          throw .invalidSetting(
            name: "reduction", value: "library", expected: "ordered where gradients travel in buckets")
        case (.library, .stateAndGradients):
          throw .invalidSetting(
            name: "reduction", value: "library", expected: "ordered where gradients are divided among the ranks")
        case (.library, _):
          gradients = try LibrarySum<Scalar>(
            communicator, plan, isWhole: sharding == .none, threads: settings.threads)
        }
      }
    }
  }
#endif
