import ArgumentParser
import Momentum
import MomentumFiles
import MomentumLAPACK

extension MatrixCase: ExpressibleByArgument {
  init?(argument: String) { self.init(argument) }
}

/// Steps of Muon instead of the rows of vectors.
extension BenchCommand {
  func refuseWhatMatricesIgnore() throws {
    try refuse(
      [
        "--count": !count.isEmpty, "--model": !model.isEmpty, "--plots": plots != nil,
        "--clip \(clip.rawValue)": clip != .global, "--momentum \(momentum)": momentum != 0.9,
        "--nesterov": nesterov, "--weight-decay \(weightDecay)": weightDecay != 0, "--one-pass": onePass,
        "--no-report": noReport, "--kernels \(kernels.rawValue)": kernels != .automatic, "--growth": growth,
        "--rows \(rows.rawValue)": rows != .all, "--skip-too-large": skipTooLarge,
      ], with: "--matrices")
  }

  func runMatrices() throws {
    if polar { LAPACK.supplyPolarFactors() }
    let run = MatrixRun(
      matrices: matrices, scalars: scalar, threads: threads.isEmpty ? [Machine.availableProcessors] : threads,
      timer: BenchTimer(repeats: repeats), polar: polar, condition: condition)
    try run.checkMemory()
    var report = MatrixReport()
    let progress = ProgressDisplay(total: run.rowCount, unit: "rows")
    try run.run(
      finished: { row in
        report.rows.append(row)
        progress.advance(1, note: row.matrices)
      }, stop: { Interrupt.wasRequested })
    progress.finish()
    report.complete = report.rows.count == run.rowCount
    if let csv { try FileReplacement.write(report.csv, to: csv, followsLinks: writing.followLinks) }
    if json {
      try JSONOutput.print(report)
    } else {
      try StandardOutput.print(report.machine.heading(report.date) + "\n")
      try StandardOutput.print(report.text + "\n")
      try StandardOutput.print(([MatrixReport.legend] + report.faults).joined(separator: "\n"))
    }
    guard report.complete else {
      Message.write("interrupted; \(report.rows.count) of \(run.rowCount) rows were measured")
      throw ExitCode(Interrupt.exitStatus)
    }
  }
}
