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
    /// One chunk from every rank.
    private let leaves: SumMemory<Scalar>
    private let zeros: SumMemory<Scalar>
    private var round = 0
    let microBatches: [Int]?
    private(set) var added = 0

    init(_ communicator: Communicator, _ plan: ShardPlan, microBatches total: Int, threads: Int) throws(MomentumError) {
      (self.communicator, self.plan, self.total) = (communicator, plan, total)
      own = plan.range(of: communicator.rank)
      microBatches = Array(stride(from: communicator.rank, to: total, by: communicator.rankCount))
      leaves = try SumMemory(count: communicator.rankCount * min(Chunk.count, own.count), threads: threads)
      zeros = try SumMemory(count: min(Chunk.count, plan.layout.count), threads: threads)
      // As many blocks as can be open after a round, and one more. In a round nothing may fail.
      for _ in 0..<Int.bitWidth - total.leadingZeroBitCount + 1 {
        free.append(try SumMemory(count: own.count, threads: threads))
      }
    }

    private var rounds: Int { (total + communicator.rankCount - 1) / communicator.rankCount }

    func add(_ gradient: UnsafePointer<Scalar>?) throws(DistributedError) {
      guard let microBatches, added < microBatches.count else { return }
      try takeRound(gradient)
      added += 1
    }

    func complete() throws(DistributedError) {
      while round < rounds { try takeRound(nil) }
    }

    func sum() -> (UnsafeMutablePointer<Scalar>, microBatches: Int) {
      let sum = MicroBatchTree.folded(open) { SumMemory.add($1.base, to: $0.base, count: own.count) }
      return (sum?.base ?? zeros.base, total)
    }

    func reset() {
      free += open.map(\.sum)
      open = []
      (round, added) = (0, 0)
    }

    /// Hands over the gradient of this rank, if there is one in this round, and takes its part of the others'.
    private func takeRound(_ gradient: UnsafePointer<Scalar>?) throws(DistributedError) {
      let (rank, ranks) = (communicator.rank, communicator.rankCount)
      let first = round * ranks
      let givers = min(ranks, total - first)
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
        try exchange(gradient, start, count, givers)
        guard count > 0 else { continue }
        if rank < givers {
          (leaves.base + rank * count).update(
            from: gradient.map { $0 + own.lowerBound + start } ?? UnsafePointer(zeros.base), count: count)
        }
        let parts = all.map { block, index in
          (block, index < before.count ? before[index].sum.base + start : leaves.base + (index - before.count) * count)
        }
        let left = MicroBatchTree.merged(parts) { SumMemory.add($1, to: $0, count: count) }
        for (part, (_, memory)) in zip(left, next) where part.sum != memory.base + start {
          (memory.base + start).update(from: part.sum, count: count)
        }
      }
      let kept = Set(next.map { ObjectIdentifier($0.sum) })
      free += before.map(\.sum).filter { !kept.contains(ObjectIdentifier($0)) }
      open = next
      round += 1
    }

    /// Sends every owner its part of this rank's gradient, of which only a chunk, and receives those of this rank's own.
    private func exchange(
      _ gradient: UnsafePointer<Scalar>?, _ start: Int, _ count: Int, _ givers: Int
    ) throws(DistributedError) {
      var transfers: [Transfer] = []
      for peer in 0..<communicator.rankCount where peer != communicator.rank {
        let theirs = plan.range(of: peer)
        let theirCount = max(0, min(Chunk.count, theirs.count - start))
        if communicator.rank < givers, theirCount > 0 {
          let source = gradient.map { UnsafeMutablePointer(mutating: $0) + theirs.lowerBound + start } ?? zeros.base
          transfers.append(.send(peer, source, theirCount))
        }
        if peer < givers, count > 0 { transfers.append(.receive(peer, leaves.base + peer * count, count)) }
      }
      try communicator.exchange(transfers)
    }
  }

  /// Each rank adds up any number of gradients as they come, and MPI adds up the ranks, in an order of its own.
  final class LibrarySum<Scalar: BLASScalar>: GradientSum {
    private let communicator: Communicator
    private let plan: ShardPlan
    private let isWhole: Bool
    private let memory: SumMemory<Scalar>
    var microBatches: [Int]? { nil }
    private(set) var added = 0

    init(_ communicator: Communicator, _ plan: ShardPlan, isWhole: Bool, threads: Int) throws(MomentumError) {
      (self.communicator, self.plan, self.isWhole) = (communicator, plan, isWhole)
      memory = try SumMemory(count: plan.layout.count, threads: threads)
    }

    func add(_ gradient: UnsafePointer<Scalar>?) {
      guard let gradient else { return }
      let count = plan.layout.count
      if added == 0 {
        memory.base.update(from: gradient, count: count)
      } else {
        SumMemory.add(gradient, to: memory.base, count: count)
      }
      added += 1
    }

    func complete() {}

    func sum() throws(DistributedError) -> (UnsafeMutablePointer<Scalar>, microBatches: Int) {
      var count = [UInt64(added)]
      try communicator.sumOrRefuse(&count)
      if added == 0 { memory.base.update(repeating: 0, count: plan.layout.count) }
      if isWhole {
        try communicator.sumByLibrary(memory.base, plan.layout.count)
        return (memory.base, Int(count[0]))
      }
      try communicator.reduceByLibrary(memory.base, plan.bounds)
      return (memory.base + plan.range(of: communicator.rank).lowerBound, Int(count[0]))
    }

    func reset() { added = 0 }
  }
#endif
