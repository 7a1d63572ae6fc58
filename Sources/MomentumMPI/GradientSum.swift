#if MPI
  import Momentum

  /// How the gradients of all ranks become one sum, of which a rank gets its own part.
  protocol GradientSum<Scalar>: AnyObject {
    associatedtype Scalar: BLASScalar

    /// The micro-batches of this rank in the order in which they are added; `nil` if any may be.
    var microBatches: [Int]? { get }
    /// The number of gradients added since the last sum.
    var added: Int { get }

    /// Begins the next gradient of this rank, which has one.
    func begin() throws(DistributedError)
    /// Adds a part of the gradient.
    ///
    /// - Parameter isWhole: Whether this is all of it, and stays in memory until ``end()``.
    func add(_ part: UnsafePointer<Scalar>, _ range: Range<Int>, isWhole: Bool) throws(DistributedError)
    /// Ends the gradient, also if parts of it are missing.
    func end() throws(DistributedError)
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

  /// What lets gradients travel before the step.
  struct Buckets {
    /// The ranks, with a message space that nothing else uses.
    let communicator: Communicator
    /// The size of what travels at once.
    let bytes: Int
  }

  /// The sizes of what travels at once.
  package enum Chunk {
    /// The number of elements of one gradient.
    package static let count = 1 << 18
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
    /// What lets sums travel early; `nil` if they travel when all are there.
    private let flight: GradientFlight<Scalar>?
    let microBatches: [Int]?
    private(set) var added = 0

    /// - Parameters:
    ///   - isWhole: Whether every rank gets the whole sum.
    ///   - buckets: The size of what travels early, and the ranks for that alone; `nil` if nothing does.
    init(
      _ communicator: Communicator, _ plan: ShardPlan, microBatches total: Int, isWhole: Bool, buckets: Buckets?,
      threads: Int
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
      received = try SumMemory(count: foreign * (buckets == nil ? min(Chunk.count, own) : own), threads: threads)
      flight = try buckets.map { buckets throws(MomentumError) in
        try GradientFlight(
          buckets.communicator, plan, bucketBytes: buckets.bytes, mostBlocks: blocks.map(\.count).max() ?? 0,
          threads: threads)
      }
      result = try SumMemory(count: isWhole ? plan.layout.count : own, threads: threads)
    }

    func begin() throws(DistributedError) {
      do throws(MomentumError) { try open.begin(microBatches?[added] ?? 0) } catch { throw .refused(error) }
      try depart()
    }

    func add(_ part: UnsafePointer<Scalar>, _ range: Range<Int>, isWhole _: Bool) throws(DistributedError) {
      open.add(part, range)
      // With the last micro-batch the sums of this rank are whole.
      if added + 1 == microBatches?.count { try flight?.add(range, of: open.blocks.map(\.sum.base)) }
    }

    func end() {
      open.end()
      added += 1
    }

    func complete() throws(DistributedError) {
      try depart()
      try flight?.finish()
    }

    func reset() {
      open.reset()
      added = 0
    }

    /// Prepares for what travels early, once a step.
    private func depart() throws(DistributedError) {
      guard let flight, !flight.hasBegun else { return }
      try flight.begin(blocks: blocks.map(\.count), slots: slots, owner: self)
    }

    /// The places of the other ranks' blocks, if all of them arrive before they are added up.
    private var slots: [GradientFlight<Scalar>.Slot] {
      let count = plan.range(of: communicator.rank).count
      var next = received.base
      var slots: [GradientFlight<Scalar>.Slot] = []
      for peer in blocks.indices where peer != communicator.rank {
        for block in blocks[peer].indices {
          slots.append((peer, block, next))
          next += count
        }
      }
      return slots
    }

    func sum() throws(DistributedError) -> (UnsafeMutablePointer<Scalar>, microBatches: Int) {
      let own = plan.range(of: communicator.rank)
      let target = result.base + (isWhole ? own.lowerBound : 0)
      let widest = (0..<communicator.rankCount).map { plan.range(of: $0).count }.max() ?? 0
      for start in stride(from: 0, to: widest, by: Chunk.count) {
        let count = max(0, min(Chunk.count, own.count - start))
        let parts = try flight == nil ? exchange(start, count) : arrived(start)
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

    /// A chunk of a block.
    private typealias Part = (block: MicroBatchTree.Block, sum: UnsafeMutablePointer<Scalar>)

    /// A chunk of this rank's part of all blocks, in order, where they have arrived.
    private func arrived(_ start: Int) -> [Part] {
      let (rank, own) = (communicator.rank, plan.range(of: communicator.rank))
      let slots = slots
      func parts(_ peers: (Int) -> Bool) -> [Part] {
        slots.filter { peers($0.peer) }.map { (blocks[$0.peer][$0.block], $0.start + start) }
      }
      return parts { $0 < rank } + open.blocks.map { ($0.block, $0.sum.base + own.lowerBound + start) }
        + parts { $0 > rank }
    }

    /// Hands over a chunk of every owner's part, and takes this rank's own of all blocks, in order.
    private func exchange(_ start: Int, _ count: Int) throws(DistributedError) -> [Part] {
      let (rank, own) = (communicator.rank, plan.range(of: communicator.rank))
      var transfers: [Transfer] = []
      var parts: [Part] = []
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
      return parts
    }
  }
#endif
