#if MPI
  import Momentum

  /// The owners of the parts take the gradients as they come: in round k the ranks hand over the micro-batches from `k·P`
  /// on, one each. So no rank keeps more of a sum than its part.
  final class RoundSum<Scalar: BLASScalar>: GradientSum {
    private typealias Part = (block: MicroBatchTree.Block, sum: SumMemory<Scalar>)

    private let communicator: Communicator
    private let plan: ShardPlan
    private let total: Int
    private let own: Range<Int>
    private var open: [Part] = []
    private var free: [SumMemory<Scalar>] = []
    /// One chunk from every rank, or its whole part if gradients travel early.
    private let leaves: SumMemory<Scalar>
    private let flight: GradientFlight<Scalar>?
    /// The gradient of this rank in this round: where all of it is, and memory for one that comes in parts.
    private var gradient: UnsafeMutablePointer<Scalar>?
    private var parts: SumMemory<Scalar>?
    private let threads: Int
    private let zeros: SumMemory<Scalar>
    private var round = 0
    let microBatches: [Int]?
    private(set) var added = 0

    /// - Parameter buckets: The size of what travels early, and the ranks for that alone; `nil` if nothing does.
    init(
      _ communicator: Communicator, _ plan: ShardPlan, microBatches total: Int, buckets: Buckets?, threads: Int
    ) throws(MomentumError) {
      (self.communicator, self.plan, self.total, self.threads) = (communicator, plan, total, threads)
      own = plan.range(of: communicator.rank)
      microBatches = Array(stride(from: communicator.rank, to: total, by: communicator.rankCount))
      leaves = try SumMemory(
        count: communicator.rankCount * (buckets == nil ? min(Chunk.count, own.count) : own.count), threads: threads)
      flight = try buckets.map { buckets throws(MomentumError) in
        try GradientFlight(buckets.communicator, plan, bucketBytes: buckets.bytes, mostBlocks: 1, threads: threads)
      }
      zeros = try SumMemory(count: min(Chunk.count, plan.layout.count), threads: threads)
      // As many blocks as can be open after a round, and one more. In a round nothing may fail.
      for _ in 0..<Int.bitWidth - total.leadingZeroBitCount + 1 {
        free.append(try SumMemory(count: own.count, threads: threads))
      }
    }

    private var rounds: Int { (total + communicator.rankCount - 1) / communicator.rankCount }

    func begin() throws(DistributedError) {
      gradient = nil
      try depart()
    }

    func add(_ part: UnsafePointer<Scalar>, _ range: Range<Int>, isWhole: Bool) throws(DistributedError) {
      if isWhole {
        gradient = UnsafeMutablePointer(mutating: part)
      } else {
        let memory: SumMemory<Scalar>
        do throws(MomentumError) {
          if let parts { memory = parts } else { memory = try SumMemory(count: plan.layout.count, threads: threads) }
        } catch {
          throw .refused(error)
        }
        (memory.base + range.lowerBound).update(from: part, count: range.count)
        (parts, gradient) = (memory, memory.base)
      }
      if let gradient { try flight?.add(range, of: [gradient]) }
    }

    func end() throws(DistributedError) {
      try takeRound()
      added += 1
    }

    func complete() throws(DistributedError) {
      while round < rounds { try takeRound() }
    }

    func sum() -> (UnsafeMutablePointer<Scalar>, microBatches: Int) {
      let sum = MicroBatchTree.folded(open) { SumMemory.add($1.base, to: $0.base, count: own.count) }
      return (sum?.base ?? zeros.base, total)
    }

    func reset() {
      free += open.map(\.sum)
      open = []
      gradient = nil
      (round, added) = (0, 0)
    }

    /// The number of ranks that have a gradient in this round.
    private var givers: Int { min(communicator.rankCount, total - round * communicator.rankCount) }

    /// Prepares for what travels early, once a round.
    private func depart() throws(DistributedError) {
      guard let flight, !flight.hasBegun else { return }
      let others = (0..<givers).filter { $0 != communicator.rank }
      try flight.begin(
        blocks: (0..<communicator.rankCount).map { $0 < givers ? 1 : 0 },
        slots: others.map { (peer: $0, block: 0, start: leaves.base + $0 * own.count) }, owner: self)
    }

    /// Hands over the gradient of this rank, if there is one in this round, and takes its part of the others'.
    private func takeRound() throws(DistributedError) {
      try depart()
      try flight?.finish()
      let (rank, ranks) = (communicator.rank, communicator.rankCount)
      let first = round * ranks
      let givers = givers
      // The blocks that are open now, then the micro-batches of the round.
      let before = open
      let all =
        before.indices.map { (before[$0].block, $0) }
        + (0..<givers).map { (MicroBatchTree.Block(first + $0), before.count + $0) }
      let after = MicroBatchTree.merged(all) { _, _ in }
      let next: [Part] = after.map { ($0.block, $0.sum < before.count ? before[$0.sum].sum : free.removeLast()) }

      let widest = (0..<ranks).map { plan.range(of: $0).count }.max() ?? 0
      for start in stride(from: 0, to: widest, by: Chunk.count) {
        let count = max(0, min(Chunk.count, own.count - start))
        if flight == nil { try exchange(gradient, start, count, givers) }
        guard count > 0 else { continue }
        func leaf(_ rank: Int) -> UnsafeMutablePointer<Scalar> {
          flight == nil ? leaves.base + rank * count : leaves.base + rank * own.count + start
        }
        if rank < givers {
          leaf(rank).update(from: gradient.map { $0 + own.lowerBound + start } ?? zeros.base, count: count)
        }
        let parts = all.map { block, index in
          (block, index < before.count ? before[index].sum.base + start : leaf(index - before.count))
        }
        let left = MicroBatchTree.merged(parts) { SumMemory.add($1, to: $0, count: count) }
        for (part, (_, memory)) in zip(left, next) where part.sum != memory.base + start {
          (memory.base + start).update(from: part.sum, count: count)
        }
      }
      let kept = Set(next.map { ObjectIdentifier($0.sum) })
      free += before.map(\.sum).filter { !kept.contains(ObjectIdentifier($0)) }
      open = next
      gradient = nil
      round += 1
    }

    /// Sends every owner its part of this rank's gradient, of which only a chunk, and receives those of this rank's own.
    private func exchange(
      _ gradient: UnsafeMutablePointer<Scalar>?, _ start: Int, _ count: Int, _ givers: Int
    ) throws(DistributedError) {
      var transfers: [Transfer] = []
      for peer in 0..<communicator.rankCount where peer != communicator.rank {
        let theirs = plan.range(of: peer)
        let theirCount = max(0, min(Chunk.count, theirs.count - start))
        if communicator.rank < givers, theirCount > 0 {
          let source = gradient.map { $0 + theirs.lowerBound + start } ?? zeros.base
          transfers.append(.send(peer, source, theirCount))
        }
        if peer < givers, count > 0 { transfers.append(.receive(peer, leaves.base + peer * count, count)) }
      }
      try communicator.exchange(transfers)
    }
  }
#endif
