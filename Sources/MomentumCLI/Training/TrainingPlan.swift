/// Which runs a comparison takes.
///
/// Momentum 0 with the learning rate of momentum 0.9 would lose for no other reason than its learning rate: in the long
/// run momentum m multiplies the step by 1 / (1 − m). So momentum 0 is first tried, clipped, with every rate of a list;
/// the one that reaches the first accuracy in the fewest epochs (median of the seeds; at a tie the one with the smaller
/// final training loss) stands for momentum 0 from then on. The choice looks at the very figure that is compared
/// afterwards, which favours momentum 0.
struct TrainingPlan: Sendable {
  let options: TrainingOptions

  /// The clipping under which the learning rates of momentum 0 are tried.
  var searchClipping: ClippingChoice { options.clippings.contains(.global) ? .global : options.clippings.last! }

  /// The trials of momentum 0, one a learning rate; none if momentum 0 is not asked for.
  var search: [TrainingSetting] {
    guard options.momenta.contains(.plain) else { return [] }
    return options.plainLearningRates.map {
      TrainingSetting(clipping: searchClipping, momentum: .plain, learningRate: $0)
    }
  }

  /// The rows of the comparison, once the trials are done.
  func comparison(_ trials: [TrainingSetting: [TrainingHistory]], stepsPerEpoch: Int) -> [TrainingSetting] {
    let plainRate = choose(trials, stepsPerEpoch)?.learningRate
    return options.clippings.flatMap { clipping in
      options.momenta.map { momentum in
        TrainingSetting(
          clipping: clipping, momentum: momentum,
          learningRate: momentum == .plain ? plainRate! : options.learningRate(of: momentum))
      }
    }
  }

  /// Runs of the whole plan. The chosen trial is also a row of the comparison.
  var runCount: Int {
    let rows = options.clippings.count * options.momenta.count
    return options.seeds * (search.isEmpty ? rows : search.count + rows - 1)
  }

  func keys(_ settings: [TrainingSetting]) -> [TrainingRunKey] {
    // Seed by seed, so that an interrupted comparison has whole columns.
    (1...options.seeds).flatMap { seed in settings.map { TrainingRunKey(setting: $0, seed: seed) } }
  }

  private func choose(_ trials: [TrainingSetting: [TrainingHistory]], _ stepsPerEpoch: Int) -> TrainingSetting? {
    func cost(_ setting: TrainingSetting) -> (Double, Double) {
      let histories = trials[setting] ?? []
      let epochs = histories.map { $0.epochs(to: options.accuracies[0]).map(Double.init) ?? .infinity }
      let losses = histories.map { $0.finalTrainingLoss(stepsPerEpoch: stepsPerEpoch) }
      return (Statistics.median(epochs), Statistics.median(losses))
    }
    return search.min { cost($0) < cost($1) }
  }
}

/// Order statistics of small samples. A NaN counts as infinite: nothing is worse.
enum Statistics {
  static func median(_ values: [Double]) -> Double {
    let sorted = ordered(values)
    guard let last = sorted.last else { return .nan }
    let middle = sorted.count / 2
    guard sorted.count.isMultiple(of: 2) else { return sorted[middle] }
    // Two infinities have no mean.
    return sorted[middle].isFinite ? (sorted[middle - 1] + sorted[middle]) / 2 : last
  }

  /// The smallest value that at least `share` of all values do not exceed (nearest rank).
  static func percentile(_ values: [Double], _ share: Double) -> Double {
    let sorted = ordered(values)
    guard !sorted.isEmpty else { return .nan }
    return sorted[max(0, Int((share * Double(sorted.count)).rounded(.up)) - 1)]
  }

  private static func ordered(_ values: [Double]) -> [Double] { values.map { $0.isNaN ? .infinity : $0 }.sorted() }
}
