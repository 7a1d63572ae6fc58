#if MPI
  import Foundation

  /// What a rank has called MPI for, as the library counts that Scripts/compare-ranks.sh loads before MPI.
  struct RankTraffic: Encodable {
    /// Messages to other ranks, and their bytes.
    let messagesSent, bytesSent: UInt64
    /// Calls that all ranks make together, and the bytes that each hands over.
    let meetings, bytesMet: UInt64

    /// The counters; `nil` if nothing counts.
    private static var now: RankTraffic? {
      // RTLD_DEFAULT.
      guard let counters = dlsym(nil, "momentum_mpi_traffic") else { return nil }
      let words = UnsafeBufferPointer(start: counters.assumingMemoryBound(to: UInt64.self), count: 4)
      return RankTraffic(messagesSent: words[0], bytesSent: words[1], meetings: words[2], bytesMet: words[3])
    }

    /// What is called for in between.
    static func measured(_ body: () throws -> Void) rethrows -> RankTraffic? {
      let before = now
      try body()
      guard let before, let after = now else { return nil }
      return RankTraffic(
        messagesSent: after.messagesSent - before.messagesSent, bytesSent: after.bytesSent - before.bytesSent,
        meetings: after.meetings - before.meetings, bytesMet: after.bytesMet - before.bytesMet)
    }
  }
#endif
