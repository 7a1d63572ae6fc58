import Foundation

/// One row of the summary: a setting over its seeds.
struct TrainingSummary: Sendable {
  enum Verdict: String, Sendable {
    /// Some number of the training was not finite, for most seeds.
    case diverged
    /// The loss of the last epoch is more than half of what guessing gives, ln 10 (median of the seeds).
    case stalled
    /// The loss fell.
    case learned
    /// The second of the two accuracies was reached (median of the seeds).
    case reached
    /// Interrupted before all seeds were done.
    case unfinished
  }

  let setting: TrainingSetting
  let runCount: Int
  let divergedCount: Int
  /// Test accuracy after the last epoch, as a share: median, least and most of the seeds.
  let accuracy: (median: Double, least: Double, most: Double)
  let bestAccuracy: Double
  /// Mean training loss of the last epoch, median of the seeds.
  let loss: Double
  /// Epochs to each of the accuracies, median of the seeds; infinite if not reached.
  let epochs: [Double]
  /// Norm of the gradient before clipping over all steps of all seeds.
  let norm: (median: Double, percentile95: Double, percentile99: Double, largest: Double)
  /// The share of the steps whose gradient was clipped.
  let clippedShare: Double
  /// The steps of all seeds that were skipped, because a gradient in half precision was not finite.
  let skippedCount: Int
  let verdict: Verdict

  init(_ setting: TrainingSetting, in results: TrainingResults) {
    self.setting = setting
    let options = results.options
    let histories = results.histories(of: setting).map(\.history)
    runCount = histories.count
    divergedCount = histories.count { $0.divergedAtStep != nil }
    // A run that was interrupted in its first epoch has norms, but nothing was tested yet.
    let tested = histories.filter { $0.epochCount > 0 || $0.divergedAtStep != nil }
    let last = tested.map(\.finalAccuracy)
    accuracy = (Statistics.median(last), last.min() ?? .nan, last.max() ?? .nan)
    bestAccuracy = Statistics.median(tested.map { $0.testAccuracies.max() ?? 0 })
    loss = Statistics.median(tested.map { $0.finalTrainingLoss(stepsPerEpoch: results.stepsPerEpoch) })
    epochs = options.accuracies.map { accuracy in
      Statistics.median(tested.map { $0.epochs(to: accuracy).map(Double.init) ?? .infinity })
    }
    let norms = histories.flatMap(\.gradientNorms)
    norm = (
      Statistics.percentile(norms, 0.5), Statistics.percentile(norms, 0.95), Statistics.percentile(norms, 0.99),
      Statistics.percentile(norms, 1)
    )
    let clipped = histories.flatMap(\.clipped)
    clippedShare = Double(clipped.count { $0 }) / Double(max(1, clipped.count))
    skippedCount = histories.reduce(0) { $0 + $1.skippedCount }
    verdict =
      if !results.areComplete([setting]) {
        .unfinished
      } else if divergedCount * 2 > runCount {
        .diverged
      } else if epochs[1].isFinite {
        .reached
      } else if !(loss < log(Double(DigitsDataset.classCount)) / 2) {
        .stalled
      } else {
        .learned
      }
  }
}

extension TrainingSummary {
  static let csvHeader =
    "setting,clipping,rule,learning_rate,runs,diverged,accuracy_median,accuracy_least,accuracy_most,"
    + "best_accuracy_median,training_loss_median,epochs_to_first,epochs_to_second,norm_median,norm_p95,norm_p99,"
    + "norm_largest,clipped_share,verdict,skipped_steps"

  var csvRow: String {
    let numbers =
      [accuracy.median, accuracy.least, accuracy.most, bestAccuracy, loss] + epochs
      + [norm.median, norm.percentile95, norm.percentile99, norm.largest, clippedShare]
    return
      ([setting.name, setting.clipping.rawValue, setting.momentum.rawValue, "\(setting.learningRate)", "\(runCount)"]
      + ["\(divergedCount)"] + numbers.map { "\($0)" } + [verdict.rawValue, "\(skippedCount)"]).joined(separator: ",")
  }

  /// The row as `--json` prints it.
  struct Record: Encodable {
    let setting, clipping, rule: String
    let learningRate: Double
    let runs, diverged: Int
    let testAccuracy, testAccuracyLeast, testAccuracyMost, bestTestAccuracy, trainingLoss: Double
    let epochsToFirstAccuracy, epochsToSecondAccuracy: Double
    let gradientNormMedian, gradientNormPercentile95, gradientNormPercentile99, gradientNormLargest: Double
    let clippedShare: Double
    let verdict: String
    let skippedSteps: Int
  }

  var record: Record {
    Record(
      setting: setting.name, clipping: setting.clipping.rawValue, rule: setting.momentum.rawValue,
      learningRate: setting.learningRate, runs: runCount, diverged: divergedCount, testAccuracy: accuracy.median,
      testAccuracyLeast: accuracy.least, testAccuracyMost: accuracy.most, bestTestAccuracy: bestAccuracy,
      trainingLoss: loss, epochsToFirstAccuracy: epochs[0], epochsToSecondAccuracy: epochs[1],
      gradientNormMedian: norm.median, gradientNormPercentile95: norm.percentile95,
      gradientNormPercentile99: norm.percentile99, gradientNormLargest: norm.largest, clippedShare: clippedShare,
      verdict: verdict.rawValue, skippedSteps: skippedCount)
  }
}
