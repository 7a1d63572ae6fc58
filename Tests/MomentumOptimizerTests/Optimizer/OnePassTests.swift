import MomentumTestSupport
import XCTest

@testable import Momentum

/// Steps that update while they sum, against steps that take two passes.
final class OnePassTests: XCTestCase {
  func testWithoutAClipTheBitsAreThoseOfTwoPassesFloat() throws { try withoutAClip(Float.self) }
  func testWithoutAClipTheBitsAreThoseOfTwoPassesDouble() throws { try withoutAClip(Double.self) }
  func testAClipIsCorrectedFloat() throws { try aClipIsCorrected(Float.self) }
  func testAClipIsCorrectedDouble() throws { try aClipIsCorrected(Double.self) }
  func testThreadsDoNotMatterFloat() throws { try threadsDoNotMatter(Float.self) }
  func testThreadsDoNotMatterDouble() throws { try threadsDoNotMatter(Double.self) }

  /// Enough tiles for three segments.
  private let counts = [2100, 0, 1, 9 * 2048, 70]

  /// Some rules of every convention.
  private var rules: [SGD] { StepOptions.rules.enumerated().filter { $0.offset % 37 == 3 }.map(\.element) }

  private func withoutAClip<S: BLASScalar>(_: S.Type) throws {
    var random = SeededGenerator(seed: 131)
    let start: [[S]] = counts.map { random.numbers($0) }
    var gradients: [[S]?] = counts.map { random.numbers($0) }
    gradients[4] = nil
    for rule in rules {
      for limit in [1e4, .infinity] {
        var one = try prepared(start, rule, limit, .onePass)
        var two = try prepared(start, rule, limit, .twoPass)
        for _ in 0..<2 {
          XCTAssertEqual(try one.step(gradients), try two.step(gradients))
        }
        try expectSame(one, two, "\(rule)")
      }
    }
  }

  private func aClipIsCorrected<S: BLASScalar>(_: S.Type) throws {
    var random = SeededGenerator(seed: 132)
    let start: [[S]] = counts.map { random.numbers($0) }
    let gradients: [[S]] = counts.map { random.numbers($0) }
    var worstOfAll = 0.0
    for rule in rules {
      // The norm is about 85: one limit that no segment reaches alone, and two that most do.
      for limit in [80, 5, 0.1] {
        var one = try prepared(start, rule, limit, .onePass)
        var two = try prepared(start, rule, limit, .twoPass)
        // The second step takes two passes, after a clip.
        for _ in 0..<2 {
          let reports = (try one.step(gradients), try two.step(gradients))
          XCTAssertEqual(reports.0.totalNorm, reports.1.totalNorm)
          XCTAssertEqual(reports.0.clipCoefficient, reports.1.clipCoefficient)
        }
        // What was added too much is at most lr·C, for the velocity C; two steps, three roundings each, in both ways.
        let unit = 12 * AccuracyBounds.unit(S.self)
        let gradient = min(limit, 1) * 8
        var worst = 0.0
        for (old, (x, y)) in zip(start.joined(), zip(one.parameters.joined(), two.parameters.joined())) {
          let size = Double(old.magnitude) + rule.learningRate * gradient
          worst = max(worst, (Double(x) - Double(y)).magnitude / (unit * size))
        }
        for (x, y) in zip(one.velocity.joined(), two.velocity.joined()) {
          worst = max(worst, (x - y).magnitude / (unit * (y.magnitude + gradient + rule.weightDecay)))
        }
        XCTAssertLessThanOrEqual(worst, 1, "\(rule), limit \(limit)")
        worstOfAll = max(worst, worstOfAll)
      }
    }
    record("one pass with a clip, \(S.self)", worstOfAll)
  }

  private func threadsDoNotMatter<S: BLASScalar>(_: S.Type) throws {
    var random = SeededGenerator(seed: 133)
    let start: [[S]] = counts.map { random.numbers($0) }
    let gradients: [[[S]]] = (0..<3).map { _ in counts.map { random.numbers($0) } }
    for limit in [5.0, 80, 1e4] {
      let runs = try ThreadTeam.withWorthwhileCount(1) {
        try [1, 2, 3, 7, 16].map { threads in
          let rule = try SGD(learningRate: 0.1, momentum: 0.9)
          var run = try EngineRun(
            start, rule: rule, clipping: .byGlobalNorm(limit), policy: .propagate, threads: threads)
          run.optimizer.mode = .onePass
          let reports = try gradients.map { try run.step($0) }
          return (run.parameters.flatMap { $0 }, run.optimizer.state(), reports)
        }
      }
      for run in runs {
        assertSameBits(runs[0].0, run.0, seed: 133, "limit \(limit)")
        XCTAssertEqual(run.1, runs[0].1)
        XCTAssertEqual(run.2, runs[0].2)
      }
    }
  }

  func testKernelsDoNotMatterFloat() throws { try kernelsDoNotMatter(Float.self) }
  func testKernelsDoNotMatterDouble() throws { try kernelsDoNotMatter(Double.self) }

  /// Loops and calls of BLAS stop updating at the same element, also where a dot product overflows, underflows or is NaN.
  private func kernelsDoNotMatter<S: BLASScalar>(_: S.Type) throws {
    var random = SeededGenerator(seed: 136)
    let start: [[S]] = counts.map { random.numbers($0) }
    let usual: [[S]] = counts.map { random.numbers($0) }
    let norm = try MomentumTestSupport.norm(usual).norm
    func changed(_ change: (inout [S]) -> Void) -> [[S]] {
      var gradients = usual
      change(&gradients[3])
      return gradients
    }
    let large = S.greatestFiniteMagnitude.squareRoot() * 2
    let small = S.leastNormalMagnitude.squareRoot() / 8
    var runs: [(name: String, gradients: [[S]], limit: Double)] = [
      ("zeros", changed { for index in 1000..<7000 { $0[index] = 0 } }, 1e4),
      ("a square that overflows", changed { $0[5000] = large }, Double(large) * 4),
      ("a square that overflows, and the limit", changed { $0[5000] = large }, Double(large) / 4),
      ("squares that underflow", usual.map { $0.map { $0 * small } }, norm * Double(small) * 2),
      ("squares that underflow, and a limit", usual.map { $0.map { $0 * small } }, norm * Double(small) / 8),
      (
        "squares that underflow, and some that do not", changed { for index in 3000..<$0.count { $0[index] *= small } },
        norm / 3
      ),
      ("NaN", changed { $0[7000] = .nan }, 1e4), ("infinity", changed { $0[7000] = .infinity }, .infinity),
    ]
    // Segments stop in the first or the second half of a tile, and after some tiles.
    for part in 1...12 { runs.append(("part \(part)", usual, norm * Double(part) / 16)) }
    for run in runs {
      for policy in [NonFinitePolicy.propagate, .zero] {
        let results = try StepKernels.allCases.map { kernels in
          var one = try EngineRun<S>(
            start, rule: SGD(learningRate: 0.1, momentum: 0.9), clipping: .byGlobalNorm(run.limit), policy: policy)
          (one.optimizer.mode, one.optimizer.kernels) = (.onePass, kernels)
          let report = try one.step(run.gradients)
          return (report, one.parameters.flatMap { $0 }, one.velocity.flatMap { $0 })
        }
        for result in results.dropFirst() {
          let what = "\(S.self), \(run.name), \(policy)"
          XCTAssertEqual("\(result.0)", "\(results[0].0)", what)
          assertSameBits(result.1, results[0].1, seed: 136, what)
          assertSameBits(result.2.map { S($0) }, results[0].2.map { S($0) }, seed: 136, what)
        }
      }
    }
  }

  /// Segments that begin, end or consist of tensors without a gradient, under rules with and without a loop of this kind.
  func testKernelsDoNotMatterWhereGradientsAreMissing() throws {
    var random = SeededGenerator(seed: 137)
    let counts = [3000, 2048 * 9, 5000, 2048 * 5, 4096, 2048 * 4]
    let start: [[Double]] = counts.map { random.numbers($0) }
    let all: [[Double]] = counts.map { random.numbers($0) }
    let groups = [
      try ParameterGroup(
        "late decay", ["tensor 2"],
        rule: SGD(
          learningRate: 0.1, momentum: 0.5, weightDecay: 0.1, decoupledWeightDecay: true, nesterov: true))
    ]
    for missing in [[0], [5], [2, 5], [0, 1, 4], [3, 4, 5]] {
      let gradients: [[Double]?] = all.enumerated().map { missing.contains($0) ? nil : $1 }
      for limit in [1e4, 70, 40, 20] {
        let results = try StepKernels.allCases.map { kernels in
          var run = try EngineRun<Double>(
            start, rule: SGD(learningRate: 0.1, momentum: 0.9), groups: groups, clipping: .byGlobalNorm(limit),
            policy: .propagate)
          (run.optimizer.mode, run.optimizer.kernels) = (.onePass, kernels)
          let report = try run.step(gradients)
          if limit == 1e4 { XCTAssertTrue(run.optimizer.speculation.updatedAll, "without \(missing)") }
          return (report, run.parameters.flatMap { $0 }, run.velocity.flatMap { $0 })
        }
        for result in results.dropFirst() {
          let what = "without \(missing), limit \(limit)"
          XCTAssertEqual(result.0, results[0].0, what)
          assertSameBits(result.1, results[0].1, seed: 137, what)
          assertSameBits(result.2, results[0].2, seed: 137, what)
        }
      }
    }
  }

  func testGroupsHaveLoopsOfTheirOwnFloat() throws { try groupsHaveLoops(Float.self) }
  func testGroupsHaveLoopsOfTheirOwnDouble() throws { try groupsHaveLoops(Double.self) }

  /// Tensors of several programs, most with a loop that sums the next piece beside.
  private func groupsHaveLoops<S: BLASScalar>(_: S.Type) throws {
    var random = SeededGenerator(seed: 135)
    let counts = [5000, 3 * 2048, 2049, 2047, 4100]
    let start: [[S]] = counts.map { random.numbers($0) }
    let gradients: [[S]] = counts.map { random.numbers($0) }
    let groups = try [
      ParameterGroup("nesterov", ["tensor 1"], rule: SGD(learningRate: 0.1, momentum: 0.5, nesterov: true)),
      ParameterGroup(
        "decay", ["tensor 2"], rule: SGD(learningRate: 0.1, momentum: 0.5, weightDecay: 0.1, nesterov: true)),
      ParameterGroup("plain", ["tensor 3"], rule: SGD(learningRate: 0.2)),
    ]
    for kernels in StepKernels.allCases {
      func run(_ mode: StepMode) throws -> EngineRun<S> {
        var run = try EngineRun(
          start, rule: SGD(learningRate: 0.1, momentum: 0.9), groups: groups, clipping: .byGlobalNorm(1e4),
          policy: .propagate, threads: 1)
        run.optimizer.mode = mode
        run.optimizer.kernels = kernels
        return run
      }
      var one = try run(.onePass)
      var two = try run(.twoPass)
      for _ in 0..<3 { XCTAssertEqual(try one.step(gradients), try two.step(gradients)) }
      try expectSame(one, two, "\(kernels)")
    }
  }

  func testNonFiniteGradientsEndAsInTwoPasses() throws {
    var random = SeededGenerator(seed: 134)
    let start: [[Double]] = counts.map { random.numbers($0) }
    var gradients: [[Double]] = counts.map { random.numbers($0) }
    for value in [Double.nan, .infinity] {
      gradients[3][9000] = value
      for policy in [NonFinitePolicy.propagate, .zero] {
        for convention in Convention.allCases {
          for limit in [5, .infinity] {
            let rule = try SGD(learningRate: 0.1, momentum: 0.5, convention: convention)
            var one = try prepared(start, rule, limit, .onePass, policy: policy)
            var two = try prepared(start, rule, limit, .twoPass, policy: policy)
            let reports = (try one.step(gradients), try two.step(gradients))
            XCTAssertEqual(reports.0.nonFiniteCount, 1)
            XCTAssertEqual(reports.0.wasClipped, reports.1.wasClipped)
            let differs = zip(one.parameters.joined(), two.parameters.joined()).contains { x, y in
              x.isNaN != y.isNaN || (x - y).magnitude > 1e-15
            }
            XCTAssertFalse(differs, "\(value), \(policy), \(convention), \(limit)")
          }
        }
      }
    }
  }

  func testWhatOnePassCannotPromiseIsRefused() throws {
    let layout = try ParameterLayout(count: 1)
    func refuses(_ text: String, _ clipping: GradientClipping, _ policy: NonFinitePolicy?) {
      func make() throws {
        _ = try Optimizer<Float>(
          layout, rule: SGD(learningRate: 1), clipping: clipping, nonFinitePolicy: policy, mode: .onePass)
      }
      XCTAssertThrowsError(try make()) { XCTAssertEqual("\($0)", "mode is onePass; expected \(text)") }
    }
    refuses(
      "twoPass with the policy throw, which promises untouched parameters; onePass takes propagate and zero", .none, nil
    )
    refuses(
      "twoPass with the policy skipStep, which promises untouched parameters; onePass takes propagate and zero", .none,
      .skipStep)
    refuses("twoPass to clip by value or by tensor norms", try .byValue(1), .zero)
    refuses("twoPass to clip by value or by tensor norms", try .byNorm(1), .propagate)
    refuses("twoPass for other norms than 2", try .byGlobalNorm(1, type: .l1), .propagate)
  }

  func testAStepAfterAClippedOneTakesTwoPassesAlsoWhenResumed() throws {
    var random = SeededGenerator(seed: 64)
    let start: [[Float]] = counts.map { random.numbers($0) }
    let gradients: [[[Float]]] = (0..<4).map { _ in counts.map { random.numbers($0) } }
    let norm = try MomentumTestSupport.norm(gradients[0]).norm
    let rule = try SGD(learningRate: 0.1, momentum: 0.9)
    func make(_ parameters: [[Float]]) throws -> EngineRun<Float> {
      try EngineRun(parameters, rule: rule, clipping: .byGlobalNorm(0.5 * norm), policy: .propagate, mode: .onePass)
    }
    var straight = try make(start)
    for gradient in gradients { try straight.step(gradient) }

    var first = try make(start)
    for gradient in gradients.prefix(2) { try first.step(gradient) }
    XCTAssertTrue(first.optimizer.lastStepClipped)
    var second = try make(first.parameters)
    try second.optimizer.restore(first.optimizer.state())
    for gradient in gradients.suffix(2) { try second.step(gradient) }
    assertSameBits(straight.parameters.flatMap { $0 }, second.parameters.flatMap { $0 }, seed: 64, "resumed")
  }

  func testARuleThatCannotBeCorrectedIsRefusedBeforeAnythingIsWritten() throws {
    /// Descends against the sign of nothing: not linear in the gradient as far as the optimizer knows.
    struct Uncorrectable: UpdateRule {
      var convention: Convention { .pytorch }
      var usesVelocity: Bool { false }
      func validate() {}
      func compile(_ tensor: TensorState, into program: inout StepProgram) -> Double {
        program.append(.axpy(factor: tensor.gradientFactor, from: .gradient, into: .parameters))
        return 1
      }
    }
    var optimizer = try Optimizer<Float>(
      ParameterLayout(count: 3), rule: Uncorrectable(), clipping: .byGlobalNorm(1), mode: .onePass)
    var parameters = try ParameterVector<Float>([1, 2, 3])
    let gradients = try ParameterVector<Float>([1, 1, 1])
    XCTAssertThrowsError(try optimizer.step(&parameters, gradients: gradients)) { error in
      XCTAssertEqual("\(error)", "mode is onePass; expected twoPass for this update rule")
    }
    XCTAssertEqual(parameters.withUnsafeBufferPointer { Array($0) }, [1, 2, 3])
  }

  /// A rule that promises to correct every step is believed only as far as the first one shows.
  func testARuleThatBreaksItsPromiseIsRefused() throws {
    struct Promising: UpdateRule {
      /// Whether corrections by 0 are made, and all others.
      var correctsNothing, correctsOthers: Bool
      var convention: Convention { .native }
      var usesVelocity: Bool { false }
      var correctsEveryStep: Bool { true }
      func validate() {}
      func compile(_ tensor: TensorState, into program: inout StepProgram) -> Double {
        program.append(.axpy(factor: tensor.gradientFactor, from: .gradient, into: .parameters))
        return 1
      }
      func compileCorrection(
        _ tensor: TensorState, change: ScaledDouble, scale: Double, into program: inout StepProgram
      ) -> Bool {
        program.append(.axpy(factor: change, from: .gradient, into: .parameters))
        return change.significand == 0 ? correctsNothing : correctsOthers
      }
    }
    func expectRefusal(_ rule: Promising, _ gradient: [Float], _ parameters: [Float]) throws {
      var run = try EngineRun<Float>(
        [[1, 2, 3]], rule: rule, clipping: .byGlobalNorm(1), policy: .propagate, mode: .onePass)
      XCTAssertThrowsError(try run.step([gradient])) { error in
        XCTAssertEqual("\(error)", "mode is onePass; expected twoPass for this update rule")
      }
      XCTAssertEqual(run.parameters, [parameters])
      XCTAssertEqual(run.optimizer.stepCount, 0)
    }
    try expectRefusal(Promising(correctsNothing: false, correctsOthers: true), [1, 1, 1], [1, 2, 3])

    // The promise was kept at first, so it is broken by a step that has to be corrected.
    var run = try EngineRun<Float>(
      [[1, 2, 3]], rule: Promising(correctsNothing: true, correctsOthers: false), clipping: .byGlobalNorm(4),
      policy: .propagate, mode: .onePass)
    try run.step([[1, 1, 1]])
    XCTAssertThrowsError(try run.step([[3, 3, 3]])) { error in
      XCTAssertEqual("\(error)", "mode is onePass; expected twoPass for this update rule")
    }
  }

  private func prepared<S: BLASScalar>(
    _ start: [[S]], _ rule: SGD, _ limit: Double, _ mode: StepMode, policy: NonFinitePolicy = .propagate
  ) throws -> EngineRun<S> {
    var run = try EngineRun(start, rule: rule, clipping: .byGlobalNorm(limit), policy: policy)
    run.optimizer.mode = mode
    return run
  }

  private func expectSame<S: BLASScalar>(
    _ one: borrowing EngineRun<S>, _ two: borrowing EngineRun<S>, _ name: String
  ) throws {
    for (x, y) in zip(one.parameters, two.parameters) { assertSameBits(x, y, name) }
    XCTAssertEqual(one.optimizer.state(), two.optimizer.state(), name)
  }
}
