import Foundation

/// The results of a benchmark of matrices, with the machine it ran on.
struct MatrixReport: Encodable {
  let machine = MachineRecord.current()
  let command = CommandLine.text
  let date = Date.now.formatted(.iso8601)
  var rows: [MatrixRow] = []
  /// The last of the rows asked for is missing if the run was interrupted.
  var complete = false

  var csv: String { ([MatrixRow.csvHeader] + rows.map(\.csv)).joined(separator: "\n") + "\n" }

  var text: String {
    let header = [
      "matrices", "number", "scalar", "threads", "restarts", "best", "median", "GF/s", "limit", "GF/s", "share",
      "large GF/s",
      "plain", "plain/ours", "polar", "polar/ours",
    ]
    let cells = rows.map { row in
      [
        row.matrices, "\(row.tensorCount)", row.scalar, "\(row.threads)", "\(row.restarts)",
        BenchReport.time(row.secondsMin), BenchReport.time(row.secondsMedian), String(format: "%.1f", row.gigaflops),
        BenchReport.time(row.limitSecondsMin), String(format: "%.1f", row.limitGigaflops),
        String(format: "%.0f %%", 100 * row.limitRatio), String(format: "%.1f", row.largeGigaflops),
        BenchReport.time(row.plainSecondsMin) + (row.plainFault == nil ? "" : ", wrong"),
        String(format: "%.2f", row.plainRatio), row.polarSecondsMin.map(BenchReport.time) ?? "",
        row.polarRatio.map { String(format: "%.2f", $0) } ?? "",
      ]
    }
    return TextTable.text(header, cells, leftColumns: [0, 2])
  }

  /// What is wrong with the results of plain calls, a sentence a row.
  var faults: [String] {
    rows.compactMap { row in
      row.plainFault.map { "\(row.matrices), \(row.scalar): the result of the plain calls is wrong: \($0)" }
    }
  }

  static let legend = """
    Steps of Muon, with five of Jordan's steps of Newton-Schulz, on matrices whose singular values are spread as those of
    random numbers, or with --condition fall by one factor from each to the next. restarts: how often Gram matrices were
    computed anew. GF/s: operations of the engine's products by the best time.
    limit: as many operations as products of two tiles of 64 x 64 in cache, on as many threads; share: how much of that
    speed a whole step has. large: one product of matrices of 2048 x 2048 with the threads of the BLAS. plain: the same step
    by calls of BLAS, three products of whole matrices a step of Newton-Schulz, with the threads of the BLAS
    (OPENBLAS_NUM_THREADS); plain/ours is how many times as fast we are. polar: a step along polar factors by LAPACK.
    """
}
