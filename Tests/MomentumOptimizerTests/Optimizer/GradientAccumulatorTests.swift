import Momentum
import MomentumTestSupport
import XCTest

/// Sums of gradients. The reference is the same step with the sum formed by a plain loop: same bits.
final class GradientAccumulatorTests: XCTestCase {
  func testStepsAreThoseOfTheSumFloat() throws { try stepsAreThoseOfTheSum(Float.self) }
  func testStepsAreThoseOfTheSumDouble() throws { try stepsAreThoseOfTheSum(Double.self) }

  private func stepsAreThoseOfTheSum<S: BLASScalar>(_: S.Type) throws {
    let counts = [2500, 1, 0, 2048, 33, 700]
    let layout = try ParameterLayout(counts.enumerated().map { ("\($0)", [$1]) })
    let clippings: [GradientClipping] = try [
      .none, .byGlobalNorm(3), .byNorm(2), .byValue(0.25), .byGlobalNorm(3, type: .l1),
      GradientClipping(whole: .norm(3), algorithm: .portable),
    ]
    for clipping in clippings {
      for reduction in GradientAccumulator<S>.Reduction.allCases {
        var random = SeededGenerator(seed: 71)
        let start: [S] = random.numbers(layout.count)
        let rule = try SGD(learningRate: 0.1, momentum: 0.9)
        var optimizer = try Optimizer<S>(layout, rule: rule, clipping: clipping)
        var reference = try Optimizer<S>(layout, rule: rule, clipping: clipping)
        var parameters = try ParameterVector(start)
        var expected = try ParameterVector(start)
        var accumulator = try GradientAccumulator<S>(layout, reduction: reduction)
        // Powers of two: the mean is the sum with another exponent, so the reference can divide.
        for batches in [4, 1, 2] {
          var sum = [S](repeating: 0, count: layout.count)
          for batch in 0..<batches {
            let gradient: [S] = random.numbers(layout.count)
            sum = batch == 0 ? gradient : zip(sum, gradient).map(+)
            try accumulator.add(ParameterVector(gradient))
          }
          XCTAssertEqual(accumulator.count, batches)
          let divisor = reduction == .mean ? S(batches) : 1
          let report = try optimizer.step(&parameters, gradients: &accumulator)
          let other = try reference.step(&expected, gradients: ParameterVector(sum.map { $0 / divisor }))
          XCTAssertEqual(report, other)
          XCTAssertEqual(optimizer.tensorReports(), reference.tensorReports())
          XCTAssertEqual(accumulator.count, 0)
        }
        assertSameBits(
          (0..<layout.count).map { expected[$0] }, (0..<layout.count).map { parameters[$0] }, seed: 71,
          "\(clipping), \(reduction)")
      }
    }
  }

  func testTheMeanOfThree() throws {
    let layout = try ParameterLayout(count: 2)
    var optimizer = try Optimizer<Double>(layout, rule: SGD(learningRate: 1), clipping: .byGlobalNorm(2.5))
    var accumulator = try GradientAccumulator<Double>(layout)
    var parameters = try ParameterVector<Double>(layout)
    for gradient in [[1.0, 2], [3, 4], [5, 6]] { try accumulator.add(ParameterVector(gradient)) }
    let report = try optimizer.step(&parameters, gradients: &accumulator)
    assertClose([5], [report.totalNorm!], ulps: 1)
    assertClose([-1.5, -2], [parameters[0], parameters[1]], ulps: 2)
  }

  func testNoPassIsNeededForTheNorm() throws {
    // The accumulated gradient is spoiled behind the accumulator's back: a step that looked at it again would refuse it.
    let layout = try ParameterLayout(count: 3)
    var optimizer = try Optimizer<Double>(layout, rule: SGD(learningRate: 1), clipping: .byGlobalNorm(100))
    var accumulator = try GradientAccumulator<Double>(layout)
    var parameters = try ParameterVector<Double>(layout)
    try accumulator.add(ParameterVector([2.0, 3, 6]))
    accumulator.withUnsafeSum(ofTensor: 0) { UnsafeMutableBufferPointer(mutating: $0!)[0] = .nan }
    let report = try optimizer.step(&parameters, gradients: &accumulator)
    XCTAssertEqual(report.totalNorm, 7)
    XCTAssertTrue(parameters[0].isNaN)
  }

  func testMissingGradients() throws {
    let layout = try ParameterLayout([("a", [1]), ("b", [1]), ("c", [1])])
    var optimizer = try Optimizer<Double>(layout, rule: SGD(learningRate: 1, momentum: 0.5, weightDecay: 1))
    var accumulator = try GradientAccumulator<Double>(layout, reduction: .sum)
    let gradients: [[Double?]] = [[1, nil, nil], [2, 3, nil]]
    for gradient in gradients {
      let memory = gradient.map { $0.map { GuardedMemory([$0]) } }
      try withExtendedLifetime(memory) { try accumulator.add(memory.map { $0?.readOnlyBuffer }) }
    }
    XCTAssertNil(accumulator.withUnsafeSum(ofTensor: 2) { $0?.first })
    let memory = [10.0, 20, 30].map { GuardedMemory([$0]) }
    try optimizer.step(parameters: memory.map(\.buffer), gradients: &accumulator)
    XCTAssertEqual(memory.map { $0.elements[0] }, [-3, -3, 30])
    XCTAssertEqual((0..<3).map { optimizer.hasVelocity(ofTensor: $0) }, [true, true, false])
  }

  func testWhatHappensToTheSum() throws {
    let layout = try ParameterLayout(count: 1)
    var parameters = try ParameterVector<Float>(layout)
    var accumulator = try GradientAccumulator<Float>(layout)
    var optimizer = try Optimizer<Float>(layout, rule: SGD(learningRate: 1))
    // Finite gradients whose sum is not.
    for _ in 0..<2 { try accumulator.add(ParameterVector([3e38 as Float])) }
    expect("gradient of tensor 'parameters' is inf at index 0; expected finite values") {
      try optimizer.step(&parameters, gradients: &accumulator)
    }
    XCTAssertEqual(accumulator.count, 2, "after an error it is for the caller to say what becomes of the sum")
    optimizer.nonFinitePolicy = .skipStep
    XCTAssertTrue(try optimizer.step(&parameters, gradients: &accumulator).wasSkipped)
    XCTAssertEqual(accumulator.count, 0, "a skipped step ends the accumulation")
    try accumulator.add(ParameterVector([1 as Float]))
    accumulator.reset()
    XCTAssertNil(accumulator.withUnsafeSum(ofTensor: 0) { $0?.first })
    try accumulator.add(ParameterVector([2 as Float]))
    try optimizer.step(&parameters, gradients: &accumulator)
    XCTAssertEqual(parameters[0], -2)
  }

  func testThreadsDoNotMatter() throws {
    let layout = try ParameterLayout([("a", [150_001]), ("b", [70_000])])
    let results = try [1, 2, 5].map { threads in
      var random = SeededGenerator(seed: 72)
      var accumulator = try GradientAccumulator<Float>(layout, threads: threads)
      var optimizer = try Optimizer<Float>(
        layout, rule: SGD(learningRate: 1), clipping: .byGlobalNorm(1), threads: threads)
      var parameters = try ParameterVector<Float>(layout)
      for _ in 0..<3 { try accumulator.add(ParameterVector(random.numbers(layout.count, as: Float.self))) }
      let report = try optimizer.step(&parameters, gradients: &accumulator)
      return (report, (0..<layout.count).map { parameters[$0] })
    }
    for result in results.dropFirst() {
      XCTAssertEqual(result.0, results[0].0)
      assertSameBits(results[0].1, result.1)
    }
  }

  func testWhatIsRefused() throws {
    let layout = try ParameterLayout([("a", [2]), ("b", [1])])
    var accumulator = try GradientAccumulator<Float>(layout)
    var optimizer = try Optimizer<Float>(layout, rule: SGD(learningRate: 1))
    var parameters = try ParameterVector<Float>(layout)
    expect("number of accumulated gradients is 0; expected at least 1, added before the step") {
      try optimizer.step(&parameters, gradients: &accumulator)
    }
    expect("gradients has count 2; expected 3") { try accumulator.add(ParameterVector([1 as Float, 2])) }
    expect("list of gradients has count 1; expected 2") { try accumulator.add([nil]) }
    let memory = GuardedMemory([1 as Float])
    defer { withExtendedLifetime(memory) {} }
    expect("gradient of tensor 'a' has count 1; expected 2") { try accumulator.add([memory.readOnlyBuffer, nil]) }
    XCTAssertEqual(accumulator.count, 0)
    try accumulator.add([nil, memory.readOnlyBuffer])
    var short = try ParameterVector<Float>(ParameterLayout(count: 2))
    expect("parameters has count 2; expected 3") { try optimizer.step(&short, gradients: &accumulator) }
    expect("list of parameters has count 1; expected 2") {
      try optimizer.step(parameters: [memory.buffer], gradients: &accumulator)
    }
    var other = try Optimizer<Float>(ParameterLayout(count: 2), rule: SGD(learningRate: 1))
    expect("accumulated gradients has count 3; expected 2") { try other.step(&short, gradients: &accumulator) }
    expect("threads is 0; expected at least 1") { _ = try GradientAccumulator<Float>(layout, threads: 0).count }
    XCTAssertEqual(accumulator.count, 1)
  }
}
