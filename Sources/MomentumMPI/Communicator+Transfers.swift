#if MPI
  internal import CMomentumMPI
  package import Momentum

  /// Bytes that travel from one rank to another.
  struct Transfer {
    let peer: Int
    /// Tells transfers between the same ranks apart.
    var tag = 0
    let bytes: UnsafeMutableRawBufferPointer
    let isSend: Bool

    static func send<T>(_ peer: Int, _ start: UnsafeMutablePointer<T>, _ count: Int, tag: Int = 0) -> Transfer {
      Transfer(
        peer: peer, tag: tag,
        bytes: UnsafeMutableRawBufferPointer(UnsafeMutableBufferPointer(start: start, count: count)),
        isSend: true)
    }

    static func receive<T>(_ peer: Int, _ start: UnsafeMutablePointer<T>, _ count: Int, tag: Int = 0) -> Transfer {
      Transfer(
        peer: peer, tag: tag,
        bytes: UnsafeMutableRawBufferPointer(UnsafeMutableBufferPointer(start: start, count: count)),
        isSend: false)
    }
  }

  extension Communicator {
    /// Lets all transfers of this rank take place; the peers state theirs. Returns when all have ended.
    func exchange(_ transfers: [Transfer]) throws(DistributedError) {
      var messages: [CMPITransfer] = []
      for transfer in transfers {
        for start in stride(from: 0, to: transfer.bytes.count, by: Self.largestPiece) {
          messages.append(
            CMPITransfer(
              bytes: transfer.bytes.baseAddress! + start,
              count: CInt(min(Self.largestPiece, transfer.bytes.count - start)),
              peer: CInt(transfer.peer), tag: CInt(transfer.tag), isSend: transfer.isSend ? 1 : 0))
        }
      }
      try MPI.check("MPI_Waitall", cmpi_exchange(handle, messages, CInt(messages.count)))
    }

    /// Gives every rank the parts of a vector that the others have, in place.
    ///
    /// - Parameter bounds: The first element of each rank's part, and the end of the last one.
    package func gather<Scalar>(_ vector: UnsafeMutablePointer<Scalar>, _ bounds: [Int]) throws(DistributedError) {
      let own = bounds[rank]..<bounds[rank + 1]
      var transfers: [Transfer] = []
      // Each rank begins with the next one, so that not all talk to the same rank at first.
      for distance in 1..<Swift.max(rankCount, 1) {
        let target = (rank + distance) % rankCount
        transfers.append(.send(target, vector + own.lowerBound, own.count))
        let source = (rank + rankCount - distance) % rankCount
        transfers.append(.receive(source, vector + bounds[source], bounds[source + 1] - bounds[source]))
      }
      try exchange(transfers)
    }

    /// Replaces a vector by the sum over all ranks, in the order of the MPI at hand.
    package func sumByLibrary<Scalar: BLASScalar>(_ vector: UnsafeMutablePointer<Scalar>, _ count: Int)
      throws(DistributedError)
    {
      try forEachPiece(vector, 0..<count) { start, count throws(DistributedError) in
        let code =
          Scalar.self == Float.self
          ? cmpi_sum_floats(handle, UnsafeMutableRawPointer(start).assumingMemoryBound(to: Float.self), count)
          : cmpi_sum_doubles(handle, UnsafeMutableRawPointer(start).assumingMemoryBound(to: Double.self), count)
        try MPI.check("MPI_Allreduce", code)
      }
    }

    /// Sums a vector over all ranks, in the order of the MPI at hand; each rank gets its part of the sum.
    func reduceByLibrary<Scalar: BLASScalar>(
      _ vector: UnsafeMutablePointer<Scalar>, _ bounds: [Int], into part: UnsafeMutablePointer<Scalar>
    ) throws(DistributedError) {
      for root in 0..<rankCount {
        let first = vector + bounds[root]
        try forEachPiece(vector, bounds[root]..<bounds[root + 1]) { start, count throws(DistributedError) in
          let values = UnsafeRawPointer(start)
          // Of interest to the root alone.
          let sum = UnsafeMutableRawPointer(root == rank ? part + (start - first) : part)
          let code =
            Scalar.self == Float.self
            ? cmpi_reduce_floats(
              handle, values.assumingMemoryBound(to: Float.self), sum.assumingMemoryBound(to: Float.self), count,
              CInt(root))
            : cmpi_reduce_doubles(
              handle, values.assumingMemoryBound(to: Double.self), sum.assumingMemoryBound(to: Double.self), count,
              CInt(root))
          try MPI.check("MPI_Reduce", code)
        }
      }
    }

    private func forEachPiece<Scalar>(
      _ vector: UnsafeMutablePointer<Scalar>, _ range: Range<Int>,
      _ body: (UnsafeMutablePointer<Scalar>, CInt) throws(DistributedError) -> Void
    ) throws(DistributedError) {
      let piece = Self.largestPiece / MemoryLayout<Scalar>.stride
      for start in stride(from: range.lowerBound, to: range.upperBound, by: piece) {
        try body(vector + start, CInt(min(piece, range.upperBound - start)))
      }
    }

    // MARK: Bytes of any number

    /// The bytes of every rank, on rank 0; nothing on the others.
    package func gatherBytes(_ own: [UInt8]) throws(DistributedError) -> [[UInt8]] {
      var counts = [UInt64](repeating: 0, count: rankCount)
      counts[rank] = UInt64(own.count)
      try sumOrRefuse(&counts)
      guard rank == 0 else {
        var own = own
        try Self.withMemory(&own) { bytes throws(DistributedError) in
          try exchange([Transfer(peer: 0, bytes: bytes, isSend: true)])
        }
        return []
      }
      var all = [own]
      for peer in 1..<Swift.max(rankCount, 1) {
        var bytes = [UInt8](repeating: 0, count: Int(counts[peer]))
        try Self.withMemory(&bytes) { bytes throws(DistributedError) in
          try exchange([Transfer(peer: peer, bytes: bytes, isSend: false)])
        }
        all.append(bytes)
      }
      return all
    }

    /// The bytes of rank 0, on every rank.
    package func broadcastBytes(_ own: [UInt8]) throws(DistributedError) -> [UInt8] {
      var count = [rank == 0 ? UInt64(own.count) : 0]
      try sumOrRefuse(&count)
      var bytes = rank == 0 ? own : [UInt8](repeating: 0, count: Int(count[0]))
      try Self.withMemory(&bytes) { bytes throws(DistributedError) in try broadcast(bytes) }
      return bytes
    }

    /// Gives every rank the memory of rank 0. All ranks have equally many bytes.
    func broadcast(_ bytes: UnsafeMutableRawBufferPointer) throws(DistributedError) {
      for start in stride(from: 0, to: bytes.count, by: Self.largestPiece) {
        let count = min(Self.largestPiece, bytes.count - start)
        try MPI.check("MPI_Bcast", cmpi_broadcast(handle, bytes.baseAddress! + start, CInt(count), 0))
      }
    }

    private static func withMemory(
      _ bytes: inout [UInt8], _ body: (UnsafeMutableRawBufferPointer) throws(DistributedError) -> Void
    ) throws(DistributedError) {
      try bytes.withUnsafeMutableBufferPointer { buffer throws(DistributedError) in
        try body(UnsafeMutableRawBufferPointer(buffer))
      }
    }

    package func sumOrRefuse(_ words: inout [UInt64]) throws(DistributedError) {
      do throws(MomentumError) { try sum(&words) } catch { throw .refused(error) }
    }
  }
#endif
