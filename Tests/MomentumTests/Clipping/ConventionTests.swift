import Momentum
import MomentumTestSupport
import XCTest

/// The table of conventions, cell by cell: what a norm clip does under each.
final class ConventionTests: XCTestCase {
  private let all = Convention.allCases

  func testCoefficientsAreThoseOfTheFormulas() throws {
    // Norm 5, limit 1: in the order of operations that the table writes.
    let formulas: [Convention: Double] = [
      .native: 1.0 / 5, .pytorch: 1 / (5 + 1e-6), .keras: 1 * min(1.0 / 5, 1.0 / 1), .optax: 1.0 / 5,
      .mlx: 1 / (5 + 1e-6),
    ]
    for convention in all {
      let report = try clipped([[3.0, -4]], by: .byGlobalNorm(1), convention: convention).report
      XCTAssertEqual(report.clipCoefficient, formulas[convention], "\(convention)")
      // The limit 3 tells `C/N` from `C·(1/N)`.
      let odd = try clipped([[3.0, -4]], by: .byGlobalNorm(3), convention: convention).report.clipCoefficient
      XCTAssertEqual(odd, convention == .keras ? 3 * (1.0 / 5) : 3 / (5 + (formulas[convention]! < 0.2 ? 1e-6 : 0)))
    }
    // One tensor: keras divides by the larger of the two.
    let (elements, _) = try clipped([[3.0, -4], [0.5]], by: .byNorm(3), convention: .keras)
    XCTAssertEqual(elements, [[3 * 0.6, -4 * 0.6], [0.5]])
  }

  func testSingleTensorsFollowTheNativeRuleWhereThePeerHasNone() throws {
    for convention in [Convention.native, .optax, .mlx] {
      XCTAssertEqual(try clipped([[3.0, 4]], by: .byNorm(5), convention: convention).elements, [[3, 4]])
      let elements = try clipped([[3.0, 4]], by: .byNorm(1), convention: convention).elements
      XCTAssertEqual(elements, [[3 * 0.2, 4 * 0.2]], "\(convention): no epsilon")
    }
    for convention in [Convention.pytorch, .keras] {
      let elements = try clipped([[3.0, 4]], by: .byNorm(5), convention: convention).elements
      XCTAssertEqual(elements == [[3, 4]], convention == .keras)
    }
  }

  func testANormOfZeroIsLeftAlone() throws {
    for convention in all {
      for clipping in try [GradientClipping.byGlobalNorm(1), .byNorm(1), .byGlobalNorm(0), .byNorm(0)] {
        let zeros: [[Double]] = [[0, -0.0], []]
        let (elements, report) = try clipped(zeros, by: clipping, convention: convention)
        for (x, y) in zip(zeros, elements) { assertSameBits(x, y, "\(convention)") }
        XCTAssertEqual(report.clipCoefficient, 1, "\(convention)")
        XCTAssertFalse(report.wasClipped, "\(convention)")
        XCTAssertEqual(report.totalNorm, 0)
      }
    }
  }

  func testANormBelowTheLimit() throws {
    for convention in all {
      for limit in [5.1, 50, 1e300] {
        let (elements, report) = try clipped([[Float(3), -4]], by: .byGlobalNorm(limit), convention: convention)
        XCTAssertEqual(elements, [[3, -4]], "\(convention), \(limit)")
        XCTAssertFalse(report.wasClipped, "\(convention), \(limit)")
      }
    }
    // Keras in Double: 1 or one unit less, by the limit. Never written in Float.
    for limit in stride(from: 5.1, through: 200, by: 0.7) {
      let report = try clipped([[3.0, 4]], by: .byGlobalNorm(limit), convention: .keras).report
      XCTAssertTrue([1, 1.0.nextDown].contains(report.clipCoefficient), "\(limit)")
      XCTAssertFalse(try clipped([[Float(3), 4]], by: .byGlobalNorm(limit), convention: .keras).report.wasClipped)
    }
    // PyTorch shrinks what is within its epsilon of the limit.
    let near = try clipped([[3.0, 4]], by: .byGlobalNorm(5 + 5e-7), convention: .pytorch).report
    XCTAssertEqual(near.clipCoefficient, (5 + 5e-7) / (5 + 1e-6))
    XCTAssertTrue(near.wasClipped)
  }

  func testANormEqualToTheLimit() throws {
    for convention in all {
      let report = try clipped([[3.0, 4]], by: .byGlobalNorm(5), convention: convention).report
      switch convention {
      case .native, .optax: XCTAssertEqual(report.clipCoefficient, 1)
      case .pytorch, .mlx: XCTAssertEqual(report.clipCoefficient, 5 / 5.000001)
      case .keras: XCTAssertEqual(report.clipCoefficient, 5 * (1.0 / 5))
      }
    }
  }

  func testALimitOfZero() throws {
    for convention in all {
      for clipping in try [GradientClipping.byGlobalNorm(0), .byNorm(0)] {
        let elements = try clipped([[3.0, -4]], by: clipping, convention: convention).elements
        XCTAssertEqual(elements, convention == .keras ? [[3, -4]] : [[0, 0]], "\(convention)")
      }
      // No gradient enters; momentum and decay go on.
      var run = try EngineRun<Double>(
        [[8]], rule: SGD(learningRate: 1, momentum: 0.5, convention: convention), clipping: .none)
      try run.step([[1]])
      run.optimizer.clipping = try .byGlobalNorm(0)
      try run.step([[1]])
      XCTAssertEqual(run.parameters, convention == .keras ? [[5.5]] : [[6.5]], "\(convention)")
    }
  }

  func testAnInfiniteLimitMeasuresOnly() throws {
    let gradients: [[Double]] = [[3, -4], [.infinity, .nan, -0.0]]
    for convention in all {
      for clipping in try [GradientClipping.byGlobalNorm(.infinity), .byNorm(.infinity), .measureOnly] {
        let (elements, report) = try clipped(
          gradients, by: clipping, convention: convention, policy: .propagate)
        for (x, y) in zip(gradients, elements) { assertSameBits(x, y, "\(convention)") }
        XCTAssertEqual(report.clipCoefficient, 1)
        XCTAssertFalse(report.wasClipped)
        XCTAssertEqual(report.nanCount, 1)
        XCTAssertEqual(report.infinityCount, 1)
        XCTAssertTrue(report.totalNorm!.isNaN)
      }
    }
    XCTAssertEqual(try clipped([[3.0, 4]], by: .measureOnly).report.totalNorm, 5)
  }

  func testNaNInTheGradient() throws {
    for convention in all {
      let (elements, report) = try clipped(
        [[1, .nan], [3.0]], by: .byGlobalNorm(1), convention: convention, policy: .propagate)
      XCTAssertTrue(elements.joined().allSatisfy(\.isNaN), "\(convention): global, all NaN")
      XCTAssertTrue(report.clipCoefficient.isNaN)
      XCTAssertTrue(report.wasClipped)
      let own = try clipped([[1, .nan], [3.0]], by: .byNorm(6), convention: convention, policy: .propagate).elements
      XCTAssertTrue(own[0].allSatisfy(\.isNaN), "\(convention): that tensor NaN")
      XCTAssertEqual(own[1], [3], "\(convention): and no other")
    }
  }

  func testInfinityInTheGradient() throws {
    for convention in all {
      for scalar in ["global", "tensor"] {
        let isWhole = scalar == "global"
        let elements = try clipped(
          [[1, -.infinity, -2], [3.0]], by: isWhole ? .byGlobalNorm(6) : .byNorm(6), convention: convention,
          policy: .propagate
        ).elements
        // Native is loud: an infinite norm leaves no direction. So is keras, but for single tensors; optax and mlx have no
        // rule of their own for those.
        let isLoud = isWhole ? [.native, .keras].contains(convention) : ![.pytorch, .keras].contains(convention)
        let name = "\(convention), \(scalar): \(elements)"
        XCTAssertTrue(elements[0][1].isNaN, name)
        for i in [0, 2] { XCTAssertTrue(isLoud ? elements[0][i].isNaN : elements[0][i] == 0, name) }
        if isWhole {
          XCTAssertTrue(isLoud ? elements[1][0].isNaN : elements[1][0] == 0, name)
        } else {
          XCTAssertEqual(elements[1], [3], name)
        }
      }
    }
  }

  func testOnlyKerasAllowsOneKindOfClip() throws {
    let both = try GradientClipping(tensor: .norm(1), whole: .norm(1))
    for convention in all where convention != .keras { XCTAssertNoThrow(try both.check(convention)) }
    XCTAssertThrowsError(try both.check(.keras))
    // Measuring is no clip.
    XCTAssertNoThrow(try GradientClipping(tensor: .norm(1), whole: .norm(.infinity)).check(.keras))
  }

  func testPoliciesByDefault() throws {
    for convention in all {
      let optimizer = try Optimizer<Float>(
        ParameterLayout(count: 1), rule: SGD(learningRate: 1, convention: convention))
      XCTAssertEqual(optimizer.nonFinitePolicy, convention == .native ? .throw : .propagate)
    }
  }

  func testKerasVelocityIsTheNegativeOfTheOthers() throws {
    var random = SeededGenerator(seed: 41)
    let start: [[Double]] = [random.numbers(40)]
    var keras = try EngineRun(start, rule: SGD(learningRate: 0.25, momentum: 0.5, convention: .keras))
    var torch = try EngineRun(start, rule: SGD(learningRate: 0.25, momentum: 0.5, convention: .pytorch))
    for _ in 0..<3 {
      let gradient: [[Double]] = [random.numbers(40)]
      try keras.step(gradient)
      try torch.step(gradient)
    }
    // A learning rate of a power of two: exactly.
    assertSameBits(keras.velocity[0], torch.velocity[0].map { -0.25 * $0 })
  }
}
