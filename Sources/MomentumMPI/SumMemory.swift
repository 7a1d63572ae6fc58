#if MPI
  import Momentum

  /// A vector that sums are made in.
  final class SumMemory<Scalar: BLASScalar> {
    private var vector: ParameterVector<Scalar>
    /// The first element; valid as long as this lives.
    let base: UnsafeMutablePointer<Scalar>

    /// Zeros.
    init(count: Int, threads: Int) throws(MomentumError) {
      vector = try ParameterVector(ParameterLayout(count: max(count, 1)), threads: threads)
      base = vector.withUnsafeMutableBufferPointer { $0.baseAddress! }
    }

    /// Adds a vector to another: one addition of each element, without any other rounding.
    static func add(_ next: UnsafePointer<Scalar>, to sum: UnsafeMutablePointer<Scalar>, count: Int) {
      do {
        try BLAS.axpy(
          1, BLAS.Vector(UnsafeBufferPointer(start: next, count: count)),
          into: BLAS.MutableVector(UnsafeMutableBufferPointer(start: sum, count: count)))
      } catch {
        preconditionFailure("\(error)")
      }
    }
  }

  /// The gradients of the micro-batches of one rank, added up as far as the tree has their siblings here.
  struct OpenBlocks<Scalar: BLASScalar> {
    private(set) var blocks: [(block: MicroBatchTree.Block, sum: SumMemory<Scalar>)] = []
    private var free: [SumMemory<Scalar>] = []
    private let count: Int
    private let threads: Int

    /// - Parameter count: The number of elements of a gradient.
    init(count: Int, threads: Int) { (self.count, self.threads) = (count, threads) }

    /// Adds the gradient of the next micro-batch.
    mutating func add(_ microBatch: Int, _ gradient: UnsafePointer<Scalar>) throws(MomentumError) {
      let leaf = MicroBatchTree.Block(microBatch)
      var gone: [SumMemory<Scalar>] = []
      if let last = blocks.last, last.block.isSibling(of: leaf) {
        // Needs no copy.
        SumMemory.add(gradient, to: last.sum.base, count: count)
        blocks[blocks.count - 1].block = MicroBatchTree.Block(start: last.block.start, size: 2)
      } else {
        let memory: SumMemory<Scalar>
        if let known = free.popLast() { memory = known } else { memory = try SumMemory(count: count, threads: threads) }
        memory.base.update(from: gradient, count: count)
        blocks.append((leaf, memory))
      }
      blocks = MicroBatchTree.merged(blocks) { sum, next in
        SumMemory.add(next.base, to: sum.base, count: count)
        gone.append(next)
      }
      free += gone
    }

    /// Starts a new sum in the same memory.
    mutating func reset() {
      free += blocks.map(\.sum)
      blocks = []
    }
  }
#endif
