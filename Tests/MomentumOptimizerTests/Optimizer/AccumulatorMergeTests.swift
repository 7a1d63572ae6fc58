import Momentum
import MomentumTestSupport
import XCTest

/// Sums of gradients that were added in two places. The reference is one accumulator that got them all.
final class AccumulatorMergeTests: XCTestCase {
  private let counts = [2500, 1, 0, 33]
  private var layout: ParameterLayout {
    get throws { try ParameterLayout(counts.enumerated().map { ("\($0)", [$1]) }) }
  }

  /// Takes a step with a sum; what there is to compare.
  private func step<S: BLASScalar>(
    _ accumulator: inout GradientAccumulator<S>
  ) throws -> (parameters: [S], report: StepReport, tensors: [TensorReport]) {
    var optimizer = try Optimizer<S>(layout, rule: SGD(learningRate: 0.5), clipping: .byGlobalNorm(3))
    var parameters = try ParameterVector<S>(layout)
    let report = try optimizer.step(&parameters, gradients: &accumulator)
    return ((0..<parameters.count).map { parameters[$0] }, report, optimizer.tensorReports())
  }

  func testOneGradientMoreIsAsIfItHadBeenAddedFloat() throws { try oneGradientMore(Float.self) }
  func testOneGradientMoreIsAsIfItHadBeenAddedDouble() throws { try oneGradientMore(Double.self) }

  private func oneGradientMore<S: BLASScalar>(_: S.Type) throws {
    let layout = try layout
    for reduction in GradientAccumulator<S>.Reduction.allCases {
      // The weights of the first, of which the largest is the unit.
      for weights in [[], [1], [1, 1], [0.375, 3], [0], [0x1p-900], [0x1p900, 5]] as [[Double]] {
        var random = SeededGenerator(seed: 81)
        var first = try GradientAccumulator<S>(layout, reduction: reduction)
        var whole = try GradientAccumulator<S>(layout, reduction: reduction)
        for weight in weights {
          let gradient: [S] = random.numbers(layout.count)
          try first.add(ParameterVector(gradient), weight: weight)
          try whole.add(ParameterVector(gradient), weight: weight)
        }
        var second = try GradientAccumulator<S>(layout, reduction: reduction)
        let gradient: [S] = random.numbers(layout.count)
        try second.add(ParameterVector(gradient))
        try whole.add(ParameterVector(gradient))
        try first.merge(second)
        XCTAssertEqual(second.count, 1, "it stays as it is")
        XCTAssertEqual(first.count, whole.count)
        XCTAssertEqual(first.totalWeight, whole.totalWeight, "\(weights)")
        XCTAssertEqual(first.sumScale, whole.sumScale, "\(weights)")
        let (x, y) = (try step(&first), try step(&whole))
        assertSameBits(y.parameters, x.parameters, seed: 81, "\(weights), \(reduction)")
        XCTAssertEqual(x.report, y.report)
        XCTAssertEqual(x.tensors, y.tensors)
      }
    }
  }

  func testWeightsOfBothCount() throws {
    // All sums are exact, so that their order does not matter.
    let layout = try ParameterLayout([("a", [1]), ("b", [1]), ("c", [1])])
    for swapped in [false, true] {
      var x = try GradientAccumulator<Double>(layout)
      var y = try GradientAccumulator<Double>(layout)
      func add(_ accumulator: inout GradientAccumulator<Double>, _ values: [Double?], _ weight: Double) throws {
        let memory = values.map { $0.map { GuardedMemory([$0]) } }
        try accumulator.add(memory.map { $0?.readOnlyBuffer }, weight: weight)
        withExtendedLifetime(memory) {}
      }
      try add(&x, [2, nil, nil], 3)
      try add(&x, [4, nil, nil], 0.5)
      try add(&y, [8, 16, nil], 4.5)
      func check(_ merged: inout GradientAccumulator<Double>) throws {
        XCTAssertEqual(merged.count, 3)
        XCTAssertEqual(merged.totalWeight, 8)
        var optimizer = try Optimizer<Double>(layout, rule: SGD(learningRate: 1))
        var parameters = try ParameterVector<Double>(layout)
        try optimizer.step(&parameters, gradients: &merged)
        XCTAssertEqual((0..<3).map { parameters[$0] }, [-(6.0 + 2 + 36) / 8, -9, 0])
      }
      if swapped {
        try y.merge(x)
        try check(&y)
      } else {
        try x.merge(y)
        try check(&x)
      }
    }
  }

  func testNothingAndGradientsOfWeightZero() throws {
    let layout = try ParameterLayout(count: 1)
    var sum = try GradientAccumulator<Float>(layout)
    var empty = try GradientAccumulator<Float>(layout)
    try sum.merge(empty)
    XCTAssertEqual(sum.count, 0)
    try empty.add(ParameterVector([Float.nan]), weight: 0)
    try sum.add(ParameterVector([2 as Float]))
    try sum.merge(empty)
    XCTAssertEqual(sum.count, 2)
    XCTAssertEqual(sum.totalWeight, 1)
    XCTAssertEqual(sum.withUnsafeSum(ofTensor: 0) { $0.map(Array.init) }, [2])
  }

  func testWhatIsRefused() throws {
    let layout = try ParameterLayout([("a", [1]), ("b", [1])])
    var sum = try GradientAccumulator<Float>(layout)
    let other = try GradientAccumulator<Float>(ParameterLayout([("b", [1]), ("a", [1])]))
    expect("tensor 0 of the merged gradients is 'b' of shape [1]; expected 'a' of shape [1]") { try sum.merge(other) }
    let plain = try GradientAccumulator<Float>(layout, reduction: .sum)
    expect("reduction of the merged gradients is sum; expected mean, as of those that they are added to") {
      try sum.merge(plain)
    }
    XCTAssertEqual(sum.count, 0)
  }

  func testBuffersThatMayBeWritten() throws {
    let layout = try ParameterLayout([("a", [2]), ("b", [1])])
    let memory = [GuardedMemory([1.0, 2]), GuardedMemory([3.0])]
    for gradient in memory { gradient.forbidWriting() }
    var sum = try GradientAccumulator<Double>(layout)
    try sum.add(memory.map(\.buffer), weight: 2)
    XCTAssertEqual(sum.withUnsafeSum(ofTensor: 0) { $0.map(Array.init) }, [1, 2])
    XCTAssertEqual(sum.sumScale, 2)
    expect("list of gradients has count 1; expected 2") { try sum.add([memory[0].buffer]) }
    expect("gradient of tensor 'a' has count 1; expected 2") { try sum.add([memory[1].buffer, memory[1].buffer]) }

    let parameters = [GuardedMemory([0.0, 0]), GuardedMemory([0.0])]
    var optimizer = try Optimizer<Double>(layout, rule: SGD(learningRate: 1))
    try optimizer.step(parameters: parameters.map(\.buffer), gradients: memory.map(\.buffer))
    XCTAssertEqual(parameters.map(\.elements), [[-1, -2], [-3]])
    XCTAssertThrowsError(try optimizer.step(parameters: parameters.map(\.buffer), gradients: parameters.map(\.buffer)))
    {
      guard case MomentumError.overlap = $0 else { return XCTFail("\($0)") }
    }
    withExtendedLifetime(memory) {}
  }
}
