#if MPI
  public import Momentum

  // The step of all ranks together.
  extension DistributedOptimizer {
    /// Takes one step with the mean of the gradients that all ranks have added. All ranks call it.
    ///
    /// - Parameter parameters: All parameters, the same on all ranks; updated in place. The first step compares them.
    /// - Returns: A report, the same on all ranks but for `overflowedElements` of velocities in half precision, which are
    ///   those of the elements that this rank has stepped.
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
      close()
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
#endif
