import ArgumentParser
import Foundation
import Momentum

struct TrajectoryCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "trajectory",
    abstract: "Descends test surfaces with and without momentum and draws the paths.",
    discussion: """
      Without --learning-rate each method gets its best rate of twenty a decade between 1e-5 and 10: the smallest that \
      needs at most a twentieth more steps than the fewest. The report folder gets a CSV a \
      path, a summary, a page for a browser (report.html) and a picture a surface (if gnuplot is installed). Another picture \
      shows where parameters go whose updates are small, stored as Floats and in half precision.
      """)

  private static let defaults = DescentRunner()

  @Option(parsing: .upToNextOption, help: "Surfaces: quadratic, rosenbrock, beale.")
  var surfaces = TestSurface.allCases
  @Option(
    parsing: .unconditional,
    help: "Momentum of the methods momentum and nesterov. (default: \(defaults.momentum))", transform: NumberText.double
  )
  var momentum = defaults.momentum
  @Option(
    parsing: .unconditional, help: "One learning rate for all methods, instead of the best for each.",
    transform: NumberText.double)
  var learningRate: Double?
  @Option(parsing: .unconditional, help: "Clip the gradient to this norm.", transform: NumberText.double)
  var clipGlobalNorm: Double?
  @Option(
    parsing: .unconditional,
    help: "A descent arrives when the value is at most this far above the minimum. (default: \(defaults.tolerance))",
    transform: NumberText.double)
  var tolerance = defaults.tolerance
  @Option(parsing: .unconditional, help: "Steps after which a descent is given up.")
  var maximumSteps = defaults.maximumSteps
  @Option(help: "Report folder, new or empty (default: report-trajectory, or report-trajectory-2, ...).")
  var output: String?
  @Option(help: "The program that draws the pictures.")
  var gnuplot = "gnuplot"
  @Flag(help: "Print one JSON object instead of the table.")
  var json = false

  func validate() throws {
    guard momentum > 0, momentum < 1 else {
      throw ValidationError("momentum is \(momentum); expected a number between 0 and 1")
    }
    for (name, value) in [
      ("learning rate", learningRate), ("clip global norm", clipGlobalNorm), ("tolerance", tolerance),
    ] {
      if let value, !(value > 0 && value.isFinite) {
        throw ValidationError("\(name) is \(value); expected a finite number above 0")
      }
    }
    guard (1...1_000_000).contains(maximumSteps) else {
      throw ValidationError("maximum steps is \(maximumSteps); expected 1 to 1000000")
    }
    guard !surfaces.isEmpty, Set(surfaces).count == surfaces.count else {
      throw ValidationError("surfaces: expected at least one, none twice")
    }
  }

  func run() throws {
    Interrupt.catchSignals()
    var runner = DescentRunner(momentum: momentum, tolerance: tolerance, maximumSteps: maximumSteps)
    if let clipGlobalNorm { runner.clipping = try .byGlobalNorm(clipGlobalNorm) }
    let folder = try ReportFolder.choose(output, name: "report-trajectory")
    let results = try descend(runner)
    let report = TrajectoryReport(results: results, runner: runner, drift: try StorageDrift(), folder: folder)
    let pictures = try report.write(gnuplot: Gnuplot(gnuplot))
    if pictures == nil { Message.write(Gnuplot.isMissing) }
    if json {
      try JSONOutput.print(
        Output(
          report: folder.path, complete: results.count == surfaces.count, descents: report.records,
          storages: report.drift.records,
          pictures: pictures ?? []))
    } else {
      try StandardOutput.print(report.table)
      try StandardOutput.print(lines: ["", report.drift.finding])
      try StandardOutput.print(lines: ["", "Report: \(folder.path)"])
    }
    guard results.count == surfaces.count else {
      Message.write("interrupted; the report holds the surfaces that were finished")
      throw ExitCode(Interrupt.exitStatus)
    }
  }

  /// The output of `--json`.
  private struct Output: Encodable {
    let report: String
    let complete: Bool
    let descents: [TrajectoryReport.Record]
    let storages: [StorageDrift.Record]
    let pictures: [String]
  }

  /// The surfaces that were finished before an interrupt.
  private func descend(_ runner: DescentRunner) throws -> [SurfaceResult] {
    let rates = learningRate == nil ? DescentRunner.learningRates.count : 1
    let progress = ProgressDisplay(
      total: surfaces.count * MomentumChoice.allCases.count * rates, unit: "descents")
    defer { progress.finish() }
    var results: [SurfaceResult] = []
    for surface in surfaces {
      var descents: [Descent] = []
      for method in MomentumChoice.allCases {
        let note = "\(surface.rawValue) \(method.rawValue)"
        if let learningRate {
          descents.append(try runner.descend(surface, method, learningRate: learningRate))
          progress.advance(1, note: note)
        } else if let best = try runner.descend(
          surface, method, tried: { progress.advance(1, note: note) }, stop: { Interrupt.wasRequested })
        {
          descents.append(best)
        }
        if Interrupt.wasRequested { return results }
      }
      results.append(SurfaceResult(surface: surface, descents: descents))
    }
    return results
  }
}
