import ArgumentParser
import Foundation
import Momentum

extension ClippingChoice: ExpressibleByArgument {}
extension RuleChoice: ExpressibleByArgument {}

/// The element type of gradients, as an option names it.
enum GradientTypeChoice: String, CaseIterable, ExpressibleByArgument {
  case f32, bf16, f16

  var stored: StoredGradients.ElementType? { StoredGradients.ElementType(rawValue: rawValue) }
}

/// A loss scale, as an option names it.
struct LossScaleChoice: Equatable, ExpressibleByArgument {
  var scale: LossScale

  init(_ scale: LossScale) { self.scale = scale }

  init?(argument: String) {
    switch argument {
    case "none": scale = .none
    case "dynamic", "pytorch": scale = .pytorch
    case "keras": scale = .keras
    default:
      guard let number = try? NumberText.double(argument), let fixed = try? LossScale.fixed(number) else { return nil }
      scale = fixed
    }
  }
}

struct TrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train",
    abstract: "Trains a recurrent network on handwritten digits, with and without clipping and momentum.",
    discussion: """
      An Elman network reads an image as a sequence of pixels and names the digit at the end. Each way of clipping is \
      combined with each rule (plain is momentum 0), each with the same seeds. Momentum 0 is first tried with several \
      learning rates; the fastest one represents it. Lion, Signum, normalised momentum, AdamW and Muon can be compared with them (Muon for the matrices of the recurrent layer, AdamW for the rest). --gradient-type trains as in mixed precision, with gradients in half precision \
      and parameters of Floats. The report folder gets a CSV a run, a summary, pages \
      (report.html for a browser, report.md) and pictures (if gnuplot is installed). Ctrl-C ends in good order; --resume goes on from there bit for bit.
      """)

  private static let defaults = TrainingOptions()

  @Option(parsing: .unconditional, help: "Number of seeds; each setting runs once with each.")
  var seeds = defaults.seeds
  @Option(parsing: .unconditional, help: "Epochs of a run.")
  var epochs = defaults.epochs
  @Option(parsing: .unconditional, help: "Images of a batch.")
  var batch = defaults.batch
  @Option(parsing: .unconditional, help: "Units of the recurrent layer.")
  var hidden = defaults.hidden
  @Option(parsing: .unconditional, help: "Pixels read at a step: 2 gives sequences of 32 steps, 1 of 64.")
  var pixelsPerStep = defaults.pixelsPerStep
  @Option(
    parsing: .unconditional,
    help: "The recurrent weights start as a rotation times this. (default: \(defaults.gain))",
    transform: NumberText.double)
  var gain = defaults.gain
  @Option(
    parsing: .unconditional,
    help: "Momentum of the rules momentum and nesterov. (default: \(defaults.momentum))", transform: NumberText.double)
  var momentum = defaults.momentum
  @Option(
    parsing: .unconditional,
    help: "Learning rate of the rules momentum and nesterov. (default: \(defaults.learningRate))",
    transform: NumberText.double)
  var learningRate = defaults.learningRate
  @Option(
    parsing: .unconditional,
    help: "Learning rate of the rules lion and signum. (default: \(TrainingOptions.signRate))",
    transform: NumberText.double)
  var signLearningRate: Double?
  @Option(
    parsing: .unconditional,
    help: "Learning rate of the rule normalized. (default: \(TrainingOptions.normalizedRate))",
    transform: NumberText.double)
  var normalizedLearningRate: Double?
  @Option(
    name: .customLong("adamw-learning-rate"),
    parsing: .unconditional,
    help: "Learning rate of the rule adamw. (default: \(TrainingOptions.adamWRate))", transform: NumberText.double)
  var adamWLearningRate: Double?
  @Option(
    parsing: .unconditional,
    help: "Learning rate of the rule muon. (default: \(TrainingOptions.muonRate))", transform: NumberText.double)
  var muonLearningRate: Double?
  @Option(
    parsing: .unconditional,
    help:
      "Learning rates that momentum 0 is tried with, separated by commas. (default: \(NumberList(defaults.plainLearningRates)))",
    transform: NumberList.list)
  var plainLearningRates = NumberList(defaults.plainLearningRates)
  @Option(
    parsing: .unconditional, help: "Threshold of clipping by value. (default: \(defaults.clipValue))",
    transform: NumberText.double)
  var clipValue = defaults.clipValue
  @Option(
    parsing: .unconditional,
    help: "Threshold of clipping by the norm of each tensor. (default: \(defaults.clipNorm))",
    transform: NumberText.double)
  var clipNorm = defaults.clipNorm
  @Option(
    parsing: .unconditional,
    help: "Threshold of clipping by the global norm. (default: \(defaults.clipGlobalNorm))",
    transform: NumberText.double)
  var clipGlobalNorm = defaults.clipGlobalNorm
  @Option(parsing: .upToNextOption, help: "Ways of clipping to compare: none, value, norm, global.")
  var clippings = defaults.clippings
  @Option(
    parsing: .upToNextOption,
    help: "Rules to compare: plain, momentum, nesterov; also lion, signum, normalized, adamw, muon.")
  var rules = defaults.momenta
  @Option(
    help:
      "The type that gradients are rounded to before the step: f32, bf16, f16. Parameters and velocities are Floats.")
  var gradientType = GradientTypeChoice.f32
  @Option(
    help:
      "What gradients are multiplied by before they are rounded, and divided by in the step: none, dynamic (or pytorch), keras, or a number. A dynamic scale skips steps whose gradient overflows. (default: none)"
  )
  var lossScale: LossScaleChoice?
  @Option(help: "Report folder, new or empty (default: report, or report-2, ... if there is one).")
  var output: String?
  @Option(
    help:
      "Go on with the comparison in this report folder; its options hold, all others but --threads, --gnuplot and --json are refused."
  )
  var resume: String?
  @Option(parsing: .unconditional, help: "Runs that go side by side (default: the number of cores).")
  var threads: Int?
  @Option(help: "The program that draws the pictures.")
  var gnuplot = "gnuplot"
  @Flag(help: "Print one JSON object instead of the table.")
  var json = false

  /// The comparison that the options ask for.
  var trainingOptions: TrainingOptions {
    TrainingOptions(
      seeds: seeds, epochs: epochs, batch: batch, hidden: hidden, pixelsPerStep: pixelsPerStep, gain: gain,
      momentum: momentum, learningRate: learningRate, plainLearningRates: plainLearningRates.values,
      clipValue: clipValue, clipNorm: clipNorm, clipGlobalNorm: clipGlobalNorm, clippings: clippings, momenta: rules,
      signLearningRate: signLearningRate, normalizedLearningRate: normalizedLearningRate,
      adamWLearningRate: adamWLearningRate, muonLearningRate: muonLearningRate,
      storedGradients: gradientType.stored.map { StoredGradients(type: $0, lossScale: lossScale?.scale ?? .none) })
  }

  func validate() throws {
    if let problem = trainingOptions.problem { throw ValidationError(problem) }
    if lossScale != nil, resume == nil, gradientType == .f32 {
      throw ValidationError("--loss-scale needs --gradient-type bf16 or f16: Floats need no scale")
    }
    if let threads, threads < 1 { throw ValidationError("threads is \(threads); expected at least 1") }
    if resume != nil, trainingOptions != Self.defaults || lossScale != nil || output != nil {
      throw ValidationError(
        "--resume takes all options from the folder; only --threads, --gnuplot and --json go with it")
    }
  }

  func run() throws {
    Interrupt.catchSignals()
    let (checkpoint, options) = try open()
    let session = try TrainingSession(
      options: options, data: .bundled(), checkpoint: checkpoint,
      workers: threads ?? ProcessInfo.processInfo.activeProcessorCount)
    let results = try session.run { Interrupt.wasRequested }
    try show(results, in: checkpoint.folder, command: "momentum train")
    guard results.isComplete else { throw ExitCode(Interrupt.exitStatus) }
  }

  /// Writes the report, prints the results, and says how to go on if there is something left to do.
  func show(_ results: TrainingResults, in folder: URL, command: String) throws {
    let report = TrainingReport(results: results, folder: folder)
    let pictures = try report.write(gnuplot: Gnuplot(gnuplot))
    if case .noGnuplot = pictures { Message.write(Gnuplot.isMissing) }
    if json {
      try JSONOutput.print(Output(results, folder: folder, pictures: pictures))
    } else {
      try StandardOutput.print(TrainingTable(results).text)
      try StandardOutput.print(TrainingTable.legend)
      try StandardOutput.print(lines: ["", "Report: \(folder.appendingPathComponent("report.html").path)"])
    }
    if !results.isComplete { Message.write("interrupted; go on with: \(command) --resume \(folder.path)") }
  }

  private func open() throws -> (TrainingCheckpoint, TrainingOptions) {
    if let resume {
      let checkpoint = TrainingCheckpoint(folder: URL(fileURLWithPath: resume, isDirectory: true))
      let options = try checkpoint.options()
      guard options.microBatches == nil else {
        throw DataFileError(file: resume, cause: "is a report of momentum-mpi train; expected one of momentum train")
      }
      return (checkpoint, options)
    }
    let checkpoint = TrainingCheckpoint(folder: try ReportFolder.choose(output, name: "report"))
    try checkpoint.save(trainingOptions)
    return (checkpoint, trainingOptions)
  }

  /// The output of `--json`.
  private struct Output: Encodable {
    let report: String
    let complete: Bool
    let accuracies: [Double]
    let plainTrials, comparison: [TrainingSummary.Record]
    let findings, pictures: [String]

    init(_ results: TrainingResults, folder: URL, pictures: TrainingReport.Pictures) {
      let table = TrainingTable(results)
      report = folder.path
      complete = results.isComplete
      accuracies = results.options.accuracies
      plainTrials = table.trials.map(\.record)
      comparison = table.rows.map(\.record)
      findings = table.findings
      self.pictures = if case .drawn(let names) = pictures { names } else { [] }
    }
  }
}
