#if MPI
  import Foundation
  import Momentum
  import MomentumMPI

  struct RankBenchReport: Encodable {
    let momentum = MomentumVersion.current
    let mpi = MPI.library
    let ranks: Int
    let threadsPerRank: Int
    var rows: [RankBenchRow] = []

    private var isTrafficCounted: Bool { rows.allSatisfy(\.isTrafficCounted) }

    init(_ world: Communicator) { (ranks, threadsPerRank) = (world.rankCount, world.threadsPerRank) }

    private enum CodingKeys: CodingKey { case momentum, mpi, ranks, threadsPerRank, rows }

    var text: String {
      """
      \(mpi); \(ranks) ranks with \(threadsPerRank) threads each
      \(TextTable.text(RankBenchRow.header, rows.map(\.cells), leftColumns: [0]))

      messages, sent: what rank 0 sends to others, and its bytes; meetings, met: what all ranks call MPI for together, and the bytes that each hands over.
      By formula, \(isTrafficCounted ? "and counted: they are the same" : "which Scripts/compare-ranks.sh compares with what it counts").
      bits: of the parameters after two steps of eight micro-batches, to be compared with other ranks. library/this: the time of MPI's own sum with a whole step on every rank,
      divided by that of the row.
      """
    }
  }

  struct RankBenchRow: Encodable {
    let name: String
    let tensors: Int
    let count: Int
    /// Of the fastest run, on its slowest rank.
    let seconds: Double
    /// What rank 0 calls MPI for once, by formula.
    let traffic: RankTraffic
    /// Whether that has been counted, on every rank, and found to be so.
    let isTrafficCounted: Bool
    /// The time of MPI's own sum and a whole step, divided by this one; `nil` for parts of a step.
    var libraryRatio: Double?
    /// The relative error of the norm; `nil` for parts of a step.
    var normError: Double?
    /// A digest of the parameters after two steps of eight micro-batches, to be compared between numbers of ranks.
    var bits: String?

    static let header = [
      "row", "tensors", "elements", "best", "messages", "sent", "meetings", "met", "library/this", "norm error", "bits",
    ]

    var cells: [String] {
      [
        name, "\(tensors)", "\(count)", BenchReport.time(seconds), "\(traffic.messagesSent)", "\(traffic.bytesSent)",
        "\(traffic.meetings)", "\(traffic.bytesMet)", libraryRatio.map { String(format: "%.2f", $0) } ?? "",
        normError.map { String(format: "%.1e", $0) } ?? "", bits ?? "",
      ]
    }
  }
#endif
