#if MPI
  import Momentum
  import MomentumMPI

  /// Norms of what the ranks have together.
  enum NormCases {
    static func run(_ world: Communicator) throws {
      let layout = try caseLayout()
      let plan = try ShardPlan(layout, ranks: world.rankCount)
      let own = plan.range(of: world.rank)
      let gradient = own.map { number(1, $0) }
      for clipping in try [
        GradientClipping.byGlobalNorm(3), .byGlobalNorm(3, type: .l1), .byGlobalNorm(0.1, type: .infinity),
        .byGlobalNorm(2, type: .p(3)), GradientClipping(whole: .norm(3), algorithm: .portable),
      ] {
        let report = try clip(gradient, plan, clipping, world)
        Cases.print("\(hex(report.totalNorm ?? 0)) \(hex(report.clipCoefficient))", world)
      }
      try sharedTensor(gradient, plan, world)
      try negativeControl(gradient, layout, world)
    }

    /// A tensor that all ranks hold and the last one counts: the norm is the one of a single process.
    private static func sharedTensor(_ gradient: [Float], _ plan: ShardPlan, _ world: Communicator) throws {
      var (own, shared) = (gradient, [Float](repeating: 0.25, count: 3))
      let exchange = SharingExchange(
        RankExchange(world, elements: plan.layout.count + 3),
        countedElsewhere: world.rank == world.rankCount - 1 ? [] : ["shared"])
      let report = try own.withUnsafeMutableBufferPointer { own throws(MomentumError) in
        try shared.withUnsafeMutableBufferPointer { shared throws(MomentumError) in
          let pieces = pieces(of: own, plan, world)
          let names = pieces.indices.map { "piece \($0)" } + ["shared"]
          return try Gradients.clip(pieces + [shared], by: .byGlobalNorm(1), names: names, exchange: exchange)
        }
      }
      Cases.print("\(hex(report.totalNorm ?? 0)) \(hex(Double(shared[2])))", world)
    }

    private static func clip(
      _ gradient: [Float], _ plan: ShardPlan, _ clipping: GradientClipping, _ world: Communicator
    ) throws -> ClipReport {
      var gradient = gradient
      let exchange = RankExchange(world, elements: plan.layout.count)
      return try gradient.withUnsafeMutableBufferPointer { gradient throws(MomentumError) in
        try Gradients.clip(pieces(of: gradient, plan, world), by: clipping, exchange: exchange)
      }
    }

    /// The pieces of a rank, which lie one after the other.
    private static func pieces(
      of gradient: UnsafeMutableBufferPointer<Float>, _ plan: ShardPlan, _ world: Communicator
    ) -> [UnsafeMutableBufferPointer<Float>] {
      var start = 0
      return plan.pieces(of: world.rank).map { piece in
        defer { start += piece.range.count }
        return UnsafeMutableBufferPointer(rebasing: gradient[start..<start + piece.range.count])
      }
    }

    /// A part that all ranks have counts more than once: with more than one rank, that is refused.
    private static func negativeControl(
      _ gradient: [Float], _ layout: ParameterLayout, _ world: Communicator
    ) throws {
      guard world.rankCount > 1 else { return }
      var replicated = gradient + [1, 2, 3]
      let exchange = RankExchange(world, elements: layout.count + 3)
      let expected = MomentumError.countMismatch(
        what: "the tensors of all ranks", count: layout.count + 3 * world.rankCount, expected: layout.count + 3)
      do {
        _ = try replicated.withUnsafeMutableBufferPointer { all throws(MomentumError) in
          try Gradients.clip([all], by: .byGlobalNorm(1), exchange: exchange)
        }
      } catch {
        return try Cases.require(error == expected, "'\(error)'; expected '\(expected)'")
      }
      throw Cases.Failure(description: "a replicated tensor was counted \(world.rankCount) times")
    }
  }
#endif
