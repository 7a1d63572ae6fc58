#if MPI
  public import Momentum

  // The gradients of a step.
  extension DistributedOptimizer {
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
  }
#endif
