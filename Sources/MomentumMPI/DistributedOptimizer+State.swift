#if MPI
  package import Momentum
  public import MomentumFiles

  // One file for all ranks: the bytes that one process would write.
  extension DistributedOptimizer where Scalar: SafetensorsScalar {
    /// Writes the state of all ranks into one file, whole or not at all. All ranks call it.
    ///
    /// The file has the bytes that a single `Optimizer` would write, whatever the number of ranks and the sharding, and
    /// can be loaded by it. Rank 0 writes it, and needs memory for the whole state meanwhile; the path need exist only
    /// there.
    ///
    /// - Throws: ``DistributedError``, the same on all ranks; the file is then as it was.
    public func save(to path: String) throws(DistributedError) {
      let whole = sharding == .none ? nil : try transfer.gather(shard.state())
      try communicator.agree {
        guard communicator.rank == 0 else { return }
        guard let whole else { return try StateFile.save(shard, to: path) }
        var optimizer = try settings.optimizer(layout, groups: settings.groups)
        try optimizer.restore(whole)
        try StateFile.save(optimizer, to: path)
      }
    }

    /// Replaces the state of all ranks by that of a file, which any number of ranks, or one process, has written. All
    /// ranks call it; rank 0 reads the file.
    ///
    /// - Throws: ``DistributedError``, the same on all ranks; the state is then as it was.
    public mutating func restore(from path: String) throws(DistributedError) {
      let state = try communicator.agree { () -> OptimizerState<Scalar>? in
        guard communicator.rank == 0 else { return nil }
        var optimizer = try settings.optimizer(layout, groups: settings.groups)
        try StateFile.load(path, into: &optimizer)
        return optimizer.state()
      }
      try restore(state)
    }

    /// The state of all ranks, on rank 0; `nil` on the others. All ranks call it.
    package func wholeState() throws(DistributedError) -> OptimizerState<Scalar>? {
      guard sharding == .none else { return try transfer.gather(shard.state()) }
      return communicator.rank == 0 ? shard.state() : nil
    }

    /// Replaces the state of all ranks by one that rank 0 has, and an optimizer of the whole would take. All ranks call it.
    package mutating func restore(_ state: OptimizerState<Scalar>?) throws(DistributedError) {
      let own = try transfer.scatter(state, shard.layout)
      // Looks at what can fail before it changes anything: the numbers are those of a state that has been checked.
      let result: Result<Void, any Error> = Result { try shard.restore(own) }
      try communicator.agree { try result.get() }
      forgetParameters()
    }

    private var transfer: StateTransfer<Scalar> {
      StateTransfer(communicator, plan, isSharded: sharding != .none)
    }
  }
#endif
