import Momentum
import XCTest

/// The code of the article Migration, from construction to schedules; see ``DocumentationSnippets``.
final class DocumentationSnippetsMigration: XCTestCase {
  private let layout = try! ParameterLayout([("a.weight", [2, 2]), ("a.bias", [2])])  // valid

  private func filled(_ value: Float) throws -> ParameterVector<Float> {
    var vector = try ParameterVector<Float>(layout)
    vector.fill(value)
    return vector
  }

  func testConstruction() throws {
    // snippet
    let rule = try SGD(learningRate: 0.1, momentum: 0.9, weightDecay: 1e-4, nesterov: true, convention: .pytorch)
    var optimizer = try Optimizer<Float>(layout, rule: rule)
    // end
    var parameters = try filled(0)
    try optimizer.step(&parameters, gradients: filled(1))
    XCTAssertEqual(parameters[0], -0.19, accuracy: 1e-7)
  }

  func testGroups() throws {
    let rule = try SGD(learningRate: 0.1, momentum: 0.9, convention: .pytorch)
    // snippet
    let biases = ParameterGroup(
      "biases", ["*.bias"], rule: try SGD(learningRate: 0.2, momentum: 0.9, convention: .pytorch),
      clipping: try .byNorm(1))
    var optimizer = try Optimizer<Float>(layout, rule: rule, groups: [biases])
    // end
    var parameters = try filled(0)
    try optimizer.step(&parameters, gradients: filled(1))
    XCTAssertEqual(parameters[0], -0.1)
    XCTAssertEqual(parameters[4], -0.2 / Float(2).squareRoot(), accuracy: 1e-6)
  }

  func testClippingInAStep() throws {
    var parameters = try ParameterVector<Float>(layout)
    var gradients = try ParameterVector<Float>(layout)
    gradients[0] = 30
    gradients[4] = 40
    var optimizer = try Optimizer<Float>(layout, rule: SGD(learningRate: 1, convention: .keras))
    // snippet
    optimizer.clipping = try .byGlobalNorm(1)
    let report = try optimizer.step(&parameters, gradients: gradients)
    let norm = report.totalNorm  // before clipping
    // end
    XCTAssertEqual(norm, 50)
    XCTAssertEqual(parameters[0], -0.6, accuracy: 1e-7)
  }

  func testClips() throws {
    // snippet
    let value = try GradientClipping.byValue(0.5)
    let norm = try GradientClipping.byNorm(1)  // each tensor on its own
    let axes = try GradientClipping.byNorm(1, of: .axes([0]))  // each column on its own
    let blockRMS = try GradientClipping.byBlockRMS(1)
    let globalNorm = try GradientClipping.byGlobalNorm(1)
    let largest = try GradientClipping.byGlobalNorm(1, type: .infinity)
    let normalized = try GradientClipping.normalized(to: 1)  // also what is shorter
    // end
    var found: [Float] = []
    for clipping in [value, norm, axes, blockRMS, globalNorm, largest, normalized] {
      var gradients = try filled(3)
      try Gradients.clip(&gradients, by: clipping)
      found.append(gradients[0])
    }
    let expected: [Float] = [0.5, 0.5, 0.5.squareRoot(), 1, (1 / 6.0).squareRoot(), 1, (1 / 6.0).squareRoot()].map {
      Float($0)
    }
    for (x, y) in zip(found, expected) { XCTAssertEqual(x, y, accuracy: 1e-7) }
  }

  func testClippingOnItsOwn() throws {
    var gradients = try ParameterVector<Float>(layout)
    gradients[0] = 30
    gradients[4] = 40
    // snippet
    let report = try Gradients.clip(&gradients, by: .byGlobalNorm(1), convention: .pytorch)
    let norm = report.totalNorm
    // end
    XCTAssertEqual(norm, 50)
    XCTAssertEqual(gradients[4], 0.8, accuracy: 1e-7)
  }

  func testNormOnly() throws {
    var parameters = try ParameterVector<Float>(layout)
    var gradients = try ParameterVector<Float>(layout)
    gradients[0] = 30
    gradients[4] = 40
    var optimizer = try Optimizer<Float>(layout, rule: SGD(learningRate: 1))
    // snippet
    let norm = try Gradients.norm(of: gradients).norm
    optimizer.clipping = .measureOnly
    let same = try optimizer.step(&parameters, gradients: gradients).totalNorm
    // end
    XCTAssertEqual(norm, 50)
    XCTAssertEqual(same, 50)
    XCTAssertEqual(parameters[0], -30)
  }

  func testGivenNorm() throws {
    var gradients = try ParameterVector<Float>(layout)
    gradients[0] = 30
    let norm = 50.0
    // snippet
    try Gradients.clip(&gradients, byGlobalNorm: 1, givenNorm: norm, convention: .pytorch)
    // end
    XCTAssertEqual(gradients[0], 0.6, accuracy: 1e-7)
  }

  func testNonFiniteGradients() throws {
    var optimizer = try Optimizer<Float>(layout, rule: SGD(learningRate: 1, convention: .optax))
    var gradients = try filled(1)
    gradients[5] = .nan
    // snippet
    optimizer.nonFinitePolicy = .throw  // names the tensor and the index
    optimizer.nonFinitePolicy = .skipStep  // nothing changes; the report says wasSkipped
    optimizer.nonFinitePolicy = .zero  // NaN and infinities count as 0
    optimizer.nonFinitePolicy = .propagate
    // end
    var parameters = try filled(0)
    for (policy, moved) in [(NonFinitePolicy.skipStep, Float(0)), (.zero, -1), (.propagate, -2)] {
      optimizer.nonFinitePolicy = policy
      try optimizer.step(&parameters, gradients: gradients)
      XCTAssertEqual(parameters[0], moved)
      XCTAssertEqual(parameters[5].isNaN, policy == .propagate)
    }
    optimizer.nonFinitePolicy = .throw
    XCTAssertThrowsError(try optimizer.step(&parameters, gradients: gradients))
  }

  func testAdaptiveGradientClipping() throws {
    // snippet
    let base = try SGD(learningRate: 0.1, momentum: 0.9, convention: .optax)
    let rule = try AdaptiveGradientClipping(base, factor: 0.01, epsilon: 1e-3, units: .optax)
    // end
    var optimizer = try Optimizer<Float>(layout, rule: rule)
    var parameters = try filled(1)
    try optimizer.step(&parameters, gradients: filled(1))
    // Columns of norm √2, limited to 0.01·√2.
    XCTAssertEqual(parameters[0], 1 - 0.1 * 0.01, accuracy: 1e-7)
  }

  func testPerExampleClipping() throws {
    let examples: [Float] = [3, 4, 0.3, 0.4]
    var gradient: [Float] = [0, 0]
    // snippet
    let clipping = try PerExampleClipping(norm: 1, noiseMultiplier: 1.1)
    try examples.withUnsafeBufferPointer { examples in
      try gradient.withUnsafeMutableBufferPointer { gradient in
        _ = try clipping.average(BLAS.Matrix(examples.baseAddress, rows: 2, columns: 2), into: gradient)
      }
    }
    // end
    // The noise of a mean of two has the deviation 0.55; ten of them are beyond chance.
    XCTAssertEqual(gradient[0], 0.45, accuracy: 5.5)
    XCTAssertNotEqual(gradient[0], 0)
  }

  func testChangingTheLearningRate() throws {
    var rule = try SGD(learningRate: 0.1, momentum: 0.9)
    var optimizer = try Optimizer<Float>(layout, rule: rule)
    // snippet
    rule.learningRate = 0.01
    optimizer.rule = rule
    // end
    var parameters = try filled(0)
    try optimizer.step(&parameters, gradients: filled(1))
    XCTAssertEqual(parameters[0], -0.01)
  }

  func testSchedules() throws {
    // snippet
    let stepped = try Schedule.step(initial: 0.1, factor: 0.1, every: 30)
    let milestones = try Schedule.piecewise(boundaries: [30, 80], values: [0.1, 0.01, 0.001])
    let exponential = try Schedule.exponential(initial: 0.1, rate: 0.95)
    let ending = try Schedule.exponential(initial: 0.1, rate: 0.5, final: 0.01)
    let cosine = try Schedule.cosine(initial: 0.1, final: 0.001, steps: 100)
    let powered = try Schedule.cosine(initial: 0.1, final: 0.001, steps: 100, power: 2)
    let restarts = try Schedule.cosine(initial: 0.1, steps: 10, restartFactor: 2)
    let lower = try Schedule.cosine(initial: 0.1, steps: 10, restartFactor: 2, restartScale: 0.5)
    let linear = try Schedule.linear(from: 0.01, to: 0.1, steps: 5)
    let polynomial = try Schedule.polynomial(from: 0.1, to: 0, steps: 100, power: 2)
    let cycles = try Schedule.polynomial(from: 0.1, to: 0, steps: 100, power: 2, cycles: true)
    let oneCycle = try Schedule.oneCycle(peak: 0.1, steps: 100)
    let rising = try Schedule.interpolated(boundaries: [30, 100], values: [0.004, 0.1, 4e-7], curve: .cosine)
    let lines = try Schedule.interpolated(boundaries: [30, 80], values: [0.1, 0.2, 0.1])
    let inverseTime = try Schedule.inverseTime(initial: 0.1, rate: 0.5, every: 10)
    let warmup = try Schedule.warmup(from: 0, steps: 5, then: cosine)
    let joined = try Schedule.joined([linear, exponential], boundaries: [5])
    let own = Schedule.custom { t in 0.1 / Double(t + 1) }
    // end
    let at10 = [
      stepped, milestones, exponential, ending, cosine, powered, restarts, lower, linear, polynomial, cycles, oneCycle,
      rising, lines, inverseTime, warmup, joined, own,
    ].map { $0.value(at: 10) }
    let expected = [
      0.1, 0.1, 0.05987369392383789, 0.01, 0.09757729755661011, 0.0952138828620001, 0.1, 0.05, 0.1, 0.081, 0.081,
      0.029516394846410072, 0.027999999999999994, 0.13333333333333333, 0.1 / 1.5, 0.0993905728594593, 0.0773780937,
      0.1 / 11,
    ]
    for (index, (x, y)) in zip(at10, expected).enumerated() { XCTAssertEqual(x, y, accuracy: 1e-8, "\(index)") }
  }
}
