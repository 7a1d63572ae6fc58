import Momentum
import MomentumTestSupport
import XCTest

/// Averages of the parameters, against plain loops in `Double`.
final class WeightAveragingTests: XCTestCase {
  func testAveragesFloat() throws { try averages(Float.self) }
  func testAveragesDouble() throws { try averages(Double.self) }

  private func averages<S: BLASScalar>(_: S.Type) throws {
    let kinds: [WeightAveraging] = try [
      .exponential(decay: 0.9), .exponential(decay: 0.5, overwriteEvery: 3), .exponential(decay: 0),
      .exponential(decay: 1, overwriteEvery: 7), WeightAveraging(.mean), WeightAveraging(.mean, overwriteEvery: 4),
    ]
    for averaging in kinds {
      var random = SeededGenerator(seed: 61)
      let counts = [67, 130]
      var run = try EngineRun<S>(
        counts.map { random.numbers($0) }, rule: SGD(learningRate: 0.1, momentum: 0.5), averaging: averaging)
      var expected: [[Double]] = [[], []]
      var seen = [0, 0]
      // 0.5 leaves the range of the scale within these steps, upwards of a thousand for the mean.
      for step in 1...60 {
        let before = run.parameters
        let hasGradient = [true, step % 5 != 2]
        var plain = try EngineRun<S>(before, rule: SGD(learningRate: 0.1, momentum: 0.5))
        try plain.optimizer.restore(run.withoutAverage())
        let gradients: [[S]?] = zip(counts, hasGradient).map { $1 ? random.numbers($0) : nil }
        try plain.step(gradients)
        try run.step(gradients)
        for tensor in counts.indices where hasGradient[tensor] {
          let parameters = plain.parameters[tensor].map { Double($0) }
          seen[tensor] += 1
          let weight: Double =
            switch averaging.kind {
            case .exponential(let decay): seen[tensor] == 1 ? 1 : 1 - decay
            case .mean: 1 / Double(seen[tensor])
            }
          let old = seen[tensor] == 1 ? parameters : expected[tensor]
          expected[tensor] = zip(old, parameters).map { $0 + weight * ($1 - $0) }
          if let every = averaging.overwriteEvery, step % every == 0 {
            assertSameBits(run.average[tensor].map { S($0) }, run.parameters[tensor], "overwritten")
          } else {
            assertSameBits(plain.parameters[tensor], run.parameters[tensor], "averaging leaves the step alone")
          }
        }
        for tensor in counts.indices where seen[tensor] > 0 {
          // Each step rounds once, of numbers up to the largest; the errors of n steps add up to n at most.
          let error = zip(run.average[tensor], expected[tensor]).map { ($0 - $1).magnitude }.max()!
          let largest = expected[tensor].map(\.magnitude).max()!
          XCTAssertLessThan(error, 4 * Double(S.ulpOfOne) * Double(step) * largest, "\(averaging), step \(step)")
        }
      }
      XCTAssertTrue(run.guardsAreIntact)
      // What is read is the value up to a rounding, and reading leaves no trace.
      let (before, state) = (run.average, run.optimizer.state())
      let read = run.optimizer.withUnsafeAverage(ofTensor: 1) { Array($0) }
      assertClose(before[1], read, ulps: 1)
      XCTAssertEqual(run.optimizer.state(), state)
      // Folding gives the same elements.
      run.optimizer.foldAverage()
      XCTAssertEqual(run.optimizer.state().averages.map(\.scale), [1, 1])
      assertSameBits(run.optimizer.withUnsafeAverage(ofTensor: 1) { Array($0) }, read)
    }
  }

  func testTheTableOfReferenceValues() throws {
    var run = try EngineRun<Double>(
      [[1]], rule: SGD(learningRate: 0.1, momentum: 0.9), averaging: .exponential(decay: 0.99))
    var averages: [Double] = []
    for gradient in [1.0, 2, 3] {
      try run.step([[gradient]])
      averages.append(run.average[0][0])
    }
    assertClose([0.9, 0.8971, 0.888619], averages, ulps: 8)
  }

  func testAnAverageMovesTwoElements() throws {
    var run = try EngineRun<Float>(
      [[1]], rule: SGD(learningRate: 0.1, momentum: 0.9), averaging: WeightAveraging(.mean))
    try run.step([[1]])
    XCTAssertEqual(run.optimizer.lastPrograms[0].traffic.words, 3 + 3, "the first one copies")
    try run.step([[1]])
    XCTAssertEqual(run.optimizer.lastPrograms[0].traffic.words, 4 + 3)
  }

  func testThreadsDoNotMatter() throws {
    var random = SeededGenerator(seed: 62)
    let start: [[Float]] = [random.numbers(200_000)]
    let gradients: [[Float]] = [random.numbers(200_000)]
    let results = try [1, 2, 3].map { threads in
      var run = try EngineRun(
        start, rule: SGD(learningRate: 0.1), averaging: .exponential(decay: 0.75), threads: threads)
      for _ in 0..<3 { try run.step(gradients) }
      return run.optimizer.withUnsafeAverage(ofTensor: 0) { Array($0) }
    }
    assertSameBits(results[0], results[1])
    assertSameBits(results[0], results[2])
  }

  func testSkippedStepsAreNotAveraged() throws {
    var run = try EngineRun<Double>(
      [[1]], rule: SGD(learningRate: 1), policy: .skipStep, averaging: WeightAveraging(.mean))
    try run.step([[.nan]])
    XCTAssertFalse(run.optimizer.hasAverage(ofTensor: 0))
    XCTAssertEqual(run.optimizer.withUnsafeAverage(ofTensor: 0) { $0.count }, 0)
    try run.step([[-1]])
    try run.step([[.infinity]])
    XCTAssertEqual(run.average, [[2]])
  }

  func testAGivenAverageGoesOn() throws {
    var run = try EngineRun<Double>([[4]], rule: SGD(learningRate: 0), averaging: WeightAveraging(.mean))
    try [1.0].withUnsafeBufferPointer { try run.optimizer.setAverage(ofTensor: 0, $0, count: 2) }
    try run.step([[0]])
    assertClose([2], run.average[0], ulps: 1)
    expect("average of tensor 'tensor 0' has count 0; expected 1") {
      try run.optimizer.setAverage(ofTensor: 0, UnsafeBufferPointer(start: nil, count: 0), count: 1)
    }
    expect("steps averaged is 0; expected at least 1") {
      try [1.0].withUnsafeBufferPointer { try run.optimizer.setAverage(ofTensor: 0, $0, count: 0) }
    }
  }

  func testSettings() throws {
    for decay in [-0.1, 1.1, .nan] {
      expect("decay of the average is \(decay); expected a number in 0...1") {
        try WeightAveraging.exponential(decay: decay)
      }
    }
    expect("overwriteEvery is 0; expected at least 1") { try WeightAveraging(.mean, overwriteEvery: 0) }
    expect("mode is onePass; expected twoPass to average parameters, which would take in uncorrected ones") {
      _ = try Optimizer<Float>(
        ParameterLayout(count: 1), rule: SGD(learningRate: 1), nonFinitePolicy: .propagate, mode: .onePass,
        averaging: WeightAveraging(.mean)
      ).stepCount
    }
  }
}

extension EngineRun {
  /// The averages as the state describes them, without folding them.
  var average: [[Double]] {
    let state = optimizer.state()
    let elements = zip(
      state.average,
      state.averages.enumerated().flatMap { index, average in
        Array(repeating: average.scale, count: optimizer.layout.tensors[index].count)
      }
    ).map { Double($0) * $1 }
    return optimizer.layout.tensors.map { Array(elements.isEmpty ? [] : elements[$0.range]) }
  }

  /// The state as if nothing had been averaged.
  func withoutAverage() -> OptimizerState<S> {
    var state = optimizer.state()
    state.average = []
    state.averages = state.averages.map { _ in AverageState() }
    return state
  }
}
