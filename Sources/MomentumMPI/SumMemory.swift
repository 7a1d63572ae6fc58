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
    /// What is done with each element of a gradient.
    private enum Operation {
      case copy(to: SumMemory<Scalar>)
      case add(to: SumMemory<Scalar>)
      case merge(SumMemory<Scalar>, into: SumMemory<Scalar>)
    }

    /// The blocks, with the gradient that is being added.
    private(set) var blocks: [(block: MicroBatchTree.Block, sum: SumMemory<Scalar>)] = []
    private var operations: [Operation] = []
    private var free: [SumMemory<Scalar>] = []
    private let count: Int
    private let threads: Int

    /// - Parameter count: The number of elements of a gradient.
    init(count: Int, threads: Int) { (self.count, self.threads) = (count, threads) }

    /// Makes room for the gradient of the next micro-batch, which is added in any number of parts.
    mutating func begin(_ microBatch: Int) throws(MomentumError) {
      let leaf = MicroBatchTree.Block(microBatch)
      var operations: [Operation] = []
      if let last = blocks.last, last.block.isSibling(of: leaf) {
        // Needs no copy.
        operations.append(.add(to: last.sum))
        blocks[blocks.count - 1].block = MicroBatchTree.Block(start: last.block.start, size: 2)
      } else {
        let memory: SumMemory<Scalar>
        if let known = free.popLast() { memory = known } else { memory = try SumMemory(count: count, threads: threads) }
        operations.append(.copy(to: memory))
        blocks.append((leaf, memory))
      }
      blocks = MicroBatchTree.merged(blocks) { sum, next in operations.append(.merge(next, into: sum)) }
      self.operations = operations
    }

    /// Adds a part of the gradient.
    func add(_ part: UnsafePointer<Scalar>, _ range: Range<Int>) {
      for operation in operations {
        switch operation {
        case .copy(let sum): (sum.base + range.lowerBound).update(from: part, count: range.count)
        case .add(let sum): SumMemory.add(part, to: sum.base + range.lowerBound, count: range.count)
        case .merge(let next, let sum):
          SumMemory.add(next.base + range.lowerBound, to: sum.base + range.lowerBound, count: range.count)
        }
      }
    }

    /// Ends the gradient.
    mutating func end() {
      for case .merge(let next, _) in operations { free.append(next) }
      operations = []
    }

    /// Starts a new sum in the same memory.
    mutating func reset() {
      end()
      free += blocks.map(\.sum)
      blocks = []
    }
  }
#endif
