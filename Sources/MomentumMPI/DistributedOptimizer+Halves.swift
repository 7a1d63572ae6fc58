#if MPI
  public import Momentum

  // Gradients in half precision. They are summed as Floats, and travel as such.
  extension DistributedOptimizer where Scalar == Float {
    /// Adds the gradient of this rank's next micro-batch in half precision, as if it were stored as `Float`s; see
    /// ``add(_:microBatch:)-(ParameterVector<Scalar>,_)``.
    ///
    /// The gradient is widened piece by piece, which is exact. Sums of micro-batches are sums of `Float`s, as those of a
    /// ``GradientAccumulator`` are, so the bytes that travel are those of gradients of `Float`s.
    public mutating func add<Half: HalfScalar>(_ gradient: borrowing ParameterVector<Half>, microBatch: Int) {
      gradient.withUnsafeBufferPointer { add($0, microBatch: microBatch) }
    }

    /// Adds the gradient of this rank's next micro-batch in half precision, in the caller's memory; see
    /// ``add(_:microBatch:)-(ParameterVector<Half>,_)``.
    public mutating func add<Half: HalfScalar>(_ gradient: UnsafeBufferPointer<Half>, microBatch: Int) {
      add(count: gradient.count, microBatch) { $0.hand(gradient, at: 0) }
    }

    /// Adds the gradient of one tensor in half precision; see ``add(_:tensor:microBatch:)``.
    public mutating func add<Half: HalfScalar>(_ gradient: UnsafeBufferPointer<Half>, tensor: Int, microBatch: Int) {
      add(count: gradient.count, tensor, microBatch) { $0.hand(gradient, at: $1.offset) }
    }

    private mutating func hand<Half: HalfScalar>(_ part: UnsafeBufferPointer<Half>, at offset: Int) {
      do throws(MomentumError) {
        // A piece that stays in the cache until it has been added.
        let piece = try SumMemory<Float>(count: min(Self.widened, part.count), threads: settings.threads)
        for start in stride(from: 0, to: part.count, by: Self.widened) {
          let halves = UnsafeBufferPointer(rebasing: part[start..<min(start + Self.widened, part.count)])
          let floats = UnsafeMutableBufferPointer(start: piece.base, count: halves.count)
          try TensorBuffer(halves).widen(into: floats, threads: settings.threads)
          hand(UnsafeBufferPointer(floats), offset + start..<offset + start + floats.count, isWhole: false)
        }
      } catch {
        fail(error)
      }
    }

    /// The number of elements that are widened at once.
    private static var widened: Int { 1 << 16 }
  }
#endif
