#if MPI
  package import Momentum

  /// Meets the other ranks, and names elements of pieces by their places in the whole tensors.
  package struct ShardExchange: NormExchange {
    private let ranks: RankExchange<Communicator>
    /// The first element of each tensor that this rank has not from its start.
    private let offsets: [String: Int]

    /// - Parameter isSharded: Whether each rank has its part only, and not the whole.
    package init(_ communicator: Communicator, _ plan: ShardPlan, isSharded: Bool) {
      ranks = RankExchange(communicator, holding: isSharded ? .parts(of: plan.layout.count) : .copies)
      var offsets: [String: Int] = [:]
      for piece in plan.pieces(of: communicator.rank) where isSharded && piece.range.lowerBound > 0 {
        offsets[plan.layout.tensors[piece.tensor].name] = piece.range.lowerBound
      }
      self.offsets = offsets
    }

    package func merge(_ message: inout NormMessage) throws(MomentumError) {
      message.renumberFailure { tensor, index in index + (offsets[tensor] ?? 0) }
      try ranks.merge(&message)
    }
  }
#endif
