#if MPI
  internal import CMomentumMPI
  import Momentum

  /// Sums of gradients on their way to the owners of the parts, in buckets that travel as soon as they are whole.
  ///
  /// Which messages there are follows from the plan and the blocks of the ranks alone. A rank that has failed sends zeros
  /// for what it lacks, so that nobody waits for it; the step is then refused.
  final class GradientFlight<Scalar: BLASScalar> {
    /// Elements of one owner that travel in one message for each block.
    private struct Bucket {
      let owner: Int
      /// The number of the owner's buckets before this one.
      let place: Int
      let range: Range<Int>
      /// The number of elements that are not there yet; `nil` once it has been sent.
      var missing: Int?
    }

    /// Where a block of another rank arrives: memory for this rank's part.
    typealias Slot = (peer: Int, block: Int, start: UnsafeMutablePointer<Scalar>)

    private let communicator: Communicator
    private let own: Range<Int>
    /// Those of the other owners, and those of this rank.
    private var away: [Bucket] = []
    private var home: [Bucket] = []
    /// The number of tags for each place.
    private let mostBlocks: Int
    private let zeros: SumMemory<Scalar>
    private var requests = CMPIFlight()
    private var blocks: [Int] = []
    /// What holds the memory of messages on their way. It holds this too: until they have arrived, neither goes away, also
    /// in a job that gives up.
    private var owner: AnyObject?
    /// Whether messages are on their way.
    private(set) var hasBegun = false

    /// The most tags that every MPI has.
    private static var tagCount: Int { 1 << 15 }

    /// - Parameters:
    ///   - communicator: One that nothing else uses.
    ///   - bucketBytes: The size of a bucket; it becomes larger where there are more buckets than tags.
    ///   - mostBlocks: The most blocks that a rank sends.
    init(
      _ communicator: Communicator, _ plan: ShardPlan, bucketBytes: Int, mostBlocks: Int, threads: Int
    ) throws(MomentumError) {
      (self.communicator, self.mostBlocks) = (communicator, max(mostBlocks, 1))
      own = plan.range(of: communicator.rank)
      let widest = (0..<plan.ranks).map { plan.range(of: $0).count }.max() ?? 0
      let places = Self.tagCount / self.mostBlocks
      let wanted = min(bucketBytes, Communicator.largestPiece) / MemoryLayout<Scalar>.stride
      let size = max(wanted, (widest + places - 1) / places, 1)
      zeros = try SumMemory(count: min(size, widest), threads: threads)
      for owner in 0..<plan.ranks {
        let range = plan.range(of: owner)
        for (place, start) in stride(from: range.lowerBound, to: range.upperBound, by: size).enumerated() {
          let bucket = Bucket(owner: owner, place: place, range: start..<min(start + size, range.upperBound))
          if owner == communicator.rank { home.append(bucket) } else { away.append(bucket) }
        }
      }
    }

    deinit { cmpi_flight_free(&requests) }

    /// Prepares for the messages of the others.
    ///
    /// - Parameters:
    ///   - blocks: The number of blocks that each rank sends.
    ///   - slots: Where those of the others arrive.
    ///   - owner: What holds their memory, that of the sums, and this.
    func begin(blocks: [Int], slots: [Slot], owner: AnyObject) throws(DistributedError) {
      (self.blocks, self.owner, hasBegun) = (blocks, owner, true)
      for index in away.indices { away[index].missing = away[index].range.count }
      for (peer, block, start) in slots {
        for bucket in home {
          let place = start + (bucket.range.lowerBound - own.lowerBound)
          try launch(.receive(peer, place, bucket.range.count, tag: tag(bucket, block)))
        }
      }
    }

    /// Sends the buckets that are whole now.
    ///
    /// - Parameters:
    ///   - range: Elements that have got their sums.
    ///   - sums: The sums of this rank's blocks, whole vectors, which stay until ``finish()``.
    func add(_ range: Range<Int>, of sums: [UnsafeMutablePointer<Scalar>]) throws(DistributedError) {
      for index in away.indices {
        let bucket = away[index]
        let new = bucket.range.clamped(to: range).count
        guard new > 0, let missing = bucket.missing else { continue }
        away[index].missing = missing - new
        if missing == new {
          try send(index) { $0 < sums.count ? sums[$0] + bucket.range.lowerBound : nil }
        }
      }
      try MPI.check("MPI_Testall", cmpi_flight_progress(&requests))
    }

    /// Waits until all messages have arrived, after zeros for what this rank has not sent.
    func finish() throws(DistributedError) {
      for index in away.indices where away[index].missing != nil { try send(index) { _ in nil } }
      try MPI.check("MPI_Waitall", cmpi_flight_wait(&requests))
      (owner, hasBegun) = (nil, false)
    }

    private func send(_ index: Int, _ sum: (Int) -> UnsafeMutablePointer<Scalar>?) throws(DistributedError) {
      let bucket = away[index]
      away[index].missing = nil
      for block in 0..<blocks[communicator.rank] {
        try launch(.send(bucket.owner, sum(block) ?? zeros.base, bucket.range.count, tag: tag(bucket, block)))
      }
    }

    private func tag(_ bucket: Bucket, _ block: Int) -> Int { bucket.place * mostBlocks + block }

    private func launch(_ transfer: Transfer) throws(DistributedError) {
      let message = CMPITransfer(
        bytes: transfer.bytes.baseAddress, count: CInt(transfer.bytes.count), peer: CInt(transfer.peer),
        tag: CInt(transfer.tag), isSend: transfer.isSend ? 1 : 0)
      try MPI.check(
        transfer.isSend ? "MPI_Isend" : "MPI_Irecv", cmpi_flight_start(communicator.handle, &requests, message))
    }
  }
#endif
