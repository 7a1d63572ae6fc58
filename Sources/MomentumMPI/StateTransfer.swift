#if MPI
  package import Momentum

  /// Moves the state of optimizers between rank 0, which has that of the whole, and the ranks, which have their parts.
  package struct StateTransfer<Scalar: BLASScalar> {
    private let communicator: Communicator
    private let plan: ShardPlan
    private let isSharded: Bool

    /// - Parameter isSharded: Whether each rank has its part only, and not the whole.
    package init(_ communicator: Communicator, _ plan: ShardPlan, isSharded: Bool) {
      (self.communicator, self.plan, self.isSharded) = (communicator, plan, isSharded)
    }

    /// The state of the whole on rank 0, `nil` on the others.
    package func gather(_ own: OptimizerState<Scalar>) throws(DistributedError) -> OptimizerState<Scalar>? {
      var own = own
      let outline = StateOutline(own)
      let bytes = try communicator.agree { try outline.bytes }
      let all = try communicator.gatherBytes(bytes)
      var whole = OptimizerState<Scalar>(plan.layout)
      var outlines: [StateOutline<Scalar>] = []
      try communicator.agree {
        for bytes in all { outlines.append(try StateOutline(bytes: bytes)) }
        guard communicator.rank == 0 else { return }
        (whole.stepCount, whole.lastStepClipped) = (own.stepCount, own.lastStepClipped)
        (whole.lossScale, whole.adaptiveLimit) = (own.lossScale, own.adaptiveLimit)
        for (rank, outline) in outlines.enumerated() {
          for (index, piece) in plan.pieces(of: rank).enumerated() {
            whole.velocities[piece.tensor] = outline.state.velocities[index]
            whole.averages[piece.tensor] = outline.state.averages[index]
          }
        }
        if outlines.contains(where: \.hasDirection) { whole.direction = Array(repeating: 0, count: plan.layout.count) }
        if outlines.contains(where: \.hasSecondMoment) {
          whole.secondMoment = Array(repeating: 0, count: plan.layout.count)
        }
        if outlines.contains(where: \.hasAverage) { whole.average = Array(repeating: 0, count: plan.layout.count) }
      }
      let (directions, averages) = (outlines.map(\.hasDirection), outlines.map(\.hasAverage))
      try gather(&own.direction, into: &whole.direction, present: directions)
      try gather(&own.secondMoment, into: &whole.secondMoment, present: outlines.map(\.hasSecondMoment))
      try gather(&own.average, into: &whole.average, present: averages)
      return communicator.rank == 0 ? whole : nil
    }

    /// Moves the parts of a vector to rank 0.
    ///
    /// - Parameter present: On rank 0, whether each rank has its part.
    private func gather(
      _ own: inout [Scalar], into whole: inout [Scalar], present: [Bool]
    ) throws(DistributedError) {
      let range = plan.range(of: communicator.rank)
      guard communicator.rank == 0 else {
        return try own.withUnsafeMutableBufferPointer { own throws(DistributedError) in
          guard let base = own.baseAddress, own.count == range.count else { return }
          try communicator.exchange([.send(0, base, own.count)])
        }
      }
      let values = own
      try whole.withUnsafeMutableBufferPointer { whole throws(DistributedError) in
        guard let base = whole.baseAddress, !whole.isEmpty else { return }
        if values.count == range.count { (base + range.lowerBound).update(from: values, count: values.count) }
        var transfers: [Transfer] = []
        for rank in 1..<max(communicator.rankCount, 1) where present[rank] {
          let theirs = plan.range(of: rank)
          transfers.append(.receive(rank, base + theirs.lowerBound, theirs.count))
        }
        try communicator.exchange(transfers)
      }
    }

    /// Gives every rank its part of the state that rank 0 has.
    ///
    /// - Parameter layout: That of this rank's part.
    package func scatter(_ whole: OptimizerState<Scalar>?, _ layout: ParameterLayout) throws(DistributedError)
      -> OptimizerState<Scalar>
    {
      let bytes = try communicator.agree { try whole.map { try StateOutline($0).bytes } ?? [] }
      let received = try communicator.broadcastBytes(bytes)
      let outline = try communicator.agree { try StateOutline<Scalar>(bytes: received) }
      var state = OptimizerState<Scalar>(layout)
      (state.stepCount, state.lastStepClipped) = (outline.state.stepCount, outline.state.lastStepClipped)
      (state.lossScale, state.adaptiveLimit) = (outline.state.lossScale, outline.state.adaptiveLimit)
      if isSharded {
        let pieces = plan.pieces(of: communicator.rank)
        state.velocities = pieces.map { outline.state.velocities[$0.tensor] }
        state.averages = pieces.map { outline.state.averages[$0.tensor] }
      } else {
        (state.velocities, state.averages) = (outline.state.velocities, outline.state.averages)
      }
      if outline.hasDirection { state.direction = try part(of: whole?.direction) }
      if outline.hasSecondMoment { state.secondMoment = try part(of: whole?.secondMoment) }
      if outline.hasAverage { state.average = try part(of: whole?.average) }
      return state
    }

    /// This rank's part of a vector that rank 0 has.
    private func part(of whole: [Scalar]?) throws(DistributedError) -> [Scalar] {
      func range(_ rank: Int) -> Range<Int> { isSharded ? plan.range(of: rank) : 0..<plan.layout.count }
      if var whole {
        try whole.withUnsafeMutableBufferPointer { whole throws(DistributedError) in
          guard let base = whole.baseAddress else { return }
          try communicator.exchange(
            (1..<max(communicator.rankCount, 1)).map { .send($0, base + range($0).lowerBound, range($0).count) })
        }
        return Array(whole[range(0)])
      }
      var own = [Scalar](repeating: 0, count: range(communicator.rank).count)
      try own.withUnsafeMutableBufferPointer { own throws(DistributedError) in
        guard let base = own.baseAddress else { return }
        try communicator.exchange([.receive(0, base, own.count)])
      }
      return own
    }
  }
#endif
