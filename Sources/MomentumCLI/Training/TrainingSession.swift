import Foundation
import Momentum
import Synchronization

/// Works through a plan, several runs at a time, and keeps what was done in a report folder.
///
/// Each run is computed by one thread and depends on nothing but its key and the options, so the number of workers, the
/// order in which runs end, and interruptions leave no trace in the results.
final class TrainingSession: Sendable {
  let options: TrainingOptions
  let data: DigitsDataset
  private let checkpoint: TrainingCheckpoint
  private let workers: Int
  private let progress: ProgressDisplay
  private let histories: Mutex<[TrainingRunKey: TrainingHistory]>

  var plan: TrainingPlan { TrainingPlan(options: options) }
  var stepsPerEpoch: Int { options.stepsPerEpoch(data) }

  init(
    options: TrainingOptions, data: DigitsDataset, checkpoint: TrainingCheckpoint, workers: Int,
    isSilent: Bool = false
  ) throws {
    (self.options, self.data, self.checkpoint, self.workers) = (options, data, checkpoint, workers)
    let known = try checkpoint.histories(options)
    histories = Mutex(known)
    let perRun = options.stepsPerEpoch(data) * options.epochs
    progress = ProgressDisplay(
      total: TrainingPlan(options: options).runCount * perRun, unit: "steps",
      done: known.values.reduce(0) { $0 + ($1.isFinished(options) ? perRun : $1.stepCount) }, isSilent: isSilent)
  }

  /// Runs until all is done or `stop` says so, which every worker asks before each of its steps. Returns the results.
  func run(stop: @escaping @Sendable () -> Bool) throws -> TrainingResults {
    defer { progress.finish() }
    try work(plan.keys(plan.search), stop)
    if !stop(), results.areComplete(plan.search) { try work(plan.keys(comparison), stop) }
    return results
  }

  var results: TrainingResults {
    TrainingResults(plan: plan, stepsPerEpoch: stepsPerEpoch, histories: histories.withLock { $0 })
  }

  private var comparison: [TrainingSetting] { results.comparison ?? [] }

  private func work(_ keys: [TrainingRunKey], _ stop: @escaping @Sendable () -> Bool) throws {
    let known = histories.withLock { $0 }
    let open = keys.filter { known[$0]?.isFinished(options) != true }
    let next = Mutex(open[...])
    let failure = Mutex<(any Error)?>(nil)
    DispatchQueue.concurrentPerform(iterations: max(1, min(workers, open.count))) { _ in
      while !stop(), failure.withLock({ $0 == nil }), let key = next.withLock({ $0.popFirst() }) {
        do { try train(key, stop) } catch { failure.withLock { $0 = $0 ?? error } }
      }
    }
    if let error = failure.withLock({ $0 }) { throw error }
  }

  private func train(_ key: TrainingRunKey, _ stop: () -> Bool) throws {
    var run = try TrainingRun(key, options: options, data: data, from: try checkpoint.state(key, options))
    let steps = stepsPerEpoch * options.epochs
    var lastSaved = ContinuousClock.now
    while !run.isFinished, !stop() {
      try run.step()
      progress.advance(1, note: key.name)
      // A power cut costs a run at most some seconds.
      if ContinuousClock.now - lastSaved > .seconds(10) {
        try checkpoint.save(run.state, key, options)
        lastSaved = .now
      }
    }
    try checkpoint.save(run.state, key, options)
    let history = run.history
    if run.isFinished { progress.advance(steps - history.stepCount) }
    histories.withLock { $0[key] = history }
  }
}

/// All histories of a comparison, finished or not.
struct TrainingResults: Sendable {
  let plan: TrainingPlan
  let stepsPerEpoch: Int
  let histories: [TrainingRunKey: TrainingHistory]

  var options: TrainingOptions { plan.options }

  /// The histories of a setting, seed by seed, as far as there are any.
  func histories(of setting: TrainingSetting) -> [(seed: Int, history: TrainingHistory)] {
    (1...options.seeds).compactMap { seed in
      histories[TrainingRunKey(setting: setting, seed: seed)].map { (seed, $0) }
    }
  }

  /// Whether every seed of every setting is done.
  func areComplete(_ settings: [TrainingSetting]) -> Bool {
    plan.keys(settings).allSatisfy { histories[$0]?.isFinished(options) == true }
  }

  /// The rows of the comparison; `nil` as long as the learning rate of momentum 0 is open.
  var comparison: [TrainingSetting]? {
    guard areComplete(plan.search) else { return nil }
    let trials = plan.search.map { ($0, histories(of: $0).map(\.history)) }
    return plan.comparison(Dictionary(uniqueKeysWithValues: trials), stepsPerEpoch: stepsPerEpoch)
  }

  /// Whether the whole plan is done.
  var isComplete: Bool { comparison.map(areComplete) ?? false }

  /// Every setting that has a history, the trials of momentum 0 first.
  var settings: [TrainingSetting] {
    var seen: Set<TrainingSetting> = []
    return (plan.search + (comparison ?? [])).filter { seen.insert($0).inserted && !histories(of: $0).isEmpty }
  }
}
