import Foundation
import MomentumFiles

/// The report folder of a comparison: a CSV a run, curves and summary over the seeds, a page, and pictures.
///
/// Everything in it follows from the histories alone; the same histories give the same bytes.
struct TrainingReport {
  let results: TrainingResults
  let folder: URL

  /// What was drawn.
  enum Pictures {
    case drawn([String])
    case noGnuplot
    case nothingToDraw
  }

  /// Writes all files. Without gnuplot, all but the pictures.
  func write(gnuplot: Gnuplot?) throws -> Pictures {
    for name in ["runs", "curves"] {
      try FileManager.default.createDirectory(
        at: folder.appendingPathComponent(name), withIntermediateDirectories: true)
    }
    for setting in results.settings {
      for (seed, history) in results.histories(of: setting) {
        let key = TrainingRunKey(setting: setting, seed: seed)
        try FileReplacement.write(runCSV(history), to: folder.appendingPathComponent("runs/\(key.name).csv").path)
      }
      try FileReplacement.write(curveCSV(setting), to: folder.appendingPathComponent("curves/\(setting.name).csv").path)
    }
    try FileReplacement.write(epochsCSV, to: folder.appendingPathComponent("epochs.csv").path)
    let summaries = results.settings.map { TrainingSummary($0, in: results) }
    let summary = [TrainingSummary.csvHeader] + summaries.map(\.csvRow)
    try FileReplacement.write(
      summary.joined(separator: "\n") + "\n", to: folder.appendingPathComponent("summary.csv").path)

    let pictures = TrainingPictures(results: results).all
    try Gnuplot.writeScripts(pictures, in: folder)
    let drawn = try gnuplot?.draw(pictures, in: folder) ?? []
    try FileReplacement.write(page(pictures: drawn), to: folder.appendingPathComponent("report.md").path)
    try FileReplacement.write(
      htmlPage(pictures: gnuplot == nil ? nil : drawn), to: folder.appendingPathComponent("report.html").path)
    if pictures.isEmpty { return .nothingToDraw }
    return gnuplot == nil ? .noGnuplot : .drawn(drawn)
  }

  // MARK: CSV

  /// Every step of a run. Steps and epochs count from 1.
  private func runCSV(_ history: TrainingHistory) -> String {
    var lines = ["step,epoch,loss,gradient_norm,clipped"]
    for i in 0..<history.stepCount {
      let clipped = history.clipped[i] ? 1 : 0
      lines.append(
        "\(i + 1),\(i / results.stepsPerEpoch + 1),\(history.losses[i]),\(history.gradientNorms[i]),\(clipped)")
    }
    return lines.joined(separator: "\n") + "\n"
  }

  /// Every epoch of every run.
  private var epochsCSV: String {
    var lines = ["setting,seed,epoch,training_loss,test_loss,test_accuracy"]
    for setting in results.settings {
      for (seed, history) in results.histories(of: setting) {
        for epoch in 0..<history.epochCount {
          let loss = history.trainingLoss(epoch: epoch, stepsPerEpoch: results.stepsPerEpoch)
          lines.append(
            "\(setting.name),\(seed),\(epoch + 1),\(loss),\(history.testLosses[epoch]),\(history.testAccuracies[epoch])"
          )
        }
      }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  /// Every epoch of a setting: median, least and most of the seeds that came so far. Of a run that diverged, the later
  /// epochs count as infinite loss and nothing right.
  private func curveCSV(_ setting: TrainingSetting) -> String {
    let names = ["training_loss", "test_loss", "test_accuracy"].flatMap {
      [$0 + "_median", $0 + "_least", $0 + "_most"]
    }
    var lines = [(["epoch"] + names).joined(separator: ",")]
    let histories = results.histories(of: setting).map(\.history)
    for epoch in 0..<results.options.epochs {
      let reached = histories.filter { epoch < $0.epochCount || $0.divergedAtStep != nil }
      guard !reached.isEmpty else { break }
      let alive = { (history: TrainingHistory) in epoch < history.epochCount }
      let columns = [
        reached.map { alive($0) ? $0.trainingLoss(epoch: epoch, stepsPerEpoch: results.stepsPerEpoch) : .infinity },
        reached.map { alive($0) ? $0.testLosses[epoch] : .infinity },
        reached.map { alive($0) ? $0.testAccuracies[epoch] : 0 },
      ]
      let cells = columns.flatMap { [Statistics.median($0), $0.min()!, $0.max()!] }
      lines.append(
        ([Double(epoch + 1)] + cells).enumerated().map { $0 == 0 ? "\(Int($1))" : "\($1)" }.joined(separator: ","))
    }
    return lines.joined(separator: "\n") + "\n"
  }

  // MARK: Pages

  private static let title = "Training a recurrent network with and without clipping and momentum"

  private static let data = """
    Data: E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, \
    https://doi.org/10.24432/C50P49, CC BY 4.0.
    """

  /// The network, the options and the thresholds, in words.
  private var setup: String {
    let options = results.options
    let shape = options.shape
    let half =
      options.storedGradients.map { " Gradients are \($0.words) before the step." } ?? ""
    let parts =
      (options.microBatches ?? 1) == 1
      ? "" : " The gradient of a batch is the mean of those of \(options.microBatches ?? 1) micro-batches."
    return """
      An Elman network with \(shape.hidden) tanh units reads \(shape.steps) steps of \(shape.inputs) pixels of a handwritten \
      digit and names it at the end. Recurrent weights start as a rotation times \(options.gain). Batches of \
      \(options.batch), \(options.epochs) epochs, \(options.seeds) seeds; the rules momentum and nesterov use momentum \
      \(options.momentum), plain is momentum 0. Thresholds: value \(options.clipValue), norm of a tensor \
      \(options.clipNorm), global norm \(options.clipGlobalNorm).\(half)\(parts)
      """
  }

  /// How the learning rates for momentum 0 were chosen.
  private func search(_ table: TrainingTable) -> String {
    """
    Tried with clipping \(table.trials[0].setting.clipping.rawValue). The rate with the fewest epochs to \
    \(TrainingTable.percent(results.options.accuracies[0])) (at a tie, the smaller training loss) stands for momentum 0 in \
    the comparison.
    """
  }

  private func page(pictures: [String]) -> String {
    let table = TrainingTable(results)
    func grid(_ rows: [TrainingSummary]) -> String {
      let lines = [table.header, table.header.map { _ in "---" }] + rows.map(table.cells)
      return lines.map { "| " + $0.joined(separator: " | ") + " |" }.joined(separator: "\n")
    }
    var parts = [
      "# " + Self.title, setup,
      table.findings.map { "- " + $0 }.joined(separator: "\n"),
    ]
    if !table.rows.isEmpty { parts += ["## Comparison", grid(table.rows)] }
    if !table.trials.isEmpty {
      parts += [
        "## Learning rates for momentum 0", search(table), grid(table.trials),
      ]
    }
    parts.append(TrainingTable.legend)
    parts += pictures.filter { $0.hasSuffix(".svg") }.map { "![\($0.dropLast(4))](\($0))" }
    parts.append(
      """
      Files: `summary.csv`; `epochs.csv`, every epoch of every run; `curves/`, median, least and most of the seeds; \
      `runs/`, every step of every run; `plots/`, the gnuplot commands.

      \(Self.data)
      """)
    return parts.joined(separator: "\n\n") + "\n"
  }

  /// The same for a browser, the pictures in it; `nil` if there is no gnuplot to draw them.
  private func htmlPage(pictures: [String]?) throws -> String {
    let table = TrainingTable(results)
    let left: Set<Int> = [0, 1, table.header.count - 1]
    var page = HTMLPage(title: Self.title)
    page.findings(table.findings)
    page.paragraph(setup)
    if !table.rows.isEmpty {
      page.heading("Comparison")
      page.table(table.header, table.rows.map(table.cells), leftColumns: left)
    }
    page.paragraph(TrainingTable.legend)
    if !table.trials.isEmpty {
      page.heading("Learning rates for momentum 0")
      page.paragraph(search(table))
      page.table(table.header, table.trials.map(table.cells), leftColumns: left)
    }
    if pictures != [] {
      page.heading("Pictures")
      try page.pictures(pictures, in: folder, captions: TrainingPictures.captions)
    }
    page.heading("Files and origin")
    page.files([
      ("summary.csv", "the tables above"), ("epochs.csv", "every epoch of every run"),
      ("curves/", "median, least and most of the seeds"), ("runs/", "every step of every run"),
      ("plots/", "the gnuplot commands"), ("report.md", "this report as text"),
    ])
    page.paragraph(Self.data)
    page.lines(MachineRecord.current().summary)
    return page.text
  }
}
