import ArgumentParser
import Foundation
import Momentum
import MomentumFiles

extension ModelTensors: ExpressibleByArgument {}
extension BenchOperation.Clip: ExpressibleByArgument {}
extension BenchRun.Element: ExpressibleByArgument {}

struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Verify and time norms, clips and steps beside the practical limit of the memory.",
    discussion: """
      Every result is compared with plain loops first; a wrong one exits with 1. Then the engine, hand-fused loops that \
      move the same bytes (the limit) and plain BLAS calls run in turn. The first row is the step asked for. Thresholds are such \
      that every step clips; with --clip none nothing is measured either. Steps of Floats that keep gradients, copies, velocities or \
      parameters in half precision have a step of Floats beside them, and one of vectors that are widened before and narrowed after. \
      With --matrices the steps are those of Muon, the limit is products of tiles in cache, and plain are products of whole matrices, \
      with the BLAS's own threads (OPENBLAS_NUM_THREADS).
      """
  )

  enum Rows: String, ExpressibleByArgument, CaseIterable { case all, step, half }

  @Option(
    parsing: .upToNextOption,
    help: "Numbers of parameters, such as 1000000 or 1e6. (default: 1e4 1e6 1e8, unless a model is given)")
  var count: [ElementCount] = []
  @Option(parsing: .upToNextOption, help: "The tensors of models: resnet50 (25557032), gpt2 (124439808).")
  var model: [ModelTensors] = []
  @Option(parsing: .upToNextOption, help: "Element types: float, double.")
  var scalar: [BenchRun.Element] = [.float]
  @Option(help: "How the step clips: by global norm, the norm of each tensor, value, or not at all.")
  var clip = BenchOperation.Clip.global
  @Option(parsing: .unconditional, help: "Momentum of the step. (default: 0.9)", transform: NumberText.double)
  var momentum = 0.9
  @Flag(help: "Nesterov momentum.")
  var nesterov = false
  @Option(parsing: .unconditional, help: "Weight decay of the step. (default: 0.0)", transform: NumberText.double)
  var weightDecay = 0.0
  @Flag(help: "Take the step in one pass, with a limit on the global norm that nothing exceeds.")
  var onePass = false
  @Flag(help: "With --clip value: measure no norm for the report, so that the gradients are read once.")
  var noReport = false
  @Option(
    help: """
      How steps run their programs and norms sum squares: as calls of BLAS, as fused loops where there are any, or as what is \
      faster.
      """)
  var kernels = StepKernels.automatic
  @Option(parsing: .upToNextOption, help: "The most threads to use. (default: as many as the process may use)")
  var threads: [Int] = []
  @Option(name: .customLong("repeat"), parsing: .unconditional, help: "How often each contender is timed.")
  var repeats = 10
  @Flag(help: "Leave out sizes whose vectors the memory does not hold, rather than refuse to run.")
  var skipTooLarge = false
  @Option(
    help:
      "Beside the step asked for: norm, clip, steps with other settings and in half precision (all); steps in half precision (half); nothing (step). With --growth all and half are the same."
  )
  var rows = Rows.all
  @Flag(help: "Instead of rows: time, memory and the first step as the number of parameters grows.")
  var growth = false
  @Option(
    parsing: .upToNextOption,
    help:
      "Instead of rows: steps of Muon of matrices with these sides, such as 768x3072, or of gpt2 (the 48 matrices of its blocks)."
  )
  var matrices: [MatrixCase] = []
  @Flag(help: "With --matrices: also a step along polar factors, by LAPACK.")
  var polar = false
  @Option(
    parsing: .unconditional,
    help:
      "With --matrices: the largest singular value by the smallest, between which each is smaller than the one before by the same factor. (default: spread as those of random numbers)",
    transform: NumberText.double)
  var condition: Double?
  @Option(help: "Also write the rows to this CSV file.")
  var csv: String?
  @OptionGroup
  var writing: OutputOptions
  @Option(
    help: "Also write a page for a browser (report.html) and, with gnuplot, pictures into this folder, new or empty.")
  var plots: String?
  @Option(help: "The program that draws the pictures.")
  var gnuplot = "gnuplot"
  @Flag(help: "Print one JSON object instead of the table.")
  var json = false

  /// A number of parameters.
  struct ElementCount: ExpressibleByArgument {
    let value: Int

    init?(argument: String) {
      guard let value = Int(argument) ?? Double(argument).flatMap(Int.init(exactly:)), value > 0 else { return nil }
      self.value = value
    }
  }

  func validate() throws {
    guard repeats >= 1 else { throw ValidationError("--repeat is \(repeats); expected at least 1") }
    try StandardStream.refuseOutput(csv, option: "--csv")
    if let bad = threads.first(where: { $0 < 1 }) {
      throw ValidationError("--threads is \(bad); expected at least 1")
    }
    guard !scalar.isEmpty, Set(scalar).count == scalar.count else {
      throw ValidationError("--scalar: expected at least one, none twice")
    }
    if onePass, clip != .global { throw ValidationError("--one-pass needs --clip global") }
    if noReport, clip != .value { throw ValidationError("--no-report needs --clip value") }
    if rows == .half, !scalar.contains(.float) { throw ValidationError("--rows half needs --scalar float") }
    if polar, matrices.isEmpty { throw ValidationError("--polar needs --matrices") }
    if let condition {
      guard !matrices.isEmpty else { throw ValidationError("--condition needs --matrices") }
      guard condition >= 1, condition <= 1e8 else {
        throw ValidationError("--condition is \(condition); expected a number in 1...1e8")
      }
    }
    if !matrices.isEmpty {
      try refuseWhatMatricesIgnore()
    } else if growth {
      try refuseWhatGrowthIgnores()
    }
    _ = try orUsageError { () throws(MomentumError) in
      try SGD(learningRate: 0.01, momentum: momentum, weightDecay: weightDecay, nesterov: nesterov)
    }
  }

  /// Growth is measured of steps clipped by global norm, in two passes, whose sizes it chooses itself unless they are given.
  private func refuseWhatGrowthIgnores() throws {
    try refuse(
      [
        "--model": !model.isEmpty, "--plots": plots != nil, "--clip \(clip.rawValue)": clip != .global,
        "--one-pass": onePass, "--no-report": noReport, "--kernels \(kernels.rawValue)": kernels != .automatic,
        "--skip-too-large": skipTooLarge, "--threads with more than one number": threads.count > 1,
      ], with: "--growth")
  }

  /// Refuses the options that are given and that another one would ignore.
  func refuse(_ given: [String: Bool], with option: String) throws {
    let ignored = given.filter(\.value).keys.sorted()
    guard ignored.isEmpty else { throw ValidationError("\(option) takes no \(ignored.joined(separator: ", "))") }
  }

  func run() throws {
    Interrupt.catchSignals()
    if let csv { try FileReplacement.check(csv, followsLinks: writing.followLinks) }
    if growth { return try runGrowth() }
    if !matrices.isEmpty { return try runMatrices() }
    let folder = try plots.map { try ReportFolder.choose($0, name: "bench") }
    let operation = BenchOperation(
      kind: .step, clip: clip, momentum: momentum, nesterov: nesterov, weightDecay: weightDecay, onePass: onePass,
      reportsNorms: !noReport)
    var run = BenchRun(
      operations: [operation] + others.filter { $0 != operation },
      sizes: sizes, scalars: scalar, threads: threads.isEmpty ? [Machine.availableProcessors] : threads,
      timer: BenchTimer(repeats: repeats), skipsTooLarge: skipTooLarge)
    run.kernels = kernels
    try MemoryNeed.check(run)
    let parts = try run.parts()
    let rowCount = run.rowCount(parts)
    guard rowCount > 0 else { throw ValidationError("--skip-too-large leaves nothing to measure") }
    var report = BenchReport()
    let progress = ProgressDisplay(total: rowCount, unit: "rows")
    try run.run(
      parts,
      finished: { row in
        report.rows.append(row)
        progress.advance(1, note: "\(row.name) \(row.count)")
      }, stop: { Interrupt.wasRequested })
    progress.finish()
    report.complete = report.rows.count == rowCount
    try show(report, folder)
    guard report.complete else {
      Message.write("interrupted; \(report.rows.count) of \(rowCount) rows were measured")
      throw ExitCode(Interrupt.exitStatus)
    }
  }

  /// The rows that follow the step asked for.
  private var others: [BenchOperation] {
    switch rows {
    case .all: BenchOperation.all
    case .half: BenchOperation.half
    case .step: []
    }
  }

  private var sizes: [BenchSize] {
    let counts = count.map(\.value)
    let chosen = counts.isEmpty && model.isEmpty ? [10_000, 1_000_000, 100_000_000] : counts
    return chosen.map { .count($0) } + model.map { .model($0) }
  }

  private func show(_ report: BenchReport, _ folder: URL?) throws {
    if let csv { try FileReplacement.write(report.csv, to: csv, followsLinks: writing.followLinks) }
    if let folder, !report.rows.isEmpty {
      let pictures = BenchPictures(report: report)
      if try pictures.write(to: folder, gnuplot: Gnuplot(gnuplot)) == nil { Message.write(Gnuplot.isMissing) }
    }
    if json { return try JSONOutput.print(report) }
    try StandardOutput.print(report.heading + "\n")
    try StandardOutput.print(report.text + "\n")
    try StandardOutput.print(([BenchReport.legend] + report.faults).joined(separator: "\n"))
  }

  private func runGrowth() throws {
    let growth = try GrowthReport(
      counts: count.map(\.value), scalars: scalar, storages: rows == .step ? [] : StepStorage.available,
      threads: threads.first ?? Machine.availableProcessors,
      repeats: repeats, rule: SGD(learningRate: 0.01, momentum: momentum, weightDecay: weightDecay, nesterov: nesterov),
      stop: { Interrupt.wasRequested })
    if let csv { try FileReplacement.write(growth.csv, to: csv, followsLinks: writing.followLinks) }
    if json { return try JSONOutput.print(growth) }
    try StandardOutput.print(growth.text)
  }
}
