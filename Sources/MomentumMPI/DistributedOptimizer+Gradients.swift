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
      add(count: gradient.count, microBatch) { $0.hand(gradient, 0..<gradient.count, isWhole: true) }
    }

    /// Adds a gradient of some elements, which is handed over if they are as many as there must be.
    mutating func add(count: Int, _ microBatch: Int, hand: (inout Self) -> Void) {
      close()
      open(microBatch)
      if count == layout.count {
        hand(&self)
      } else {
        fail(
          MomentumError.countMismatch(
            what: "gradient of micro-batch \(microBatch)", count: count, expected: layout.count))
      }
      opened?.missing = 0
      close()
    }

    /// Adds the gradient of one tensor in this rank's next micro-batch.
    ///
    /// A program whose gradients come tensor by tensor, from the last to the first as a rule, hands each over when it is
    /// there: in any order, each once, all of a micro-batch before those of the next. With `bucketBytes` the sums travel
    /// to their owners meanwhile. Like ``add(_:microBatch:)-(ParameterVector<Scalar>,_)`` it does not throw.
    ///
    /// - Parameters:
    ///   - gradient: The gradient of the tensor; only read, and not needed afterwards.
    ///   - tensor: The position of the tensor in ``layout``.
    ///   - microBatch: The number of the micro-batch.
    public mutating func add(_ gradient: UnsafeBufferPointer<Scalar>, tensor: Int, microBatch: Int) {
      add(count: gradient.count, tensor, microBatch) { $0.hand(gradient, $1.range, isWhole: false) }
    }

    /// Adds the gradient of a tensor, which is handed over if it has as many elements as it must have.
    mutating func add(
      count found: Int, _ tensor: Int, _ microBatch: Int, hand: (inout Self, ParameterLayout.Tensor) -> Void
    ) {
      guard layout.tensors.indices.contains(tensor) else {
        return fail(
          MomentumError.invalidSetting(
            name: "tensor", value: "\(tensor)", expected: "a position in the layout, 0 to \(layout.tensors.count - 1)"))
      }
      if opened?.microBatch != microBatch {
        close()
        open(microBatch)
      }
      let place = layout.tensors[tensor]
      opened?.counts[tensor] += 1
      let count = opened?.counts[tensor] ?? 1
      guard count == 1 else {
        return fail(
          DistributedError.tensor(name: place.name, microBatch: microBatch, count: count, rank: communicator.rank))
      }
      if found == place.count {
        hand(&self, place)
      } else {
        fail(
          MomentumError.countMismatch(
            what: "gradient of tensor '\(place.name)' in micro-batch \(microBatch)", count: found,
            expected: place.count))
      }
      opened?.missing -= 1
      if opened?.missing == 0 { close() }
    }

    /// A gradient that is being added.
    struct OpenGradient {
      let microBatch: Int
      /// Whether this rank has another micro-batch.
      let isExpected: Bool
      /// How often each tensor has been added, and the number of those that have not.
      var counts: [Int]
      var missing: Int
    }

    private mutating func open(_ microBatch: Int) {
      var isExpected = true
      if let own = gradients.microBatches {
        let expected = gradients.added < own.count ? own[gradients.added] : nil
        isExpected = expected != nil
        if expected != microBatch {
          fail(DistributedError.microBatch(rank: communicator.rank, expected: expected, found: microBatch))
        }
      }
      if isExpected {
        do { try gradients.begin() } catch {
          fail(error)
          isExpected = false
        }
      }
      let count = layout.tensors.count
      opened = OpenGradient(
        microBatch: microBatch, isExpected: isExpected, counts: Array(repeating: 0, count: count), missing: count)
    }

    mutating func hand(_ part: UnsafeBufferPointer<Scalar>, _ range: Range<Int>, isWhole: Bool) {
      // An empty vector has no address, and no element that would be read.
      guard opened?.isExpected == true, let start = part.baseAddress else { return }
      do { try gradients.add(start, range, isWhole: isWhole) } catch { fail(error) }
    }

    /// Ends the gradient that is being added, if there is one.
    mutating func close() {
      guard let gradient = opened else { return }
      opened = nil
      if gradient.missing > 0, let tensor = gradient.counts.firstIndex(of: 0) {
        fail(
          DistributedError.tensor(
            name: layout.tensors[tensor].name, microBatch: gradient.microBatch, count: 0, rank: communicator.rank))
      }
      guard gradient.isExpected else { return }
      do { try gradients.end() } catch { fail(error) }
    }

    /// Tells the others, at the next step, that something went wrong on this rank. All then throw the error of the first
    /// rank that has failed, and the step is not taken. The first failure of a rank counts.
    public mutating func fail(_ error: any Error) {
      failure = failure ?? DistributedError(error, rank: communicator.rank)
    }
  }
#endif
