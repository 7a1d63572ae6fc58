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

    init(_ world: Communicator) { (ranks, threadsPerRank) = (world.rankCount, world.threadsPerRank) }

    private enum CodingKeys: CodingKey { case momentum, mpi, ranks, threadsPerRank, rows }

    var text: String {
      """
      \(mpi); \(ranks) ranks with \(threadsPerRank) threads each
      \(TextTable.text(RankBenchRow.header, rows.map(\.cells), leftColumns: [0]))

      sent: bytes that a rank sends, by formula; counted: those of its own messages, where Scripts/compare-ranks.sh counts.
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
    /// The bytes that a rank sends, by formula.
    let bytesSent: Int
    /// What rank 0 has called MPI for; `nil` where nothing counts it.
    let traffic: RankTraffic?
    /// The time of MPI's own sum and a whole step, divided by this one; `nil` for parts of a step.
    var libraryRatio: Double?
    /// The relative error of the norm; `nil` for parts of a step.
    var normError: Double?
    /// A digest of the parameters after two steps of eight micro-batches, to be compared between numbers of ranks.
    var bits: String?

    static let header = ["row", "tensors", "elements", "best", "sent", "counted", "library/this", "norm error", "bits"]

    var cells: [String] {
      [
        name, "\(tensors)", "\(count)", BenchReport.time(seconds), "\(bytesSent)",
        traffic.map { "\($0.bytesSent)" } ?? "", libraryRatio.map { String(format: "%.2f", $0) } ?? "",
        normError.map { String(format: "%.1e", $0) } ?? "", bits ?? "",
      ]
    }
  }
#endif
