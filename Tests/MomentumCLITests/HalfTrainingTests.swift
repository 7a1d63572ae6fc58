import Foundation
import Momentum
import MomentumTestSupport
import XCTest

@testable import MomentumCLI

/// Training with gradients in half precision.
final class HalfTrainingTests: XCTestCase {
  private let key = TrainingRunKey(
    setting: TrainingSetting(clipping: .global, momentum: .momentum, learningRate: 0.05), seed: 1)
  private let options = TrainingOptions(
    seeds: 3, epochs: 4, batch: 64, hidden: 12, clippings: [.global], momenta: [.momentum])

  private var types: [StoredGradients.ElementType] { StoredGradients.ElementType.allCases.filter(\.exists) }

  private func options(_ type: StoredGradients.ElementType, _ scale: LossScale) -> TrainingOptions {
    var options = options
    options.storedGradients = StoredGradients(type: type, lossScale: scale)
    return options
  }

  /// After four epochs as much is learned as with gradients of `Float`, within what the choice of the seed changes.
  func testAccuracyIsThatOfFloatsWithinTheSpreadOfTheSeeds() throws {
    let data = try DigitsDataset.bundled()
    func accuracies(_ options: TrainingOptions) throws -> [Double] {
      try (1...options.seeds).map { seed in
        var run = try TrainingRun(
          TrainingRunKey(setting: key.setting, seed: seed), options: options, data: data)
        while !run.isFinished { try run.step() }
        // A dynamic scale may find its place first.
        XCTAssertLessThan(run.history.skippedCount, 5)
        return run.history.finalAccuracy
      }
    }
    let wide = try accuracies(options)
    let spread = max(0.02, wide.max()! - wide.min()!)
    XCTAssertGreaterThan(wide.min()!, 0.2)
    for type in types {
      let narrow = try accuracies(options(type, type == .f16 ? .pytorch : .none))
      XCTAssertNotEqual(narrow, wide, "rounding changes something")
      XCTAssertEqual(
        Statistics.median(narrow), Statistics.median(wide), accuracy: spread, "\(type) \(narrow), Float \(wide)")
    }
  }

  /// The step sees the gradient times the scale, rounded, divided by the scale.
  func testGradientsAreScaledBeforeTheyAreRounded() throws {
    let layout = try ParameterLayout(count: 2)
    for type in types {
      // The second one is lost in Float16 unless it is scaled.
      let values: [Float] = [0.1, 0x1.8p-26]
      var gradient = try ParameterVector<Float>(layout)
      gradient.withUnsafeMutableBufferPointer { _ = $0.update(from: values) }
      for scale in [1.0, 1024] {
        var parameters = try ParameterVector<Float>(layout)
        var optimizer = try Optimizer<Float>(layout, rule: SGD(learningRate: 1), lossScale: .fixed(scale), threads: 1)
        let half = try HalfGradient(type, layout)
        let report = try half.step(&optimizer, &parameters, gradients: gradient)
        XCTAssertEqual(report.lossScale, scale)
        let rounded = values.map { Self.rounded($0 * Float(scale), type) / Float(scale) }
        XCTAssertEqual((0..<2).map { -parameters[$0] }, rounded)
        XCTAssertEqual(rounded[1] == 0, type == .f16 && scale == 1)
      }
    }
  }

  private static func rounded(_ x: Float, _ type: StoredGradients.ElementType) -> Float {
    #if !(os(macOS) && arch(x86_64))
      if type == .f16 { return Float(Float16(x)) }
    #endif
    return Float(BFloat16(x))
  }

  /// A scale that is too large makes steps skip until it fits. The state goes through the checkpoint in the middle of that.
  func testOverflowSkipsStepsAndGoesThroughTheCheckpoint() throws {
    let data = try DigitsDataset.bundled()
    for type in types {
      let options = options(
        type,
        try .dynamic(
          initial: type == .f16 ? 0x1p40 : 0x1p127, growthInterval: 5, maximum: type == .f16 ? 0x1p40 : 0x1p127))
      try withScratchFolder { folder in
        let checkpoint = TrainingCheckpoint(folder: folder)
        try checkpoint.save(options)
        XCTAssertEqual(try checkpoint.options(), options)
        var whole = try TrainingRun(key, options: options, data: data)
        var part = try TrainingRun(key, options: options, data: data)
        for _ in 0..<60 { try whole.step() }
        for _ in 0..<10 { try part.step() }
        try checkpoint.save(part.state, key, options)
        var resumed = try TrainingRun(
          key, options: options, data: data, from: try XCTUnwrap(try checkpoint.state(key, options)))
        for _ in 10..<60 { try resumed.step() }
        XCTAssertEqual(resumed.history, whole.history)
        XCTAssertEqual(resumed.state.parameters, whole.state.parameters)
        XCTAssertEqual(resumed.state.optimizer, whole.state.optimizer)
        let history = whole.history
        XCTAssertNil(history.divergedAtStep)
        XCTAssertEqual(history.stepCount, 60)
        XCTAssertTrue(history.gradientNorms.allSatisfy(\.isFinite))
        XCTAssertEqual(whole.state.optimizer.stepCount, 60 - history.skippedCount)
        if type == .f16 { XCTAssertGreaterThan(history.skippedCount, 15) }
      }
    }
  }

  /// Folders of the version before know of Floats only.
  func testFoldersOfTheVersionBeforeGoOn() throws {
    let data = try DigitsDataset.bundled()
    try withScratchFolder { folder in
      let checkpoint = TrainingCheckpoint(folder: folder)
      try checkpoint.save(options)
      var run = try TrainingRun(key, options: options, data: data)
      for _ in 0..<3 { try run.step() }
      try checkpoint.save(run.state, key, options)
      for name in ["options", key.name] {
        let file = folder.appendingPathComponent("checkpoint/\(name).json")
        let text = try String(contentsOf: file, encoding: .utf8)
        let old = text.replacing("\"version\":3", with: "\"version\":2").replacing("\"skippedCount\":0,", with: "")
        XCTAssertNotEqual(old, text)
        XCTAssertFalse(old.contains("skipped") || old.contains("stored") || old.contains("lossScale"), old)
        try Data(old.utf8).write(to: file)
      }
      XCTAssertEqual(try checkpoint.options(), options)
      XCTAssertEqual(try checkpoint.state(key, options)?.history, run.history)
      let file = folder.appendingPathComponent("checkpoint/options.json")
      try Data(String(contentsOf: file, encoding: .utf8).replacing("\"version\":2", with: "\"version\":1").utf8)
        .write(to: file)
      XCTAssertThrowsError(try checkpoint.options()) {
        XCTAssertTrue("\($0)".hasSuffix("has format version 1; this command reads 2 and 3"), "\($0)")
      }
    }
  }
}
