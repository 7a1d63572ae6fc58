import Momentum
import MomentumTestSupport
import XCTest

/// Gradients brought to a norm whatever theirs is, and clips by a norm that is given.
final class NormalizationTests: XCTestCase {
  func testEveryNormBecomesTheTarget() throws {
    for factor in [1e-20, 1, 1e20] {
      var run = try EngineRun<Double>(
        [[0, 0], [0]], rule: SGD(learningRate: 1), clipping: .normalized(to: 26))
      let report = try run.step([[3 * factor, 4 * factor], [12 * factor]])
      assertClose([13 * factor], [report.totalNorm!], ulps: 1)
      XCTAssertTrue(report.wasClipped)
      assertClose([-6, -8], run.parameters[0], ulps: 2)
      assertClose([-24], run.parameters[1], ulps: 2)
    }
  }

  func testTheFormulaOfOptax() throws {
    let (elements, _) = try clipped([[3, 4] as [Double]], by: .normalized(to: 10), convention: .optax)
    assertClose([3 * (10 / (5 + 1e-6)), 4 * (10 / (5 + 1e-6))], elements[0], ulps: 2)
  }

  func testZeroStaysZeroAndNaNIsLoud() throws {
    for convention in Convention.allCases {
      let (zero, report) = try clipped([[0, -0.0] as [Float]], by: .normalized(to: 1), convention: convention)
      assertSameBits([0, -0.0], zero[0])
      XCTAssertFalse(report.wasClipped)
      let (spoiled, _) = try clipped(
        [[1, .nan] as [Float]], by: .normalized(to: 1), convention: convention, policy: .propagate)
      XCTAssertTrue(spoiled[0].allSatisfy(\.isNaN))
    }
  }

  func testANormOutOfTheTypesRange() throws {
    let (elements, report) = try clipped([[Float](repeating: 3e38, count: 4)], by: .normalized(to: 6))
    assertClose([3, 3, 3, 3], elements[0], ulps: 2)
    XCTAssertFalse(report.normOverflowed)
  }

  func testAGivenNorm() throws {
    for convention in Convention.allCases {
      var random = SeededGenerator(seed: 101)
      let tensors: [[Float]] = [random.numbers(70), random.numbers(2100), []]
      for limit in [0.5, 1e6, .infinity, 0] {
        let total = try norm(tensors).norm
        let expected = try clipped(tensors, by: .byGlobalNorm(limit), convention: convention)
        let memory = tensors.map { GuardedMemory($0) }
        let report = try Gradients.clip(
          memory.map(\.buffer), byGlobalNorm: limit, givenNorm: total, convention: convention)
        for (x, y) in zip(expected.elements, memory) { assertSameBits(x, y.elements, "\(convention) \(limit)") }
        XCTAssertEqual(report, expected.report)
      }
    }
    var vector = try ParameterVector<Double>([30, 40])
    try Gradients.clip(&vector, byGlobalNorm: 1, givenNorm: 100)
    assertClose([0.3, 0.4], [vector[0], vector[1]], ulps: 1)
  }

  func testWhatIsRefused() throws {
    for target in [0, -1, .nan, .infinity] as [Double] {
      expect("target norm is \(target); expected a positive finite number") {
        try GradientClipping.normalized(to: target)
      }
    }
    expect("clip global norm is 1.0; expected none with a target norm") {
      _ = try GradientClipping.wholeLimit(1, 2)
    }
    expect("target norm of group 'g' is 2.0; expected none but the whole's") {
      _ = try Optimizer<Float>(
        ParameterLayout(count: 1), rule: SGD(learningRate: 1),
        groups: [ParameterGroup("g", ["*"], clipping: .normalized(to: 2))]
      ).stepCount
    }
    expect("mode is onePass; expected twoPass to normalize gradients, which changes every one") {
      _ = try Optimizer<Float>(
        ParameterLayout(count: 1), rule: SGD(learningRate: 1), clipping: .normalized(to: 2),
        nonFinitePolicy: .propagate, mode: .onePass
      ).stepCount
    }
    let memory = GuardedMemory([1, 2] as [Float])
    for given in [-1, .nan, .infinity] as [Double] {
      expect("given norm is \(given); expected a finite number >= 0") {
        try Gradients.clip([memory.buffer], byGlobalNorm: 1, givenNorm: given)
      }
    }
    expect("clip global norm is -1.0; expected a number >= 0; a negative limit would flip the sign of the gradient") {
      try Gradients.clip([memory.buffer], byGlobalNorm: -1, givenNorm: 1)
    }
    expect("gradient of tensor '0' and gradient of tensor '1' overlap in memory; expected separate buffers") {
      try Gradients.clip([memory.buffer, memory.buffer], byGlobalNorm: 1, givenNorm: 1)
    }
    XCTAssertEqual(memory.elements, [1, 2])
  }
}
