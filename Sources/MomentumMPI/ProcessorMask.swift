#if MPI
  internal import CMomentumMPI
  import Foundation
  import Momentum

  /// The processors that a rank may use.
  enum ProcessorMask {
    private static let words = 64

    /// The number of threads for this rank, so that ranks which share processors do not all use all of them.
    static func threads(_ node: CMPIComm, _ ranks: Int) throws(DistributedError) -> Int {
      let processors = Machine.availableProcessors
      var rank: CInt = 0
      try MPI.check("MPI_Comm_rank", cmpi_rank(node, &rank))
      let own = ofThisProcess()
      var all = [UInt64](repeating: 0, count: ranks * words)
      all.replaceSubrange(Int(rank) * words..<(Int(rank) + 1) * words, with: own)
      try MPI.check("MPI_Allreduce (processors)", cmpi_sum_words(node, &all, CInt(all.count)))
      let sharing = (0..<ranks).filter { other in
        zip(own, all[other * words..<(other + 1) * words]).contains { $0 & $1 != 0 }
      }
      return max(1, processors / max(1, sharing.count))
    }

    /// One bit for each processor; all are set where the system does not tell.
    private static func ofThisProcess() -> [UInt64] {
      let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
      let name = "Cpus_allowed:"
      let digits = status.split(separator: "\n").first { $0.hasPrefix(name) }?.dropFirst(name.count)
        .compactMap(\.hexDigitValue)
      guard let digits else { return [UInt64](repeating: .max, count: words) }
      var mask = [UInt64](repeating: 0, count: words)
      for (place, digit) in digits.reversed().enumerated() where place / 16 < words {
        mask[place / 16] |= UInt64(digit) << UInt64(place % 16 * 4)
      }
      return mask
    }
  }
#endif
