import Foundation

/// The pictures of a comparison, as gnuplot commands over the files of its report.
struct TrainingPictures {
  let results: TrainingResults

  private var options: TrainingOptions { results.options }
  private let colors = ["#0072b2", "#d55e00", "#009e73", "#cc79a7"]

  /// All pictures for which there are runs.
  var all: [Gnuplot.Picture] {
    [gradientNorm, byEpoch(momentum, "momentum"), byEpoch(clipping, "clipping")].compactMap { $0 }
  }

  /// Captions of the pictures, by name.
  static let captions = [
    "gradient-norm": "Norm of the gradient in each step, before clipping. Each panel names its kind of clipping.",
    "momentum-by-epoch": "Training loss and test accuracy by epoch, with and without momentum: medians of the seeds.",
    "clipping-by-epoch": "Training loss and test accuracy by epoch, by kind of clipping: medians of the seeds.",
  ]

  // MARK: Gradient norm by step

  private var gradientNorm: Gnuplot.Picture? {
    guard let rule = mainRule else { return nil }
    let panels = [ClippingChoice.none, .global, .norm, .value].compactMap { row($0, rule) }.prefix(2)
    guard !panels.isEmpty else { return nil }
    let norms = panels.flatMap { results.histories(of: $0).flatMap(\.history.gradientNorms) }
    let positive = norms.filter { $0 > 0 && $0.isFinite }
    // The same whole decades in both panels.
    let low = pow(10, log10(positive.min() ?? 0.1).rounded(.down))
    let high = pow(10, log10(positive.max() ?? 10).rounded(.up))
    var commands = """
      set multiplot layout \(panels.count),1 margins 0.09,0.97,0.09,0.95 spacing 0,0.10
      set logscale y
      set format y '10^{%T}'
      set yrange [\(low):\(high)]
      set xrange [0:\(results.stepsPerEpoch * options.epochs)]
      set ylabel 'gradient norm (L2, before clipping)' offset 1,0
      set key top right horizontal
      """
    for (index, setting) in panels.enumerated() {
      let title =
        "\(Self.words(setting.clipping, options)), \(ruleWords(setting.momentum)), learning rate \(setting.learningRate)"
      commands += "\nset title \(Gnuplot.quoted(title)) font ',13' offset 0,-0.5\n"
      commands += index == panels.count - 1 ? "set xlabel 'step of the optimizer (one batch)'\n" : "unset xlabel\n"
      let runs = results.histories(of: setting).enumerated().map { place, run in
        let file = "runs/\(TrainingRunKey(setting: setting, seed: run.seed).name).csv"
        let color = colors[place % colors.count]
        return "\(Gnuplot.quoted(file)) using 1:4 skip 1 with lines lw 0.7 lc rgb '\(color)' title 'seed \(run.seed)'"
      }
      let threshold = "\(options.clipGlobalNorm) with lines lw 1.5 dt 2 lc rgb 'black' title 'threshold'"
      commands += "plot " + (runs + (setting.clipping == .global ? [threshold] : [])).joined(separator: ", \\\n  ")
    }
    return Gnuplot.Picture(name: "gradient-norm", width: 960, height: 720, commands: commands + "\nunset multiplot")
  }

  // MARK: Loss and accuracy by epoch

  private typealias Curve = (setting: TrainingSetting, title: String)

  /// With clipping, without and with momentum.
  private var momentum: [Curve] {
    let clipping = results.plan.searchClipping
    return RuleChoice.allCases.compactMap { rule in
      row(clipping, rule).map { ($0, "\(ruleWords(rule)), rate \($0.learningRate)") }
    }
  }

  /// With momentum, without and with clipping.
  private var clipping: [Curve] {
    guard let rule = mainRule else { return [] }
    return ClippingChoice.allCases.compactMap { clipping in
      row(clipping, rule).map { ($0, Self.words(clipping, options)) }
    }
  }

  private func byEpoch(_ curves: [Curve], _ name: String) -> Gnuplot.Picture? {
    guard curves.count > 1, let first = curves.first?.setting else { return nil }
    let common =
      name == "momentum"
      ? "clipping: \(Self.words(first.clipping, options))"
      : "\(ruleWords(first.momentum)), learning rate \(first.learningRate)"
    func plot(median: Int, scale: Int, guide: String) -> String {
      let bands = curves.enumerated().map { place, curve in
        "\(file(curve)) using 1:($\(median + 1)*\(scale)):($\(median + 2)*\(scale)) skip 1 with filledcurves "
          + "fs transparent solid 0.13 noborder lc rgb '\(colors[place])' notitle"
      }
      let lines = curves.enumerated().map { place, curve in
        "\(file(curve)) using 1:($\(median)*\(scale)) skip 1 with linespoints lw 2 pt 7 ps 0.45 "
          + "lc rgb '\(colors[place])' title \(Gnuplot.quoted(curve.title))"
      }
      return "plot " + (bands + [guide] + lines).joined(separator: ", \\\n  ")
    }
    let histories = curves.flatMap { results.histories(of: $0.setting).map(\.history) }
    let losses = histories.flatMap { history in
      (0..<history.epochCount).map { history.trainingLoss(epoch: $0, stepsPerEpoch: results.stepsPerEpoch) }
    }.filter { $0 > 0 && $0.isFinite }
    let worst = histories.flatMap { $0.divergedAtStep == nil ? $0.testAccuracies : [0] }.min() ?? 0
    let target = options.accuracies[0] * 100
    let guides = Gnuplot.quoted("left: guessing; right: \(TrainingTable.percent(options.accuracies[0]))")
    let commands = """
      set multiplot layout 1,2 margins 0.055,0.775,0.11,0.89 spacing 0.07,0 \\
        title \(Gnuplot.quoted("\(common); median of \(options.seeds) seeds, band from least to most")) font ',13'
      set xlabel 'epoch'
      set xrange [0.5:\(Double(options.epochs) + 0.5)]
      set logscale y
      set format y '%g'
      set yrange [\((losses.min() ?? 0.1) * 0.8):\((losses.max() ?? 10) * 1.25)]
      set ylabel 'training loss (nats, mean of the epoch)' offset 0.5,0
      # One key for both panels, to their right.
      set key at screen 0.785,0.89 left top Left reverse vertical
      \(plot(median: 2, scale: 1, guide: "\(log(10.0)) with lines lw 1.2 dt 2 lc rgb 'black' title \(guides)"))
      unset logscale y
      unset key
      set yrange [\((worst * 10).rounded(.down) * 10):100]
      set ylabel 'test accuracy (%)' offset 1,0
      \(plot(median: 8, scale: 100, guide: "\(target) with lines lw 1.2 dt 2 lc rgb 'black' notitle"))
      unset multiplot
      """
    return Gnuplot.Picture(name: "\(name)-by-epoch", width: 1280, height: 480, commands: commands)
  }

  private func file(_ curve: Curve) -> String { Gnuplot.quoted("curves/\(curve.setting.name).csv") }

  // MARK: Which rows, in which words

  /// The rule whose clippings are compared.
  private var mainRule: RuleChoice? {
    ([.momentum, .nesterov, .plain] + RuleChoice.allCases).first { options.momenta.contains($0) }
  }

  private func row(_ clipping: ClippingChoice, _ rule: RuleChoice) -> TrainingSetting? {
    (results.comparison ?? []).first {
      $0.clipping == clipping && $0.momentum == rule && !results.histories(of: $0).isEmpty
    }
  }

  private func ruleWords(_ rule: RuleChoice) -> String {
    switch rule {
    case .plain: "momentum 0"
    case .momentum: "momentum \(options.momentum)"
    case .nesterov: "Nesterov \(options.momentum)"
    case .lion: "Lion"
    case .signum: "Signum \(options.momentum)"
    case .normalized: "normalised momentum \(options.momentum)"
    case .adamw: "AdamW"
    case .muon: "Muon \(options.momentum)"
    }
  }

  private static func words(_ clipping: ClippingChoice, _ options: TrainingOptions) -> String {
    switch clipping {
    case .none: "no clipping"
    case .value: "elements to ±\(options.clipValue)"
    case .norm: "norm of a tensor to \(options.clipNorm)"
    case .global: "global norm to \(options.clipGlobalNorm)"
    }
  }
}
