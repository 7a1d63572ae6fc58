#if MPI
  import Momentum

  /// How the gradients of all ranks become one sum, of which a rank gets its own part.
  protocol GradientSum<Scalar>: AnyObject {
    associatedtype Scalar: BLASScalar

    /// The micro-batches of this rank in the order in which they are added; `nil` if any may be.
    var microBatches: [Int]? { get }
    /// The number of gradients added since the last sum.
    var added: Int { get }

    /// Adds the next gradient; `nil` for one that is missing, if the ranks must meet nevertheless.
    func add(_ gradient: UnsafePointer<Scalar>?) throws(DistributedError)
    /// Lets this rank take part in what the others do with gradients that it does not have. All ranks call it before
    /// they agree to sum.
    func complete() throws(DistributedError)
    /// Makes the sum of all gradients.
    ///
    /// - Returns: The sum, or this rank's part of it; and the number of micro-batches in it.
    func sum() throws(DistributedError) -> (UnsafeMutablePointer<Scalar>, microBatches: Int)
    /// Starts a new sum.
    func reset()
  }

  /// The sizes of what travels at once.
  enum Chunk {
    /// The number of elements of one gradient.
    static let count = 1 << 18
  }

  /// Each rank adds up a contiguous range of micro-batches, and the owners of the parts add up what the ranks have.
  final class RangeSum<Scalar: BLASScalar>: GradientSum {
    private let communicator: Communicator
    private let plan: ShardPlan
    private let isWhole: Bool
    private let total: Int
    /// The blocks that each rank ends up with.
    private let blocks: [[MicroBatchTree.Block]]
    private var open: OpenBlocks<Scalar>
    private let received: SumMemory<Scalar>
    private let result: SumMemory<Scalar>
    let microBatches: [Int]?
    private(set) var added = 0

    /// - Parameter isWhole: Whether every rank gets the whole sum.
    init(
      _ communicator: Communicator, _ plan: ShardPlan, microBatches total: Int, isWhole: Bool, threads: Int
    ) throws(MomentumError) {
      let ranks = communicator.rankCount
      func range(_ rank: Int) -> Range<Int> {
        Int(UInt128(total) * UInt128(rank) / UInt128(ranks))..<Int(UInt128(total) * UInt128(rank + 1) / UInt128(ranks))
      }
      (self.communicator, self.plan, self.isWhole, self.total) = (communicator, plan, isWhole, total)
      let blocks = (0..<ranks).map { MicroBatchTree.blocks(range($0)) }
      self.blocks = blocks
      microBatches = Array(range(communicator.rank))
      open = OpenBlocks(count: plan.layout.count, threads: threads)
      let foreign = blocks.indices.filter { $0 != communicator.rank }.reduce(0) { $0 + blocks[$1].count }
      let own = plan.range(of: communicator.rank).count
      received = try SumMemory(count: foreign * min(Chunk.count, own), threads: threads)
      result = try SumMemory(count: isWhole ? plan.layout.count : own, threads: threads)
    }

    func add(_ gradient: UnsafePointer<Scalar>?) throws(DistributedError) {
      guard let gradient, let microBatches, added < microBatches.count else { return }
      do throws(MomentumError) { try open.add(microBatches[added], gradient) } catch { throw .refused(error) }
      added += 1
    }

    func complete() {}

    func reset() {
      open.reset()
      added = 0
    }

    func sum() throws(DistributedError) -> (UnsafeMutablePointer<Scalar>, microBatches: Int) {
      let (rank, own) = (communicator.rank, plan.range(of: communicator.rank))
      let target = result.base + (isWhole ? own.lowerBound : 0)
      let widest = (0..<communicator.rankCount).map { plan.range(of: $0).count }.max() ?? 0
      for start in stride(from: 0, to: widest, by: Chunk.count) {
        let count = max(0, min(Chunk.count, own.count - start))
        var transfers: [Transfer] = []
        var parts: [(block: MicroBatchTree.Block, sum: UnsafeMutablePointer<Scalar>)] = []
        var slot = received.base
        for peer in 0..<communicator.rankCount {
          guard peer != rank else {
            parts += open.blocks.map { ($0.block, $0.sum.base + own.lowerBound + start) }
            continue
          }
          let theirs = plan.range(of: peer)
          let theirCount = max(0, min(Chunk.count, theirs.count - start))
          for (tag, block) in open.blocks.enumerated() where theirCount > 0 {
            transfers.append(.send(peer, block.sum.base + theirs.lowerBound + start, theirCount, tag: tag))
          }
          for (tag, block) in blocks[peer].enumerated() where count > 0 {
            transfers.append(.receive(peer, slot, count, tag: tag))
            parts.append((block, slot))
            slot += count
          }
        }
        try communicator.exchange(transfers)
        guard count > 0 else { continue }
        func add(_ sum: UnsafeMutablePointer<Scalar>, _ next: UnsafeMutablePointer<Scalar>) {
          SumMemory.add(next, to: sum, count: count)
        }
        if let sum = MicroBatchTree.folded(MicroBatchTree.merged(parts, add: add), add: add) {
          (target + start).update(from: sum, count: count)
        }
      }
      if isWhole { try communicator.gather(result.base, plan.bounds) }
      return (result.base, total)
    }
  }
#endif
