#if MPI
  public import Momentum

  /// A model whose tensors are placed on a grid of ranks: sums of gradients, and steps with the norm of all.
  ///
  /// ```swift
  /// let grid = try CommunicatorGrid(world, [("data", 2), ("pipeline", 2), ("tensor", 2)])
  /// let model = try PlacedModel<Float>(grid, tensors)  // those of this rank
  /// var optimizer = try model.makeOptimizer(rule: SGD(learningRate: 0.1), clipping: .byGlobalNorm(1))
  /// let report = try model.step(&optimizer, parameters: parameters, gradients: gradients)
  /// ```
  ///
  /// Each rank has memory, an optimizer and state for its own tensors. Every tensor enters the norm once, whoever has copies
  /// of it, and the number of elements that all have counted is compared with the model's in every step.
  ///
  /// #### Bits
  /// Norm, coefficient and parameters have the bits of one process that has the whole model and the same sums of gradients, where
  /// ``PlacementPlan/cutsAtTiles`` holds; otherwise the norm is the same on all ranks, and that of one process but for rounding.
  /// Gradients are added up along one axis after the other, in the order of the grid, each time in the fixed binary tree of
  /// ``MicroBatchTree`` over the places along the axis. So the bits do not depend on the extent of an axis of data where each rank adds
  /// up its micro-batches in that tree, and has a power of two of them. Several axes along which a gradient is summed are another
  /// order of additions in every grid: the bits then are those of one process that adds in the order of the grid.
  public struct PlacedModel<Scalar: BLASScalar> {
    /// Who has what.
    public let plan: PlacementPlan
    /// The tensors of this rank, as it has declared them.
    public let layout: ParameterLayout
    /// The exchange for the steps and clips of this rank.
    public let exchange: PlacementExchange
    let communicator: Communicator
    private let sums: [PlacedSum<Scalar>]

    /// Hears what all ranks have, checks that it makes up one model, and makes the communicators over which gradients are added
    /// up. All ranks call this.
    ///
    /// - Parameters:
    ///   - grid: The ranks.
    ///   - tensors: The tensors that this rank has: of those that are sliced, the shape of its own slice.
    ///   - threads: The most threads of this rank; by default ``Communicator/threadsPerRank``.
    /// - Throws: As ``PlacementPlan/init(on:_:comparing:)``, the same on all ranks; also if the versions of this library or the
    ///   kernels of BLAS differ.
    public init(
      _ grid: CommunicatorGrid, _ tensors: [(name: String, shape: [Int], placement: Placement)], threads: Int? = nil
    ) throws(DistributedError) {
      let communicator = grid.communicator
      try communicator.requireSameLibrary()
      let plan = try PlacementPlan(on: grid.ranks, tensors, comparing: communicator)
      let lines = try PlacedSum<Scalar>.lines(plan, grid)
      sums = try communicator.agree {
        try lines.map { try PlacedSum($0, plan, rank: communicator.rank, threads ?? communicator.threadsPerRank) }
      }
      (self.communicator, self.plan, layout) = (communicator, plan, plan.layout(of: communicator.rank))
      exchange = plan.exchange(
        of: communicator.rank, over: RankExchange(communicator, elements: plan.layout.count))
    }

    /// Adds up the gradients of all ranks that have a part of them, in place. All ranks call this.
    ///
    /// What ranks have copies of, or slices, stays as it is. For the mean over micro-batches, divide the loss by their number.
    ///
    /// - Parameter gradients: One buffer for each tensor of this rank, in the order of ``layout``.
    /// - Throws: ``DistributedError``, the same on all ranks, for buffers of other sizes; nothing has been written then.
    public func sum(_ gradients: [UnsafeMutableBufferPointer<Scalar>]) throws(DistributedError) {
      try sum(gradients) {}
    }

    /// Adds up the gradients, and takes a step with the norm of all. All ranks call this.
    ///
    /// - Parameters:
    ///   - optimizer: That of ``makeOptimizer(rule:groups:clipping:nonFinitePolicy:averaging:lossScale:adaptiveLimit:velocityType:reportsNorms:threads:)``,
    ///     or one of ``layout`` of your own, with the same settings on all ranks. Groups without a tensor here must then be
    ///     ``ParameterGroup/mayBeEmpty``.
    ///   - parameters: One buffer for each tensor of this rank.
    ///   - gradients: Likewise; become the sums.
    /// - Returns: A report, the same on all ranks but for `overflowedElements` of velocities in half precision, which are
    ///   those of the elements that this rank has stepped.
    /// - Throws: ``DistributedError``, the same on all ranks: no parameter and no state has been written then, but gradients may be
    ///   sums already. Refused are limits and rules of whole tensors or of units, and limits of groups, where tensors are sliced.
    @discardableResult
    public func step(
      _ optimizer: inout Optimizer<Scalar>, parameters: [UnsafeMutableBufferPointer<Scalar>],
      gradients: [UnsafeMutableBufferPointer<Scalar>]
    ) throws(DistributedError) -> StepReport {
      let (found, needsWholeTensors) = (optimizer.layout, optimizer.needsWholeTensors)
      try sum(gradients) { () throws(MomentumError) in
        try layout.check("optimizer", ofVector: found)
        try checkTakes(needsWholeTensors)
      }
      do throws(MomentumError) {
        return try optimizer.step(
          parameters: parameters, gradients: gradients.map { UnsafeBufferPointer($0) }, exchange: exchange)
      } catch {
        throw .refused(error)
      }
    }

    private func sum(
      _ gradients: [UnsafeMutableBufferPointer<Scalar>], checking check: () throws(MomentumError) -> Void
    ) throws(DistributedError) {
      defer { for sum in sums { sum.reset() } }
      try communicator.agree {
        try check()
        guard gradients.count == layout.tensors.count else {
          throw MomentumError.countMismatch(
            what: "list of gradients", count: gradients.count, expected: layout.tensors.count)
        }
        for (tensor, gradient) in zip(layout.tensors, gradients) where gradient.count != tensor.count {
          throw MomentumError.countMismatch(
            what: "gradient of tensor '\(tensor.name)'", count: gradient.count, expected: tensor.count)
        }
        // Allocates: afterwards nothing can fail on one rank alone.
        for sum in sums { try sum.begin() }
      }
      for sum in sums { try sum.add(gradients) }
    }
  }
#endif
