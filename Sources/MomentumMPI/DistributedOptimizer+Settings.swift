#if MPI
  import Momentum

  // What the ranks compare, and make, before the first step.
  extension DistributedOptimizer {
    /// What makes an optimizer, of a part or of the whole.
    struct Settings {
      let rule: any UpdateRule
      let groups: [ParameterGroup]
      let clipping: GradientClipping
      let nonFinitePolicy: NonFinitePolicy?
      let averaging: WeightAveraging?
      let lossScale: LossScale
      let adaptiveLimit: AdaptiveLimit?
      let velocityType: ElementType?
      let reportsNorms: Bool
      let threads: Int

      func optimizer(_ layout: ParameterLayout, groups: [ParameterGroup]) throws(MomentumError) -> Optimizer<Scalar> {
        try Self.make(rule, self, layout, groups)
      }

      private static func make(
        _ rule: some UpdateRule, _ settings: Settings, _ layout: ParameterLayout, _ groups: [ParameterGroup]
      ) throws(MomentumError) -> Optimizer<Scalar> {
        var optimizer = try Optimizer<Scalar>(
          layout, rule: rule, groups: groups, clipping: settings.clipping, nonFinitePolicy: settings.nonFinitePolicy,
          averaging: settings.averaging, lossScale: settings.lossScale, adaptiveLimit: settings.adaptiveLimit,
          velocityType: settings.velocityType, threads: settings.threads)
        optimizer.reportsNorms = settings.reportsNorms
        return optimizer
      }

      /// A number that other settings do not have, by all likelihood: of all values, as they describe themselves.
      var digest: UInt64 {
        var hash = WordHash()
        for part in [
          "\(Scalar.self)", String(reflecting: rule), String(reflecting: groups), String(reflecting: clipping),
          String(reflecting: nonFinitePolicy), String(reflecting: averaging), String(reflecting: lossScale),
          String(reflecting: adaptiveLimit), String(reflecting: velocityType),
          "\(reportsNorms)",
        ] { hash.add(part) }
        return hash.value
      }
    }

    /// What is made before the ranks are compared.
    struct Parts {
      let plan: ShardPlan
      let gradients: any GradientSum<Scalar>

      init(
        _ layout: ParameterLayout, _ settings: Settings, _ communicator: Communicator, _ sharding: Sharding,
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

    /// What must be the same on all ranks for their bits to be.
    static var library: UInt64 {
      let library = BLAS.LibraryInfo.current
      var hash = WordHash()
      hash.add("\(MomentumVersion.current), \(library.version ?? ""), \(library.coreName ?? "")")
      return hash.value
    }
  }
#endif
