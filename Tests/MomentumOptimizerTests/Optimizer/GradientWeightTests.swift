import Momentum
import MomentumTestSupport
import XCTest

/// Accumulated gradients with weights, against plain loops in `Double` and values by hand.
final class GradientWeightTests: XCTestCase {
  /// The gradient that a step takes: what it subtracts from zeros, with learning rate 1.
  private func gradient<S: BLASScalar>(
    _ parts: [([S], Double)], _ reduction: GradientAccumulator<S>.Reduction = .mean,
    clipping: GradientClipping = .measureOnly, mode: StepMode = .twoPass, threads: Int? = nil
  ) throws -> [S] {
    let layout = try ParameterLayout(count: parts[0].0.count)
    var accumulator = try GradientAccumulator<S>(layout, reduction: reduction, threads: threads)
    var optimizer = try Optimizer<S>(
      layout, rule: SGD(learningRate: 1, maximize: true), clipping: clipping, nonFinitePolicy: .propagate, mode: mode,
      threads: threads)
    var parameters = try ParameterVector<S>(layout)
    for (part, weight) in parts { try accumulator.add(ParameterVector(part), weight: weight) }
    try optimizer.step(&parameters, gradients: &accumulator)
    XCTAssertEqual(accumulator.count, 0)
    XCTAssertEqual(accumulator.totalWeight, 0)
    return (0..<layout.count).map { parameters[$0] }
  }

  func testTheMeanOverTokens() throws {
    // One token with mean 4, three with mean 0: 4 over 4 tokens.
    for parts: [([Float], Double)] in [[([4], 1), ([0], 3)], [([0], 3), ([4], 1)], [([4], 0.5), ([0], 1.5)]] {
      XCTAssertEqual(try gradient(parts), [1])
      XCTAssertEqual(try gradient(parts, clipping: .byGlobalNorm(0.5)), [0.5])
      XCTAssertEqual(try gradient(parts, mode: .onePass), [1])
    }
    XCTAssertEqual(try gradient([([4], 1), ([0], 3)] as [([Float], Double)], .sum), [4])
    XCTAssertEqual(try gradient([([4, 1], 3), ([2, 5], 2)] as [([Double], Double)], .sum), [16, 13])
    XCTAssertEqual(try gradient([([4, 1], 3), ([2, 5], 1)] as [([Double], Double)]), [3.5, 2])
  }

  func testAgainstPlainLoopsFloat() throws { try againstPlainLoops(Float.self) }
  func testAgainstPlainLoopsDouble() throws { try againstPlainLoops(Double.self) }

  private func againstPlainLoops<S: BLASScalar>(_: S.Type) throws {
    var random = SeededGenerator(seed: 101)
    for batches in [1, 2, 3, 7] {
      let parts: [([S], Double)] = (0..<batches).map { _ in
        (random.numbers(4200), Double(Int.random(in: 1...5000, using: &random)))
      }
      let total = parts.reduce(0) { $0 + $1.1 }
      for reduction in GradientAccumulator<S>.Reduction.allCases {
        let result = try gradient(parts, reduction)
        let divisor = reduction == .mean ? total : 1
        for index in result.indices {
          let terms = parts.map { Double($0.0[index]) * $0.1 / divisor }
          let size = terms.reduce(0) { $0 + $1.magnitude }
          XCTAssertEqual(
            Double(result[index]), terms.reduce(0, +), accuracy: Double(batches + 2) * size * Double(S.ulpOfOne))
        }
      }
    }
  }

  func testEqualWeightsAreNone() throws {
    var random = SeededGenerator(seed: 102)
    let gradients: [[Float]] = (0..<3).map { _ in random.numbers(2500) }
    let layout = try ParameterLayout(count: 2500)
    var accumulator = try GradientAccumulator<Float>(layout)
    var optimizer = try Optimizer<Float>(layout, rule: SGD(learningRate: 1, maximize: true), clipping: .measureOnly)
    var parameters = try ParameterVector<Float>(layout)
    for gradient in gradients { try accumulator.add(ParameterVector(gradient)) }
    XCTAssertEqual(accumulator.totalWeight, 3)
    XCTAssertEqual(accumulator.sumScale, 1)
    try optimizer.step(&parameters, gradients: &accumulator)
    let unweighted = (0..<2500).map { parameters[$0] }
    for weight in [1, 0x1p-1074, 0x1p-30, 0x1p200, 0x1p1023] {
      assertSameBits(unweighted, try gradient(gradients.map { ($0, weight) }), "\(weight)")
    }
  }

  func testAGradientWithoutAWeightHasTheWeightOne() throws {
    let layout = try ParameterLayout(count: 1)
    var accumulator = try GradientAccumulator<Double>(layout)
    try accumulator.add(ParameterVector([6.0]))
    try accumulator.add(ParameterVector([2.0]), weight: 3)
    XCTAssertEqual(accumulator.count, 2)
    XCTAssertEqual(accumulator.totalWeight, 4)
    XCTAssertEqual(accumulator.sumScale, 2)
    XCTAssertEqual(accumulator.withUnsafeSum(ofTensor: 0) { $0?.first }, 6, "12 divided by the scale")
    var optimizer = try Optimizer<Double>(layout, rule: SGD(learningRate: 1))
    var parameters = try ParameterVector<Double>(layout)
    XCTAssertEqual(try optimizer.step(&parameters, gradients: &accumulator).totalNorm, 3)
    XCTAssertEqual(parameters[0], -3)
  }

  func testWeightsOfAnySize() throws {
    // The products are out of the range of `Float`, the means are not.
    let table: [(parts: [([Float], Double)], mean: [Float])] = [
      ([([1e10, -3], 0x1p100), ([2e10, 1], 0x1p100)], [1.5e10, -1]),
      ([([1e38, 1], 1e30), ([1e38, 1], 3e30)], [1e38, 1]),
      ([([1e-30, 1], 0x1p-140), ([3e-30, 3], 0x1p-140)], [2e-30, 2]),
      ([([7, 1], 1e-300), ([5, 2], 1e300)], [5, 2]),
      ([([5, 2], 1e300), ([7, 1], 1e-300)], [5, 2]),
      ([([5, 2], 1e300), ([7, 1], 1e-300), ([1, 0], 1e300)], [3, 1]),
      ([([5, 2], .leastNonzeroMagnitude), ([7, 4], .leastNonzeroMagnitude)], [6, 3]),
      ([([5, 2], .greatestFiniteMagnitude), ([7, 4], .greatestFiniteMagnitude)], [6, 3]),
      // What is small in weight is large in the gradient.
      ([([0x1p100, 0], 0x1p-160), ([0, 1], 1)], [0x1p-60, 1]),
      ([([0, 1], 1), ([0x1p100, 0], 0x1p-160)], [0x1p-60, 1]),
    ]
    for (number, row) in table.enumerated() {
      let result = try gradient(row.parts)
      for (mean, element) in zip(row.mean, result) { assertClose(mean, element, ulps: 2, "row \(number)") }
    }
    // A sum beyond `Float` is clipped as it ought to be.
    let sum = try gradient([([3e20], 1e30), ([1e20], 1e30)] as [([Float], Double)], .sum, clipping: .byGlobalNorm(0.5))
    XCTAssertEqual(sum, [0.5])
  }

  func testAWeightOfZeroIsNotRead() throws {
    XCTAssertEqual(try gradient([([.nan], 0), ([4], 2), ([.infinity], 0)] as [([Float], Double)]), [4])
    let layout = try ParameterLayout(count: 1)
    var accumulator = try GradientAccumulator<Double>(layout)
    var optimizer = try Optimizer<Double>(layout, rule: SGD(learningRate: 1, weightDecay: 0.5))
    var parameters = try ParameterVector([8.0])
    let before = optimizer.state()
    try accumulator.add(ParameterVector([1.0]), weight: 0)
    try accumulator.add(ParameterVector([2.0]), weight: 0)
    for reduction in GradientAccumulator<Double>.Reduction.allCases {
      var accumulator = try GradientAccumulator<Double>(layout, reduction: reduction)
      try accumulator.add(ParameterVector([1.0]), weight: 0)
      expect("total weight of the accumulated gradients is 0.0; expected a positive finite number") {
        try optimizer.step(&parameters, gradients: &accumulator)
      }
      XCTAssertEqual(accumulator.count, 1, "the sum stays as it was")
    }
    XCTAssertEqual(parameters[0], 8)
    XCTAssertEqual(optimizer.state(), before)
    try accumulator.add(ParameterVector([2.0]), weight: 5)
    try optimizer.step(&parameters, gradients: &accumulator)
    XCTAssertEqual(parameters[0], 2)
  }

  func testWeightsThatAreRefused() throws {
    var accumulator = try GradientAccumulator<Float>(ParameterLayout(count: 1))
    try accumulator.add(ParameterVector([3 as Float]), weight: 2)
    for weight in [-1, -0x1p-1074, .infinity, .nan] {
      expect("weight of a gradient is \(weight); expected a finite number >= 0") {
        try accumulator.add(ParameterVector([1 as Float]), weight: weight)
      }
    }
    XCTAssertEqual(accumulator.count, 1)
    XCTAssertEqual(accumulator.totalWeight, 2)
    XCTAssertEqual(accumulator.withUnsafeSum(ofTensor: 0) { $0?.first }, 3)
  }

  func testTensorsThatMissSomeGradients() throws {
    let layout = try ParameterLayout([("a", [1]), ("b", [1]), ("c", [1])])
    var accumulator = try GradientAccumulator<Double>(layout)
    let parts: [([Double?], Double)] = [([nil, 5, nil], 1), ([2, nil, nil], 4), ([1, 5, nil], 5)]
    for (gradient, weight) in parts {
      let memory = gradient.map { $0.map { GuardedMemory([$0]) } }
      try withExtendedLifetime(memory) { try accumulator.add(memory.map { $0?.readOnlyBuffer }, weight: weight) }
    }
    var optimizer = try Optimizer<Double>(
      layout, rule: SGD(learningRate: 1, weightDecay: 0.5), clipping: .measureOnly)
    let memory = [0.0, 0, 8].map { GuardedMemory([$0]) }
    let report = try optimizer.step(parameters: memory.map(\.buffer), gradients: &accumulator)
    assertClose([-1.3, -3, 8], memory.map { $0.elements[0] }, ulps: 1)
    assertClose((1.3 * 1.3 + 9).squareRoot(), report.totalNorm!, ulps: 2)
  }

  func testThreadsDoNotMatter() throws {
    var random = SeededGenerator(seed: 103)
    let parts: [([Float], Double)] = [1, 3000, 7, 0.3].map { (random.numbers(220_001), $0) }
    let one = try gradient(parts, clipping: .byGlobalNorm(1), threads: 1)
    for threads in [2, 5] {
      assertSameBits(one, try gradient(parts, clipping: .byGlobalNorm(1), threads: threads))
    }
  }
}
