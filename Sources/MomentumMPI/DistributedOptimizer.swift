#if MPI
  public import Momentum

  /// Takes the steps of one model on the ranks of an MPI program.
  ///
  /// ```swift
  /// try MPI.start()
  /// let world = try Communicator.world()
  /// var optimizer = try DistributedOptimizer<Float>(
  ///   layout, on: world, rule: SGD(learningRate: 0.1, momentum: 0.9), clipping: .byGlobalNorm(1),
  ///   reduction: .ordered(microBatches: 12))
  /// for _ in 0..<steps {
  ///   try optimizer.step(&parameters) { microBatch, gradient, _ in
  ///     try computeGradient(of: microBatch, into: &gradient)
  ///   }
  /// }
  /// try optimizer.save(to: "state.safetensors")
  /// try MPI.finish()
  /// ```
  ///
  /// Every rank has all parameters, the same before and after each step. Norms, clips and steps are those of the mean of
  /// all micro-batches, with the bits of one process. With ``GradientReduction/ordered(microBatches:)`` the parameters,
  /// the velocity and the state file have the same bits for any number of ranks.
  ///
  /// What goes wrong on one rank within a step is thrown by all, and nothing has been written: gradients that are not
  /// finite, missing or of another size, and errors of the program's own code.
  public struct DistributedOptimizer<Scalar: BLASScalar>: ~Copyable {
    /// The tensors.
    public let layout: ParameterLayout
    /// The ranks.
    public let communicator: Communicator
    /// What the ranks divide among them.
    public let sharding: Sharding
    /// The order in which gradients are added up.
    public let reduction: GradientReduction
    /// The parts of the ranks. Without sharding they only share the work of summing.
    public let plan: ShardPlan

    /// That of this rank's part, or without sharding of the whole.
    var shard: Optimizer<Scalar>
    let settings: OptimizerSettings<Scalar>
    let gradients: any GradientSum<Scalar>
    let exchange: ShardExchange
    /// The gradient that is being added tensor by tensor.
    var opened: OpenGradient?
    /// What has gone wrong on this rank since the last step.
    var failure: DistributedError?
    /// Whether the parameters of all ranks have been compared.
    var areParametersKnown = false

    /// Prepares steps on all ranks, which make the same call.
    ///
    /// - Parameters:
    ///   - layout: The tensors.
    ///   - communicator: The ranks.
    ///   - rule: The update rule.
    ///   - groups: The groups of tensors that have a rule or limits of their own.
    ///   - clipping: The clips that the mean gradient goes through.
    ///   - nonFinitePolicy: The treatment of NaN and infinite gradients; by default as of an `Optimizer`.
    ///   - averaging: An average of the parameters to keep.
    ///   - lossScale: The factor of the loss.
    ///   - adaptiveLimit: The limit of the norm that depends on past norms.
    ///   - velocityType: The element type that the velocity is stored in; by default that of the parameters.
    ///   - reportsNorms: Whether steps that clip by value alone measure the norms for their reports:
    ///     ``Optimizer/reportsNorms``.
    ///   - sharding: What the ranks divide among them. Where a limit or a rule is one of tensors or of units, or a
    ///     group has a limit, the model is cut between tensors only.
    ///   - reduction: The order in which gradients are added up.
    ///   - bucketBytes: The size of the pieces in which gradients travel as soon as all tensors in them have been added
    ///     (``add(_:tensor:microBatch:)``), while the program computes the others; `nil` if they travel when all are
    ///     there. With buckets a rank needs memory for about one more gradient. The bits are the same.
    ///   - threads: The most threads of this rank; by default ``Communicator/threadsPerRank``.
    /// - Throws: ``DistributedError``, the same on all ranks: also if tensors, settings, the versions of this library or
    ///   the kernels of BLAS differ.
    public init(
      _ layout: ParameterLayout, on communicator: Communicator, rule: some UpdateRule, groups: [ParameterGroup] = [],
      clipping: GradientClipping = .none, nonFinitePolicy: NonFinitePolicy? = nil, averaging: WeightAveraging? = nil,
      lossScale: LossScale = .none, adaptiveLimit: AdaptiveLimit? = nil, velocityType: ElementType? = nil,
      reportsNorms: Bool = true, sharding: Sharding = .state, reduction: GradientReduction,
      bucketBytes: Int? = nil, threads: Int? = nil
    ) throws(DistributedError) {
      let settings = OptimizerSettings<Scalar>(
        rule: rule, groups: groups, clipping: clipping, nonFinitePolicy: nonFinitePolicy, averaging: averaging,
        lossScale: lossScale, adaptiveLimit: adaptiveLimit, velocityType: velocityType, reportsNorms: reportsNorms,
        threads: threads ?? communicator.threadsPerRank)
      try communicator.agree {
        guard let bucketBytes, bucketBytes < 1 else { return }
        throw MomentumError.invalidSetting(name: "bucketBytes", value: bucketBytes, expected: .countAtLeast(1))
      }
      // All ranks make a message space, or none does.
      try communicator.requireSame(UInt64(bucketBytes ?? 0), "the settings")
      let buckets = try bucketBytes.map { bytes throws(DistributedError) in
        Buckets(communicator: try Communicator(fortranHandle: communicator.fortranHandle), bytes: bytes)
      }
      let parts = try communicator.agree {
        try Parts(layout, settings, communicator, sharding, reduction, buckets)
      }
      try communicator.requireSame(parts.plan.digest, "the tensors")
      var hash = WordHash()
      hash.add("\(sharding), \(reduction)")
      try communicator.requireSame(settings.digest &+ hash.value, "the settings")
      try communicator.requireSameLibrary()

      let shard = try communicator.agree {
        guard sharding != .none else { return Box(try settings.optimizer(layout, groups: groups)) }
        return Box(
          try settings.optimizer(
            parts.plan.layout(of: communicator.rank), groups: ParameterGroup.ofPart(groups, of: layout)))
      }

      self.layout = layout
      self.communicator = communicator
      self.sharding = sharding
      self.reduction = reduction
      self.settings = settings
      plan = parts.plan
      gradients = parts.gradients
      exchange = ShardExchange(communicator, parts.plan, isSharded: sharding != .none)
      self.shard = shard.take()
    }

    /// The number of steps taken; skipped steps do not count.
    public var stepCount: Int { shard.stepCount }

    /// The factor that the loss of the next step is to be multiplied by: ``LossScale/current`` of it.
    public var lossScale: LossScale { shard.lossScale }

    /// The micro-batches of this rank, in the order in which their gradients are to be added; `nil` if it may add any.
    public var microBatches: [Int]? { gradients.microBatches }
  }
#endif
