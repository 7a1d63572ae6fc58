import Momentum
import MomentumTestSupport
import XCTest

/// What NaN and infinite gradients do under each policy.
final class NonFinitePolicyTests: XCTestCase {
  func testThrowNamesTheFirstOffenderFloat() throws { try throwNamesTheFirstOffender(Float.self) }
  func testThrowNamesTheFirstOffenderDouble() throws { try throwNamesTheFirstOffender(Double.self) }
  func testSkipLeavesEveryBitFloat() throws { try skipLeavesEveryBit(Float.self) }
  func testSkipLeavesEveryBitDouble() throws { try skipLeavesEveryBit(Double.self) }

  func testClipsInPlaceNameTheTensorOfAVector() throws {
    for clipping in [try GradientClipping.byGlobalNorm(1), try .byNorm(1), try .byValue(1)] {
      var gradients = try ParameterVector<Float>(ParameterLayout([("weight", [70, 50]), ("bias", [3])]))
      gradients[3502] = .infinity
      XCTAssertThrowsError(try Gradients.clip(&gradients, by: clipping)) {
        XCTAssertEqual(
          $0 as? MomentumError, .nonFiniteGradient(tensor: "bias", index: 2, value: .infinity), "\(clipping)")
      }
    }
  }

  private func throwNamesTheFirstOffender<S: BLASScalar>(_: S.Type) throws {
    let counts = [70, 5000, 10]
    // Position, index and value; the first of several, wherever they lie in the tiles.
    let places: [[(Int, Int, S)]] = [
      [(0, 0, .nan)], [(0, 69, .infinity)], [(1, 2047, -.infinity)], [(1, 2048, .nan), (1, 2047 + 40, .nan)],
      [(1, 4999, .infinity), (2, 0, .nan)], [(2, 9, .nan)], [(1, 100, .infinity), (1, 99, .nan)],
    ]
    for place in places {
      for type in [NormType.l2, .l1, .infinity, .p(2.5)] {
        var gradients = counts.map { [S](repeating: 1, count: $0) }
        for (tensor, index, value) in place { gradients[tensor][index] = value }
        let first = place.min { ($0.0, $0.1) < ($1.0, $1.1) }!
        for threads in [1, 3] {
          var run = try EngineRun(
            gradients.map { $0.map { _ in S(2) } }, rule: SGD(learningRate: 1, momentum: 0.5, weightDecay: 0.5),
            clipping: .byGlobalNorm(1, type: type), threads: threads)
          XCTAssertThrowsError(try run.step(gradients)) { error in
            guard case .nonFiniteGradient(let tensor, let index, let value)? = error as? MomentumError else {
              return XCTFail("\(error)")
            }
            XCTAssertEqual(tensor, "tensor \(first.0)")
            XCTAssertEqual(index, first.1)
            XCTAssertTrue(value == Double(first.2) || (value.isNaN && first.2.isNaN))
          }
          XCTAssertEqual(run.parameters.flatMap { $0 }, [S](repeating: 2, count: 5080), "parameters are untouched")
          XCTAssertEqual(run.optimizer.stepCount, 0)
          XCTAssertTrue(run.optimizer.state().direction.isEmpty)
        }
      }
    }
  }

  private func skipLeavesEveryBit<S: BLASScalar>(_: S.Type) throws {
    var random = SeededGenerator(seed: 51)
    let start: [[S]] = [random.numbers(2100), [-0.0, .leastNonzeroMagnitude, .nan]]
    let rule = try SGD(learningRate: 0.1, momentum: 0.9, weightDecay: 0.1)
    for stepsBefore in [0, 2] {
      var run = try EngineRun(start, rule: rule, clipping: .byGlobalNorm(1), policy: .skipStep)
      for _ in 0..<stepsBefore { try run.step([random.numbers(2100), random.numbers(3)]) }
      let (parameters, state) = (run.parameters, run.optimizer.state())
      var bad: [[S]] = [random.numbers(2100), [1, 2, 3]]
      bad[0][2099] = .infinity
      bad[1][1] = .nan
      let report = try run.step(bad)
      XCTAssertTrue(report.wasSkipped)
      XCTAssertEqual(report.step, stepsBefore)
      XCTAssertEqual([report.nanCount, report.infinityCount, report.nonFiniteCount], [1, 1, 2])
      XCTAssertTrue(report.totalNorm!.isNaN)
      for (x, y) in zip(parameters, run.parameters) { assertSameBits(x, y) }
      assertSameBits(state.direction, run.optimizer.state().direction)
      XCTAssertEqual(run.optimizer.state().velocities, state.velocities)
      XCTAssertEqual(run.optimizer.stepCount, stepsBefore)
      // The step after it is the one it would have been.
      XCTAssertFalse(try run.step([random.numbers(2100), [1, 2, 3]]).wasSkipped)
      XCTAssertEqual(run.optimizer.stepCount, stepsBefore + 1)
    }
    var gradients: [[S]] = [[.nan, 3], [4]]
    let (elements, report) = try clipped(gradients, by: .byGlobalNorm(1), policy: .skipStep)
    XCTAssertTrue(report.wasSkipped)
    gradients = zip(gradients, elements).map { x, y in
      assertSameBits(x, y)
      return y
    }
  }

  func testZeroTakesThemOutFromTheStart() throws {
    for (value, others) in [(Double.nan, 0), (.infinity, 1), (-.infinity, 1)] {
      let gradients: [[Double]] = [[3, value], [-4]]
      let (elements, report) = try clipped(gradients, by: .byGlobalNorm(2.5), policy: .zero)
      XCTAssertEqual(elements, [[1.5, 0], [-2]], "norms are those of the rest")
      XCTAssertEqual([report.totalNorm, report.comparedNorm], [5, 5])
      XCTAssertEqual([report.nanCount, report.infinityCount], [1 - others, others])

      var run = try EngineRun<Double>(
        [[1, 1], [1]], rule: SGD(learningRate: 1), clipping: .byGlobalNorm(2.5), policy: .zero)
      try run.step(gradients)
      XCTAssertEqual(run.parameters, [[-0.5, 1], [3]])
    }
  }

  func testZeroComesBeforeTheClipByValue() throws {
    // An infinity that was 0 first is not moved to the bound; 0 itself is.
    let clipping = try GradientClipping(value: 1...2)
    let (elements, report) = try clipped([[.infinity, 3.0, 1.5, .nan]], by: clipping, policy: .zero)
    XCTAssertEqual(elements, [[1, 2, 1.5, 1]])
    XCTAssertEqual(report.valueClippedCount, 3)
    var run = try EngineRun<Double>([[0, 0, 0, 0]], rule: SGD(learningRate: 1), clipping: clipping, policy: .zero)
    XCTAssertEqual(try run.step([[.infinity, 3.0, 1.5, .nan]]).valueClippedCount, 3)
    XCTAssertEqual(run.parameters, [[-1, -2, -1.5, -1]])
  }

  func testPropagateGoesOnWithArithmetic() throws {
    for momentum in [0, 0.5] {
      var run = try EngineRun<Double>(
        [[1, 1, 1]], rule: SGD(learningRate: 1, momentum: momentum), policy: .propagate)
      try run.step([[.nan, .infinity, 2]])
      XCTAssertTrue(run.parameters[0][0].isNaN)
      XCTAssertEqual(run.parameters[0][1...], [-.infinity, -1])
    }
    // Clipped by value first, an infinity no longer spoils the norm.
    var run = try EngineRun<Double>(
      [[0, 0]], rule: SGD(learningRate: 1), clipping: GradientClipping(value: -4...4, whole: .norm(1)),
      policy: .propagate)
    let report = try run.step([[.infinity, 3]])
    XCTAssertEqual(run.parameters, [[-4 * 0.2, -3 * 0.2]])
    XCTAssertEqual([report.totalNorm, report.comparedNorm], [.infinity, 5])
  }

  func testALearningRateOfZeroDoesNotHideANaN() throws {
    var run = try EngineRun<Float>([[1, 1]], rule: SGD(learningRate: 0), policy: .propagate)
    try run.step([[.nan, 5]])
    XCTAssertTrue(run.parameters[0][0].isNaN)
    XCTAssertEqual(run.parameters[0][1], 1)
  }

  func testCountsDoNotDependOnTheNorm() throws {
    var gradient = [Float](repeating: 0.5, count: 5000)
    for index in [0, 31, 2047, 2048, 4999] { gradient[index] = .nan }
    for index in [1, 32, 2049] { gradient[index] = index == 1 ? -.infinity : .infinity }
    for type in [NormType.l1, .l2, .infinity, .p(3), .p(0.5), .p(0)] {
      for algorithm in NormAlgorithm.allCases {
        let report = try norm([gradient], type: type, algorithm: algorithm)
        XCTAssertEqual([report.nanCount, report.infinityCount], [5, 3], "\(type), \(algorithm)")
        XCTAssertTrue(report.norm.isNaN)
      }
    }
    gradient = gradient.map { $0.isNaN ? 1 : $0 }
    for type in [NormType.l1, .l2, .infinity, .p(3), .p(0.5), .p(0)] {
      let report = try norm([gradient], type: type)
      XCTAssertEqual(report.norm, .infinity, "\(type)")
      XCTAssertFalse(report.overflowed, "an element is infinite, the norm did not overflow")
    }
  }
}
