import Foundation

/// The summary as text: a table and what follows from it.
struct TrainingTable {
  let options: TrainingOptions
  let trials: [TrainingSummary]
  let rows: [TrainingSummary]
  let isComplete: Bool

  init(_ results: TrainingResults) {
    options = results.options
    isComplete = results.isComplete
    let comparison = results.comparison ?? []
    func summaries(_ settings: [TrainingSetting]) -> [TrainingSummary] {
      settings.filter { !results.histories(of: $0).isEmpty }.map { TrainingSummary($0, in: results) }
    }
    trials = summaries(results.plan.search)
    rows = summaries(comparison)
  }

  /// The table for a terminal.
  var text: String {
    var parts: [String] = []
    if !trials.isEmpty {
      parts.append("Learning rates for momentum 0 (clipping: \(trials[0].setting.clipping.rawValue))\n" + grid(trials))
    }
    if !rows.isEmpty { parts.append("Comparison\n" + grid(rows)) }
    return (parts + [findings.joined(separator: "\n")]).joined(separator: "\n\n") + "\n"
  }

  static let legend = """
    Medians of the seeds. Test accuracy: after the last epoch (least to most of the seeds). Epochs: to the first test \
    accuracy of at least so much. Norm: of the gradient before clipping, all steps of all seeds. Diverged: a number was not \
    finite. Stalled: the last epoch's training loss is above half of what guessing gives.
    """

  var header: [String] {
    ["clipping", "rule", "rate", "accuracy", "least-most", "loss"]
      + options.accuracies.map { "to \(Self.percent($0))" }
      + ["norm 50 %", "95 %", "99 %", "largest", "clipped", "diverged", "verdict"]
  }

  func cells(_ row: TrainingSummary) -> [String] {
    [
      row.setting.clipping.rawValue, row.setting.momentum.rawValue, "\(row.setting.learningRate)",
      Self.percent(row.accuracy.median), "\(Self.percent(row.accuracy.least))-\(Self.percent(row.accuracy.most))",
      Self.number(row.loss),
    ] + row.epochs.map(Self.epochs)
      + [row.norm.median, row.norm.percentile95, row.norm.percentile99, row.norm.largest].map(Self.number)
      + [
        Self.percent(row.clippedShare), "\(row.divergedCount)/\(row.runCount)",
        row.verdict == .reached ? "reached \(Self.percent(options.accuracies[1]))" : row.verdict.rawValue,
      ]
  }

  private func grid(_ rows: [TrainingSummary]) -> String {
    TextTable.text(header, rows.map(cells), leftColumns: [0, 1, header.count - 1])
  }

  // MARK: What follows

  /// What the table says about clipping and about momentum, whether or not it is what one hoped for.
  var findings: [String] {
    guard isComplete else { return ["Interrupted: the table holds what was done so far."] }
    return clippingFindings + momentumFindings + halfFindings
  }

  private var clippingFindings: [String] {
    options.momenta.compactMap { rule in
      guard let bare = row(.none, rule) else { return nil }
      let clipped = rows.filter { $0.setting.momentum == rule && $0.setting.clipping != .none }
      let best = clipped.map { "\($0.setting.clipping.rawValue) \(Self.percent($0.accuracy.median))" }
      let outcome =
        switch bare.verdict {
        case .diverged: "diverged"
        case .stalled: "stalled at \(Self.percent(bare.accuracy.median))"
        default: "ended at \(Self.percent(bare.accuracy.median))"
        }
      let others = best.isEmpty ? "" : "; with clipping: " + best.joined(separator: ", ")
      return "Without clipping, \(rule.rawValue) at rate \(bare.setting.learningRate) \(outcome)\(others)."
    }
  }

  /// What half precision did to the steps.
  private var halfFindings: [String] {
    guard let stored = options.storedGradients else { return [] }
    let skipped = (trials + rows).reduce(0) { $0 + $1.skippedCount }
    return ["Gradients were \(stored.words); of all steps \(skipped) were skipped after an overflow."]
  }

  private var momentumFindings: [String] {
    let target = Self.percent(options.accuracies[0])
    return options.clippings.filter { $0 != .none }.flatMap { clipping -> [String] in
      guard let plain = row(clipping, .plain) else { return [] }
      return RuleChoice.allCases.filter { $0 != .plain }.compactMap { rule in
        guard let other = row(clipping, rule) else { return nil }
        let (ours, theirs) = (other.epochs[0], plain.epochs[0])
        let searched = trials.contains { $0.setting.clipping == clipping }
        let rate = "at \(searched ? "its own best rate" : "rate") \(plain.setting.learningRate)"
        let name = "Clipping \(clipping.rawValue): \(rule.rawValue)"
        guard ours.isFinite else {
          let other = theirs.isFinite ? "; momentum 0 did in \(Self.epochs(theirs)) epochs" : ", nor did momentum 0"
          return "\(name) did not get to \(target)\(other) \(rate)."
        }
        let verdict = ours < theirs ? "fewer than" : ours == theirs ? "as many as" : "not fewer than"
        return "\(name) took \(Self.epochs(ours)) epochs to \(target), \(verdict) momentum 0 "
          + "(\(Self.epochs(theirs))) \(rate)."
      }
    }
  }

  func row(_ clipping: ClippingChoice, _ momentum: RuleChoice) -> TrainingSummary? {
    rows.first { $0.setting.clipping == clipping && $0.setting.momentum == momentum }
  }

  // MARK: Numbers

  static func percent(_ share: Double) -> String {
    guard share.isFinite else { return "-" }
    let tenths = (share * 1000).rounded()
    return tenths.truncatingRemainder(dividingBy: 10) == 0
      ? "\(Int(tenths / 10)) %" : String(format: "%.1f %%", tenths / 10)
  }

  static func epochs(_ count: Double) -> String {
    guard count.isFinite else { return count.isNaN ? "-" : "never" }
    return count.rounded() == count ? "\(Int(count))" : "\(count)"
  }

  static func number(_ x: Double) -> String {
    guard x.isFinite else { return x.isNaN ? "-" : "inf" }
    return x == 0 || (0.01..<10_000).contains(x.magnitude)
      ? String(format: x < 10 ? "%.3f" : "%.1f", x) : String(format: "%.1e", x)
  }
}
