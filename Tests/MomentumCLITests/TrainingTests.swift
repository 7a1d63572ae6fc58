import Foundation
import Momentum
import MomentumTestSupport
import Synchronization
import XCTest

@testable import MomentumCLI

final class TrainingTests: XCTestCase {
  /// Small enough for a debug build: 8 units, batches of 64, 2 epochs of 23 steps.
  private let small = TrainingOptions(
    seeds: 2, epochs: 2, batch: 64, hidden: 8, plainLearningRates: [0.1, 0.3], clippings: [.none, .global],
    momenta: [.plain, .momentum])

  private func key(_ clipping: ClippingChoice, _ rule: RuleChoice, rate: Double = 0.03) -> TrainingRunKey {
    TrainingRunKey(setting: TrainingSetting(clipping: clipping, momentum: rule, learningRate: rate), seed: 1)
  }

  /// Runs a plan in a folder, or goes on with it, for at most so many steps; writes the report without pictures.
  @discardableResult
  private func train(
    _ options: TrainingOptions, in folder: URL, workers: Int, atMost steps: Int = .max
  ) throws -> TrainingResults {
    let checkpoint = TrainingCheckpoint(folder: folder)
    if !checkpoint.exists { try checkpoint.save(options) }
    let session = try TrainingSession(
      options: try checkpoint.options(), data: .bundled(), checkpoint: checkpoint, workers: workers, isSilent: true)
    let asked = Mutex(0)
    let results = try session.run {
      asked.withLock { count in
        count += 1
        return count > steps
      }
    }
    switch try TrainingReport(results: results, folder: folder).write(gnuplot: nil) {
    case .noGnuplot: XCTAssertNotNil(results.comparison)
    case .nothingToDraw: XCTAssertNil(results.comparison)
    case .drawn(let names): XCTFail("drew \(names) without gnuplot")
    }
    return results
  }

  /// The files of a report and their bytes.
  private func content(_ folder: URL) throws -> [String: Data] {
    var content: [String: Data] = [:]
    for name in try FileManager.default.subpathsOfDirectory(atPath: folder.path) {
      let url = folder.appendingPathComponent(name)
      if let data = try? Data(contentsOf: url) { content[name] = data }
    }
    return content
  }

  // MARK: Runs

  func testLossFallsAndGradientsAreClipped() throws {
    var options = small
    options.hidden = 16
    let data = try DigitsDataset.bundled()
    var run = try TrainingRun(key(.global, .momentum), options: options, data: data)
    while !run.isFinished { try run.step() }
    let history = run.history
    let steps = options.stepsPerEpoch(data)
    XCTAssertEqual(steps, 23)
    XCTAssertEqual(history.stepCount, 2 * steps)
    XCTAssertLessThan(
      history.trainingLoss(epoch: 1, stepsPerEpoch: steps), history.trainingLoss(epoch: 0, stepsPerEpoch: steps) - 0.2)
    for (norm, clipped) in zip(history.gradientNorms, history.clipped) {
      XCTAssertEqual(clipped, norm > options.clipGlobalNorm)
    }
    XCTAssertTrue(history.clipped.contains(true))
  }

  func testSameSeedSameBits() throws {
    let data = try DigitsDataset.bundled()
    for key in [key(.norm, .nesterov), key(.value, .plain)] {
      var first = try TrainingRun(key, options: small, data: data)
      var second = try TrainingRun(key, options: small, data: data)
      for _ in 0..<10 {
        try first.step()
        try second.step()
      }
      XCTAssertEqual(first.history, second.history)
      XCTAssertEqual(first.state.parameters, second.state.parameters)
    }
  }

  /// Stops in the middle of an epoch, goes through the checkpoint file, and goes on.
  func testStateGoesThroughAFileBitForBit() throws {
    let data = try DigitsDataset.bundled()
    try withScratchFolder { folder in
      let checkpoint = TrainingCheckpoint(folder: folder)
      try checkpoint.save(small)
      for key in [
        key(.global, .nesterov), key(.none, .plain), key(.global, .adamw, rate: 0.005), key(.global, .muon, rate: 0.02),
        key(.norm, .lion, rate: 0.001),
        key(.global, .signum, rate: 0.001),
        key(.global, .normalized, rate: 0.01),
      ] {
        var whole = try TrainingRun(key, options: small, data: data)
        var half = try TrainingRun(key, options: small, data: data)
        for _ in 0..<30 { try whole.step() }
        for _ in 0..<13 { try half.step() }
        try checkpoint.save(half.state, key, small)
        var resumed = try TrainingRun(
          key, options: small, data: data, from: try XCTUnwrap(try checkpoint.state(key, small)))
        for _ in 13..<30 { try resumed.step() }
        XCTAssertEqual(resumed.history, whole.history)
        XCTAssertEqual(resumed.state.parameters, whole.state.parameters)
        XCTAssertEqual(resumed.state.optimizer, whole.state.optimizer)
      }
    }
  }

  func testDivergenceEndsARunAndIsReported() throws {
    var options = small
    (options.learningRate, options.seeds, options.momenta) = (1e36, 1, [.momentum])
    try withScratchFolder { folder in
      let results = try train(options, in: folder, workers: 1)
      let bare = try XCTUnwrap(results.settings.first { $0.clipping == .none })
      let history = try XCTUnwrap(results.histories(of: bare).first).history
      let end = try XCTUnwrap(history.divergedAtStep)
      XCTAssertEqual(history.stepCount, end)
      XCTAssertLessThan(end, 2 * results.stepsPerEpoch)
      let summary = TrainingSummary(bare, in: results)
      XCTAssertEqual(summary.verdict, .diverged)
      XCTAssertEqual(summary.accuracy.median, 0)
      XCTAssertEqual(summary.loss, .infinity)
      XCTAssertTrue(TrainingTable(results).findings[0].contains("diverged"))
    }
  }

  // MARK: Sessions

  func testInterruptionsAndWorkersLeaveNoTrace() throws {
    try withScratchFolder { folder in
      let (whole, parts) = (folder.appendingPathComponent("whole"), folder.appendingPathComponent("parts"))
      XCTAssertTrue(try train(small, in: whole, workers: 1).isComplete)
      // Stopped within the trials of momentum 0, then within the comparison.
      let first = try train(small, in: parts, workers: 2, atMost: 60)
      XCTAssertFalse(first.isComplete)
      XCTAssertNil(first.comparison)
      let second = try train(small, in: parts, workers: 3, atMost: 260)
      XCTAssertFalse(second.isComplete)
      XCTAssertNotNil(second.comparison)
      XCTAssertTrue(try train(small, in: parts, workers: 2).isComplete)
      let (expected, found) = (try content(whole), try content(parts))
      XCTAssertEqual(expected.keys.sorted(), found.keys.sorted())
      for (name, data) in expected { XCTAssertEqual(found[name], data, name) }
    }
  }

  func testARunWithoutAnEpochHasNoAccuracyYet() throws {
    try withScratchFolder { folder in
      let results = try train(small, in: folder, workers: 1, atMost: 5)
      let summary = TrainingSummary(results.plan.search[0], in: results)
      XCTAssertEqual(summary.verdict, .unfinished)
      XCTAssertTrue(summary.accuracy.median.isNaN && summary.loss.isNaN && summary.epochs[0].isNaN)
      XCTAssertGreaterThan(summary.norm.largest, 0)
      XCTAssertEqual(TrainingTable(results).cells(summary)[3...7], ["-", "---", "-", "-", "-"])
    }
  }

  func testReportHoldsEveryRun() throws {
    try withScratchFolder { folder in
      var options = small
      options.epochs = 1
      let results = try train(options, in: folder, workers: 2)
      let files = Set(try content(folder).keys)
      XCTAssertEqual(results.histories.count, results.plan.runCount)
      // 2 trials and 4 rows, one of which is a trial; 2 seeds.
      XCTAssertEqual(results.plan.runCount, 10)
      XCTAssertEqual(files.count { $0.hasPrefix("runs/") }, 10)
      XCTAssertEqual(files.count { $0.hasPrefix("curves/") }, 5)
      XCTAssertTrue(files.isSuperset(of: ["summary.csv", "epochs.csv", "report.md", "plots/gradient-norm.gnuplot"]))
      let run = try String(
        contentsOf: folder.appendingPathComponent("runs/global-momentum-0.05-seed2.csv"), encoding: .utf8)
      let lines = run.split(separator: "\n")
      XCTAssertEqual(lines.first, "step,epoch,loss,gradient_norm,clipped")
      XCTAssertEqual(lines.count, 1 + 23)
      let summary = try String(contentsOf: folder.appendingPathComponent("summary.csv"), encoding: .utf8)
      let widths = Set(summary.split(separator: "\n").map { $0.split(separator: ",").count })
      XCTAssertEqual(widths, [20])
    }
  }

  func testChoosesTheRateOfMomentumZeroByItsSpeed() {
    let plan = TrainingPlan(options: small)
    func history(_ accuracies: [Double], loss: Double) -> TrainingHistory {
      TrainingHistory(
        losses: [loss, loss], gradientNorms: [1, 1], clipped: [true, true], testLosses: [1, 1],
        testAccuracies: accuracies)
    }
    let (slow, fast) = (plan.search[0], plan.search[1])
    let trials = [slow: [history([0.5, 0.91], loss: 0.1)], fast: [history([0.92, 0.5], loss: 0.9)]]
    let rates = Set(plan.comparison(trials, stepsPerEpoch: 1).filter { $0.momentum == .plain }.map(\.learningRate))
    XCTAssertEqual(rates, [fast.learningRate])
    let tied = [slow: [history([0.5, 0.91], loss: 0.1)], fast: [history([0.5, 0.92], loss: 0.9)]]
    XCTAssertEqual(plan.comparison(tied, stepsPerEpoch: 1)[0].learningRate, slow.learningRate)
  }

  func testMediansOfFewSeeds() {
    XCTAssertEqual(Statistics.median([3, 1, 2]), 2)
    XCTAssertEqual(Statistics.median([1, 2]), 1.5)
    XCTAssertEqual(Statistics.median([1, .infinity]), .infinity)
    XCTAssertEqual(Statistics.median([1, .nan, 2]), 2)
    XCTAssertTrue(Statistics.median([]).isNaN)
    XCTAssertEqual(Statistics.percentile([4, 1, 3, 2], 0.5), 2)
    XCTAssertEqual(Statistics.percentile([4, 1, 3, 2], 0.95), 4)
  }

  // MARK: Bad checkpoints

  func testRefusesADamagedCheckpoint() throws {
    let data = try DigitsDataset.bundled()
    let key = key(.global, .momentum)
    try withScratchFolder { folder in
      let checkpoint = TrainingCheckpoint(folder: folder)
      XCTAssertThrowsError(try checkpoint.options()) { XCTAssertTrue("\($0)".contains("holds no checkpoint"), "\($0)") }
      try checkpoint.save(small)
      var run = try TrainingRun(key, options: small, data: data)
      try run.step()
      let good = run.state
      let damages: [(String, (inout TrainingState) -> Void)] = [
        ("parameters", { $0.parameters.removeLast() }), ("lists", { $0.history.clipped.removeLast() }),
        ("optimizer steps", { $0.optimizer.stepCount = 5 }),
      ]
      for (word, damage) in damages {
        var state = good
        damage(&state)
        try checkpoint.save(state, key, small)
        XCTAssertThrowsError(try checkpoint.histories(small)) {
          XCTAssertTrue("\($0)".contains(word) && "\($0)".contains(key.name), "\($0)")
        }
      }
      let file = folder.appendingPathComponent("checkpoint/\(key.name).json")
      try Data("{".utf8).write(to: file)
      XCTAssertThrowsError(try checkpoint.state(key, small)) {
        XCTAssertTrue("\($0)".contains("is not a valid checkpoint file") && !"\($0)".contains("\n"), "\($0)")
      }
    }
  }
}
