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
      switch message.failure {
      case .nonFiniteGradient(let tensor, let index, let value):
        message.failure = .nonFiniteGradient(tensor: tensor, index: index + (offsets[tensor] ?? 0), value: value)
      case .nonFiniteState(let what, let tensor, let index, let value):
        message.failure = .nonFiniteState(
          what: what, tensor: tensor, index: index + (offsets[tensor] ?? 0), value: value)
      default: break
      }
      try ranks.merge(&message)
    }
  }
#endif
