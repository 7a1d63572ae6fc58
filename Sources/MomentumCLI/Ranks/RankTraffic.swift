#if MPI
  import Foundation

  /// What a rank calls MPI for.
  struct RankTraffic: Encodable, Equatable {
    /// Messages to other ranks, and their bytes.
    var messagesSent = 0, bytesSent = 0
    /// Calls that all ranks make together, and the bytes that each hands over. What travels for them is the MPI's matter: for a
    /// few words about the logarithm of the number of ranks times their bytes, for long vectors at least 2(P - 1)/P times.
    var meetings = 0, bytesMet = 0

    /// The counters of the library that Scripts/compare-ranks.sh loads before MPI; `nil` if nothing counts.
    private static var now: RankTraffic? {
      // RTLD_DEFAULT.
      guard let counters = dlsym(nil, "momentum_mpi_traffic") else { return nil }
      let words = UnsafeBufferPointer(start: counters.assumingMemoryBound(to: UInt64.self), count: 4).map { Int($0) }
      return RankTraffic(messagesSent: words[0], bytesSent: words[1], meetings: words[2], bytesMet: words[3])
    }

    /// What is called for in between, as it is counted.
    static func counted(_ body: () throws -> Void) rethrows -> RankTraffic? {
      let before = now
      try body()
      guard let before, let after = now else { return nil }
      return RankTraffic(
        messagesSent: after.messagesSent - before.messagesSent, bytesSent: after.bytesSent - before.bytesSent,
        meetings: after.meetings - before.meetings, bytesMet: after.bytesMet - before.bytesMet)
    }
  }
#endif
