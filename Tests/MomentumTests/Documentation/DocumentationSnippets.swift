import Momentum
import XCTest

/// The code of the README, of the articles and of the doc comments, run and with its results checked.
///
/// What lies between a line `// snippet` and a line `// end` stands there letter by letter; `DocumentationTests` compares
/// them, both ways.
final class DocumentationSnippets: XCTestCase {
  func testFirstStep() throws {
    // snippet
    let layout = try ParameterLayout([("weight", [2, 2]), ("bias", [2])])
    var parameters = try ParameterVector<Float>(layout)  // zeros
    var gradients = try ParameterVector<Float>(layout)
    gradients[0] = 30
    gradients[4] = 40

    var optimizer = try Optimizer<Float>(
      layout, rule: SGD(learningRate: 0.5, momentum: 0.9), clipping: .byGlobalNorm(25))
    let report = try optimizer.step(&parameters, gradients: gradients)

    let norm = report.totalNorm  // 50, measured before clipping
    let factor = report.clipCoefficient  // 0.5
    let moved = (parameters[0], parameters[4])  // (-7.5, -10)
    // end
    XCTAssertEqual(norm, 50)
    XCTAssertEqual(factor, 0.5)
    XCTAssertEqual(moved.0, -7.5)
    XCTAssertEqual(moved.1, -10)
    XCTAssertEqual(gradients[0], 30, "a step writes no gradient")
  }

  func testMemoryOfTheCaller() throws {
    // snippet
    let layout = try ParameterLayout(count: 3)
    var optimizer = try Optimizer<Double>(layout, rule: SGD(learningRate: 0.5))
    var weights = [1.0, 2.0, 3.0]
    let slopes = [2.0, 0.0, -2.0]
    var span = weights.mutableSpan
    try optimizer.step(&span, gradients: slopes.span)
    // weights is [0, 2, 4]
    // end
    XCTAssertEqual(weights, [0, 2, 4])
  }

  func testTensorsAnywhere() throws {
    let memory = UnsafeMutableBufferPointer<Float>.allocate(capacity: 8)
    memory.initialize(repeating: 1)
    defer { memory.deallocate() }
    let weight = UnsafeMutableBufferPointer(rebasing: memory[0..<2])
    let frozen = UnsafeMutableBufferPointer(rebasing: memory[4..<5])
    let weightGradient = UnsafeBufferPointer(rebasing: memory[6..<8])
    // snippet
    let layout = try ParameterLayout([("weight", [2]), ("frozen", [1])])
    var optimizer = try Optimizer<Float>(layout, rule: SGD(learningRate: 0.25, momentum: 0.9))
    try optimizer.step(parameters: [weight, frozen], gradients: [weightGradient, nil])
    // end
    XCTAssertEqual(Array(memory), [0.75, 0.75, 1, 1, 1, 1, 1, 1])
  }

  func testNormOnItsOwn() throws {
    let gradient: [Float] = [3, 0, -4]
    // snippet
    let norm = try Gradients.norm(of: gradient.span).norm  // 5
    let largest = try Gradients.norm(of: gradient.span, type: .infinity).norm  // 4
    // end
    XCTAssertEqual(norm, 5)
    XCTAssertEqual(largest, 4)
  }

  func testClipInPlace() throws {
    // snippet
    var gradient: [Double] = [3, -4]
    var span = gradient.mutableSpan
    let report = try Gradients.clip(&span, by: .byGlobalNorm(2.5))
    // gradient is [1.5, -2]; report.totalNorm is 5
    // end
    XCTAssertEqual(report.totalNorm, 5)
    XCTAssertEqual(gradient, [1.5, -2])
  }

  func testPartialNorms() throws {
    let (first, second): ([Float], [Float]) = ([3, 0], [0, 4])
    try first.withUnsafeBufferPointer { first in
      try second.withUnsafeBufferPointer { second in
        // snippet
        var total = try NormPartial(of: first)
        total.merge(try NormPartial(of: second))
        let norm = total.norm
        // end
        XCTAssertEqual(norm, 5)
        // snippet
        let mine = try NormPartial(of: first).words
        let theirs = try NormPartial(of: second).words
        let sums = zip(mine, theirs).map(+)  // what MPI_Allreduce with MPI_SUM gives every rank
        let global = try NormPartial(.l2, words: sums).norm
        // end
        XCTAssertEqual(global, 5)
      }
    }
  }

  func testOwnersOfOneGradient() throws {
    var gradients: [[Float]] = [[3, 0], [0, 4]]
    let buffers = gradients.map { gradient in
      let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: gradient.count)
      _ = buffer.initialize(from: gradient)
      return buffer
    }
    defer { for buffer in buffers { buffer.deallocate() } }
    let (first, second) = (buffers[0], buffers[1])
    // snippet
    nonisolated(unsafe) let parts = [first, second]  // two buffers, each for one thread
    let reports = try ThreadExchange.run(owners: 2) { owner, exchange throws(MomentumError) in
      try Gradients.clip([parts[owner]], by: .byGlobalNorm(1), exchange: exchange)
    }
    // end
    gradients = buffers.map { Array($0) }
    XCTAssertEqual(reports.map { $0.totalNorm }, [5, 5])
    XCTAssertEqual(gradients, [[0.6, 0], [0, 0.8]])
  }

  func testResuming() throws {
    let layout = try ParameterLayout(count: 2)
    let rule = try SGD(learningRate: 0.1, momentum: 0.9)
    let gradients = try ParameterVector<Float>([1, 2])
    var parameters = try ParameterVector<Float>(layout)
    var optimizer = try Optimizer<Float>(layout, rule: rule)
    try optimizer.step(&parameters, gradients: gradients)
    var copy = try parameters.clone()
    // snippet
    let state = optimizer.state()  // Codable: encode it beside the parameters
    var resumed = try Optimizer<Float>(layout, rule: rule)
    try resumed.restore(state)
    // end
    try optimizer.step(&parameters, gradients: gradients)
    try resumed.step(&copy, gradients: gradients)
    for i in 0..<2 { XCTAssertEqual(parameters[i].bitPattern, copy[i].bitPattern) }
    XCTAssertEqual(resumed.stepCount, 2)
  }

  func testOwnRule() throws {
    let layout = try ParameterLayout(count: 1)
    var parameters = try ParameterVector<Float>(layout)
    let gradients = try ParameterVector<Float>([3])
    var optimizer = try Optimizer<Float>(layout, rule: HalfStep(), clipping: .byGlobalNorm(1))
    try optimizer.step(&parameters, gradients: gradients)
    XCTAssertEqual(parameters[0], -0.5)
    XCTAssertEqual(optimizer.lastPrograms.map(\.traffic.words), [3])
  }

  func testLayout() throws {
    // snippet
    let layout = try ParameterLayout([("weight", [64, 2]), ("bias", [64])])
    let total = layout.count  // 192
    let start = layout.tensors[1].offset  // 128
    // end
    XCTAssertEqual(total, 192)
    XCTAssertEqual(start, 128)
  }

  func testRule() throws {
    let layout = try ParameterLayout(count: 1)
    // snippet
    let rule = try SGD(learningRate: 0.02, momentum: 0.9)
    var optimizer = try Optimizer<Float>(layout, rule: rule, clipping: .byGlobalNorm(1))
    // end
    var parameters = try ParameterVector<Float>([0])
    try optimizer.step(&parameters, gradients: ParameterVector([3]))
    XCTAssertEqual(parameters[0], -0.02)
  }

  func testClippings() throws {
    // snippet
    let clipping = try GradientClipping.byGlobalNorm(1)
    let both = try GradientClipping(value: -5...5, whole: .norm(1))
    // end
    XCTAssertEqual(clipping.globalNorm, 1)
    XCTAssertEqual(both.value, -5...5)
  }

  func testGroups() throws {
    let layout = try ParameterLayout([("a.weight", [2]), ("a.bias", [1])])
    var parameters = try ParameterVector<Float>(layout)
    let gradients = try ParameterVector<Float>(layout)
    // snippet
    let biases = ParameterGroup("biases", ["*.bias"], rule: try SGD(learningRate: 0.2))
    var optimizer = try Optimizer<Float>(
      layout, rule: SGD(learningRate: 0.1, weightDecay: 1e-4), groups: [biases], clipping: .byGlobalNorm(1))
    // end
    XCTAssertNoThrow(try optimizer.step(&parameters, gradients: gradients))
    XCTAssertEqual(optimizer.lastPrograms.count, 2)
  }

  func testAccumulation() throws {
    let layout = try ParameterLayout(count: 1)
    var parameters = try ParameterVector<Float>(layout)
    var optimizer = try Optimizer<Float>(layout, rule: SGD(learningRate: 1))
    let first = try ParameterVector<Float>([1])
    let second = try ParameterVector<Float>([3])
    // snippet
    var accumulator = try GradientAccumulator<Float>(layout)
    try accumulator.add(first)
    try accumulator.add(second)
    try optimizer.step(&parameters, gradients: &accumulator)  // with the mean of both
    // end
    XCTAssertEqual(parameters[0], -2)
  }

  func testWeightedAccumulation() throws {
    let layout = try ParameterLayout(count: 1)
    var parameters = try ParameterVector<Float>(layout)
    var optimizer = try Optimizer<Float>(layout, rule: SGD(learningRate: 1))
    var accumulator = try GradientAccumulator<Float>(layout)
    let ofOneToken = try ParameterVector<Float>([4])
    let ofThreeTokens = try ParameterVector<Float>([0])
    // snippet
    try accumulator.add(ofOneToken, weight: 1)
    try accumulator.add(ofThreeTokens, weight: 3)
    try optimizer.step(&parameters, gradients: &accumulator)  // with the mean over four tokens
    // end
    XCTAssertEqual(parameters[0], -1)
  }

  func testTwoRoutines() throws {
    // snippet
    let x: [Double] = [1, 2, 3]
    var y: [Double] = [1, 1, 1]
    let product = try BLAS.dot(x.span, x.span)  // 14
    var span = y.mutableSpan
    try BLAS.axpy(2, x.span, into: &span)
    // y is [3, 5, 7]
    // end
    XCTAssertEqual(product, 14)
    XCTAssertEqual(y, [3, 5, 7])
  }
}

// snippet
/// Descends with half of the clipped gradient.
struct HalfStep: UpdateRule {
  var convention: Convention { .native }
  var usesVelocity: Bool { false }
  func validate() throws(MomentumError) {}

  func compile(_ tensor: TensorState, into program: inout StepProgram) -> Double {
    program.append(.axpy(factor: tensor.gradientFactor * -0.5, from: .gradient, into: .parameters))
    return tensor.velocityScale
  }
}
// end

/// Momentum without a convention: `v ← m·v + g; p ← p - lr·v`.
private struct HeavyBall: UpdateRule {
  var (learningRate, momentum) = (0.1, 0.9)
  var convention: Convention { .native }
  var usesVelocity: Bool { true }
  func validate() throws(MomentumError) {}

  // snippet
  func compile(_ tensor: TensorState, into program: inout StepProgram) -> Double {
    let scale = program.decayVelocity(of: tensor, by: momentum)
    program.append(.axpy(factor: tensor.gradientFactor / ScaledDouble(scale), from: .gradient, into: .direction))
    program.append(.axpy(factor: ScaledDouble(-learningRate) * scale, from: .direction, into: .parameters))
    return scale
  }
  // end
}

extension DocumentationSnippets {
  func testARuleWithAVelocity() throws {
    let layout = try ParameterLayout(count: 3)
    var own = try Optimizer<Float>(layout, rule: HeavyBall())
    var ours = try Optimizer<Float>(layout, rule: SGD(learningRate: 0.1, momentum: 0.9))
    var first = try ParameterVector<Float>(layout)
    var second = try ParameterVector<Float>(layout)
    var gradients = try ParameterVector<Float>(layout)
    for step in 0..<200 {
      for index in 0..<3 { gradients[index] = Float(step % 7) - Float(index) }
      try own.step(&first, gradients: gradients)
      try ours.step(&second, gradients: gradients)
      for index in 0..<3 { XCTAssertEqual(first[index].bitPattern, second[index].bitPattern) }
    }
  }
}

// MARK: - Units and examples

extension DocumentationSnippets {
  private func layout() throws -> ParameterLayout { try ParameterLayout([("a.weight", [2, 2]), ("a.bias", [2])]) }

  func testAdaptiveGradientClipping() throws {
    let layout = try layout()
    // snippet
    let rule = try AdaptiveGradientClipping(SGD(learningRate: 0.1, momentum: 0.9), factor: 0.01)
    var optimizer = try Optimizer<Float>(layout, rule: rule)
    // end
    var parameters = try ParameterVector<Float>(layout)
    var gradients = try ParameterVector<Float>(layout)
    gradients.fill(1)
    try optimizer.step(&parameters, gradients: gradients)
    // Every unit of two elements is clipped to the norm 0.01 · 10⁻³.
    XCTAssertEqual(parameters[0], -0.1 * 1e-5 / Float(2).squareRoot(), accuracy: 1e-12)
  }

  func testLARS() throws {
    let layout = try layout()
    // snippet
    let biases = ParameterGroup("biases", ["*.bias"], rule: try LARS(learningRate: 0.1, momentum: 0.9, adapts: false))
    var optimizer = try Optimizer<Float>(
      layout, rule: LARS(learningRate: 2, momentum: 0.9, weightDecay: 1e-4), groups: [biases])
    // end
    var parameters = try ParameterVector<Float>(layout)
    parameters.fill(1)
    var gradients = try ParameterVector<Float>(layout)
    gradients.fill(1)
    try optimizer.step(&parameters, gradients: gradients)
    XCTAssertEqual(parameters[0], 0.998, accuracy: 1e-6)
    XCTAssertEqual(parameters[4], 0.9, accuracy: 1e-6)
  }

  func testPerExampleClipping() throws {
    // snippet
    let clipping = try PerExampleClipping(norm: 1)
    let examples: [Float] = [3, 4, 0.3, 0.4]  // two examples of two parameters
    var gradient: [Float] = [0, 0]
    let report = try examples.withUnsafeBufferPointer { examples in
      try gradient.withUnsafeMutableBufferPointer { gradient in
        try clipping.average(BLAS.Matrix(examples.baseAddress, rows: 2, columns: 2), into: gradient)
      }
    }
    // gradient is [0.45, 0.6], report.clippedCounts is [1]
    // end
    XCTAssertEqual(gradient[0], 0.45, accuracy: 1e-6)
    XCTAssertEqual(gradient[1], 0.6, accuracy: 1e-6)
    XCTAssertEqual(report.clippedCounts, [1])
  }
}
