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
  ///   try optimizer.step(&parameters) { microBatch, gradient in try computeGradient(of: microBatch, into: &gradient) }
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
    let settings: Settings
    private let gradients: any GradientSum<Scalar>
    private let exchange: ShardExchange
    /// What has gone wrong on this rank since the last step.
    private var failure: DistributedError?
    /// Whether the parameters of all ranks have been compared.
    private var areParametersKnown = false

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
      let threads: Int

      func optimizer(_ layout: ParameterLayout, groups: [ParameterGroup]) throws(MomentumError) -> Optimizer<Scalar> {
        try Self.make(rule, self, layout, groups)
      }

      private static func make(
        _ rule: some UpdateRule, _ settings: Settings, _ layout: ParameterLayout, _ groups: [ParameterGroup]
      ) throws(MomentumError) -> Optimizer<Scalar> {
        try Optimizer(
          layout, rule: rule, groups: groups, clipping: settings.clipping, nonFinitePolicy: settings.nonFinitePolicy,
          averaging: settings.averaging, lossScale: settings.lossScale, adaptiveLimit: settings.adaptiveLimit,
          velocityType: settings.velocityType, threads: settings.threads)
      }

      /// A number that other settings do not have, by all likelihood: of all values, as they describe themselves.
      var digest: UInt64 {
        var hash = WordHash()
        for part in [
          "\(Scalar.self)", String(reflecting: rule), String(reflecting: groups), String(reflecting: clipping),
          String(reflecting: nonFinitePolicy), String(reflecting: averaging), String(reflecting: lossScale),
          String(reflecting: adaptiveLimit), String(reflecting: velocityType),
        ] { hash.add(part) }
        return hash.value
      }
    }

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
    ///   - sharding: What the ranks divide among them. Where a limit or a rule is one of tensors, of units or of a
    ///     group, the model is cut between tensors only.
    ///   - reduction: The order in which gradients are added up.
    ///   - threads: The most threads of this rank; by default ``Communicator/threadsPerRank``.
    /// - Throws: ``DistributedError``, the same on all ranks: also if tensors, settings, the versions of this library or
    ///   the kernels of BLAS differ.
    public init(
      _ layout: ParameterLayout, on communicator: Communicator, rule: some UpdateRule, groups: [ParameterGroup] = [],
      clipping: GradientClipping = .none, nonFinitePolicy: NonFinitePolicy? = nil, averaging: WeightAveraging? = nil,
      lossScale: LossScale = .none, adaptiveLimit: AdaptiveLimit? = nil, velocityType: ElementType? = nil,
      sharding: Sharding = .state, reduction: GradientReduction, threads: Int? = nil
    ) throws(DistributedError) {
      let settings = Settings(
        rule: rule, groups: groups, clipping: clipping, nonFinitePolicy: nonFinitePolicy, averaging: averaging,
        lossScale: lossScale, adaptiveLimit: adaptiveLimit, velocityType: velocityType,
        threads: threads ?? communicator.threadsPerRank)
      let parts = try communicator.agree { try Parts(layout, settings, communicator, sharding, reduction) }
      try communicator.requireSame(parts.plan.digest, "the tensors")
      var hash = WordHash()
      hash.add("\(sharding), \(reduction)")
      try communicator.requireSame(settings.digest &+ hash.value, "the settings")
      try communicator.requireSame(Self.library, "the versions of swift-momentum or the kernels of BLAS")

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

    /// What is made before the ranks are compared.
    private struct Parts {
      let plan: ShardPlan
      let gradients: any GradientSum<Scalar>

      init(
        _ layout: ParameterLayout, _ settings: Settings, _ communicator: Communicator, _ sharding: Sharding,
        _ reduction: GradientReduction
      ) throws(MomentumError) {
        // The whole, which refuses what one process refuses. It has no vector yet.
        let needsWholeTensors = try settings.optimizer(layout, groups: settings.groups).needsWholeTensors
        plan = try ShardPlan(
          layout, ranks: communicator.rankCount, cuts: needsWholeTensors && sharding != .none ? .tensors : .tiles)
        switch (reduction, sharding) {
        case (.ordered(let count), _) where count < 1:
          throw .invalidSetting(name: "microBatches", value: count, expected: .countAtLeast(1))
        case (.ordered(let count), .stateAndGradients):
          gradients = try RoundSum<Scalar>(communicator, plan, microBatches: count, threads: settings.threads)
        case (.ordered(let count), _):
          gradients = try RangeSum<Scalar>(
            communicator, plan, microBatches: count, isWhole: sharding == .none, threads: settings.threads)
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
    private static var library: UInt64 {
      let library = BLAS.LibraryInfo.current
      var hash = WordHash()
      hash.add("\(MomentumVersion.current), \(library.version ?? ""), \(library.coreName ?? "")")
      return hash.value
    }

    /// The number of steps taken; skipped steps do not count.
    public var stepCount: Int { shard.stepCount }

    /// The factor that the loss of the next step is to be multiplied by: ``LossScale/current`` of it.
    public var lossScale: LossScale { shard.lossScale }

    /// The micro-batches of this rank, in the order in which their gradients are to be added; `nil` if it may add any.
    public var microBatches: [Int]? { gradients.microBatches }

    // MARK: Gradients

    /// Adds the gradient of this rank's next micro-batch.
    ///
    /// It does not throw, because the other ranks would wait for ever for a rank that gives up. What is wrong is thrown
    /// by the step, on all ranks.
    ///
    /// - Parameters:
    ///   - gradient: The gradient, of the optimizer's ``layout``; only read.
    ///   - microBatch: The number of the micro-batch, from ``microBatches``. With ``GradientReduction/library`` it does
    ///     not matter.
    public mutating func add(_ gradient: borrowing ParameterVector<Scalar>, microBatch: Int) {
      gradient.withUnsafeBufferPointer { add($0, microBatch: microBatch) }
    }

    /// Adds the gradient of this rank's next micro-batch, in the caller's memory; see ``add(_:microBatch:)-(ParameterVector<Scalar>,_)``.
    public mutating func add(_ gradient: UnsafeBufferPointer<Scalar>, microBatch: Int) {
      if let own = gradients.microBatches {
        let expected = gradients.added < own.count ? own[gradients.added] : nil
        if expected != microBatch {
          fail(DistributedError.microBatch(rank: communicator.rank, expected: expected, found: microBatch))
        }
      }
      let fits = gradient.count == layout.count
      if !fits {
        fail(
          MomentumError.countMismatch(
            what: "gradient of micro-batch \(microBatch)", count: gradient.count, expected: layout.count))
      }
      // An empty vector has no address, and no element that would be read.
      let address = gradient.baseAddress ?? UnsafePointer(bitPattern: MemoryLayout<Scalar>.alignment)
      do { try gradients.add(fits ? address : nil) } catch { fail(error) }
    }

    /// Tells the others, at the next step, that something went wrong on this rank. All then throw the error of the first
    /// rank that has failed, and the step is not taken. The first failure of a rank counts.
    public mutating func fail(_ error: any Error) {
      failure = failure ?? DistributedError(error, rank: communicator.rank)
    }

    // MARK: Steps

    /// Takes one step with the mean of the gradients that all ranks have added. All ranks call it.
    ///
    /// - Parameter parameters: All parameters, the same on all ranks; updated in place. The first step compares them.
    /// - Returns: A report, the same on all ranks.
    /// - Throws: ``DistributedError``, the same on all ranks. Nothing has been written then, unless it is
    ///   ``DistributedError/mpi(routine:message:)``; the gradients are gone.
    @discardableResult
    public mutating func step(_ parameters: inout ParameterVector<Scalar>) throws(DistributedError) -> StepReport {
      try parameters.withUnsafeMutableBufferPointer { parameters throws(DistributedError) in try step(parameters) }
    }

    /// Takes one step of parameters in the caller's memory; see ``step(_:)-(ParameterVector<Scalar>)``.
    @discardableResult
    public mutating func step(
      _ parameters: UnsafeMutableBufferPointer<Scalar>
    ) throws(DistributedError) -> StepReport {
      defer {
        gradients.reset()
        failure = nil
      }
      try gradients.complete()
      if parameters.count != layout.count {
        fail(MomentumError.countMismatch(what: "parameters", count: parameters.count, expected: layout.count))
      }
      if let own = gradients.microBatches, gradients.added < own.count {
        fail(DistributedError.microBatch(rank: communicator.rank, expected: own[gradients.added], found: nil))
      }
      try communicator.agree(failure)
      if !areParametersKnown {
        try communicator.requireSame(Self.digest(of: parameters), "the parameters")
        areParametersKnown = true
      }

      let (sum, microBatches) = try gradients.sum()
      guard microBatches > 0 else {
        throw .refused(.countMismatch(what: "gradients of all ranks", count: 0, expected: 1))
      }
      let own = sharding == .none ? 0..<layout.count : plan.range(of: communicator.rank)
      let report: StepReport
      do throws(MomentumError) {
        report = try shard.step(
          parameters: shard.layout.tensors.map {
            UnsafeMutableBufferPointer(
              rebasing: parameters[own.lowerBound + $0.offset..<own.lowerBound + $0.range.upperBound])
          },
          gradients: shard.layout.tensors.map { UnsafeBufferPointer(start: sum + $0.offset, count: $0.count) },
          divisor: microBatches, exchange: exchange)
      } catch {
        throw .refused(error)
      }
      if sharding != .none, !report.wasSkipped, let base = parameters.baseAddress {
        try communicator.gather(base, plan.bounds)
      }
      return report
    }

    /// Computes the gradients of this rank's micro-batches, adds them, and takes the step. All ranks call it.
    ///
    /// - Parameters:
    ///   - parameters: All parameters; see ``step(_:)-(ParameterVector<Scalar>)``.
    ///   - gradient: Computes the gradient of a micro-batch into a vector that holds anything. What it throws on one rank,
    ///     all ranks throw, as ``DistributedError/failed(rank:message:)`` unless it is an error of this library.
    /// - Throws: Also ``MomentumError/invalidSetting(_:)`` with ``GradientReduction/library``, which does not say what a
    ///   rank's micro-batches are.
    @discardableResult
    public mutating func step(
      _ parameters: inout ParameterVector<Scalar>,
      gradient: (
        _ microBatch: Int, _ gradient: inout ParameterVector<Scalar>, _ parameters: borrowing ParameterVector<Scalar>
      )
        throws -> Void
    ) throws(DistributedError) -> StepReport {
      guard let own = microBatches else {
        throw .refused(
          .invalidSetting(
            name: "reduction", value: "library", expected: "ordered, which says what the micro-batches of a rank are"))
      }
      do {
        var vector = try ParameterVector<Scalar>(layout, threads: settings.threads)
        for microBatch in own {
          try gradient(microBatch, &vector, parameters)
          add(vector, microBatch: microBatch)
        }
      } catch {
        fail(error)
      }
      return try step(&parameters)
    }

    private static func digest(of parameters: UnsafeMutableBufferPointer<Scalar>) -> UInt64 {
      let bytes = UnsafeRawBufferPointer(parameters)
      var hash = WordHash()
      for start in stride(from: 0, to: bytes.count / 8 * 8, by: 8) {
        hash.add(bytes.loadUnaligned(fromByteOffset: start, as: UInt64.self))
      }
      for byte in bytes.dropFirst(bytes.count / 8 * 8) { hash.add(UInt64(byte)) }
      return hash.value
    }

    /// Compares the parameters again before the next step: after a state has been restored, or parameters set anew.
    mutating func forgetParameters() { areParametersKnown = false }
  }

  /// Carries what cannot be copied out of a closure.
  private final class Box<Value: ~Copyable> {
    private var value: Value?
    init(_ value: consuming Value) { self.value = consume value }
    func take() -> Value { value.take()! }
  }
#endif
