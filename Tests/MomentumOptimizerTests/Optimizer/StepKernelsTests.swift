import MomentumTestSupport
import XCTest

@testable import Momentum

/// Steps have the same bits as calls of BLAS and as fused loops.
final class StepKernelsTests: XCTestCase {
  /// Settings whose programs all have loops, and some whose programs have none.
  private struct Setup {
    var name: String
    var rule: any UpdateRule
    var clipping = GradientClipping.none
    var policy = NonFinitePolicy.propagate
    var mode = StepMode.twoPass
    var averaging: WeightAveraging?
    var hasLoops = true
  }

  private func setups() throws -> [Setup] {
    var setups: [Setup] = []
    for momentum in [0, 0.9] {
      for (nesterov, decay, decoupled) in [
        (false, 0.0, false), (false, 0.1, false), (false, 0.1, true), (true, 0, false), (true, 0.1, false),
        (true, 0.1, true),
      ] where momentum > 0 || !nesterov {
        let rule = try SGD(
          learningRate: 0.05, momentum: momentum, weightDecay: decay, decoupledWeightDecay: decoupled,
          nesterov: nesterov)
        setups.append(Setup(name: "\(rule)", rule: rule))
        setups.append(
          Setup(name: "\(rule), global norm", rule: rule, clipping: try .byGlobalNorm(0.5), policy: .zero))
        setups.append(Setup(name: "\(rule), value", rule: rule, clipping: try GradientClipping(value: -0.3...0.2)))
        setups.append(Setup(name: "\(rule), averages", rule: rule, averaging: try .exponential(decay: 0.9)))
        setups.append(
          Setup(
            name: "\(rule), one pass", rule: rule, clipping: try .byGlobalNorm(20), policy: .zero, mode: .onePass))
      }
    }
    setups.append(
      Setup(
        name: "normalised", rule: try NormalizedMomentum(learningRate: 0.05, momentum: 0.9, weightDecay: 0.1),
        hasLoops: false))
    setups.append(Setup(name: "LARS", rule: try LARS(learningRate: 0.05, momentum: 0.9, weightDecay: 0.1)))
    for decay in [0, 0.1] {
      setups.append(Setup(name: "AdamW, \(decay)", rule: try AdamW(learningRate: 0.05, weightDecay: decay)))
      setups.append(Setup(name: "Lion, \(decay)", rule: try Lion(learningRate: 0.05, weightDecay: decay)))
      setups.append(
        Setup(name: "Signum, \(decay)", rule: try Signum(learningRate: 0.05, momentum: 0.9, weightDecay: decay)))
    }
    setups.append(
      Setup(
        name: "units", rule: try SGD(learningRate: 0.05, momentum: 0.9),
        clipping: try .byNorm(0.01, of: .firstAxis), hasLoops: false))
    return setups
  }

  func testBothWaysGiveTheSameBitsFloat() throws { try compare(Float.self) }
  func testBothWaysGiveTheSameBitsDouble() throws { try compare(Double.self) }

  private func compare<S: BLASScalar>(_: S.Type) throws {
    for (number, setup) in try setups().enumerated() {
      var random = SeededGenerator(seed: UInt64(number))
      let layout = try ParameterLayout([("a", [41, 50]), ("b", [3]), ("c", [801])])
      let start: [S] = random.numbers(layout.count)
      var results: [[S]] = []
      for kernels in [StepKernels.blas, .fused] {
        var random = SeededGenerator(seed: 99)
        var parameters = start
        var optimizer = try Optimizer<S>(
          layout, rule: setup.rule, clipping: setup.clipping, nonFinitePolicy: setup.policy, mode: setup.mode,
          averaging: setup.averaging)
        optimizer.kernels = kernels
        XCTAssertFalse(optimizer.lastStepWasFused)
        // A velocity's scale lasts 79 steps; the first steps are loops of their own.
        for step in 0..<4 {
          var gradient: [S] = random.numbers(layout.count)
          if setup.policy == .zero { gradient[2051] = step == 2 ? .nan : 0.5 }
          var span = parameters.mutableSpan
          try optimizer.step(&span, gradients: gradient.span)
          if step == 1 {
            var state = optimizer.state()
            for index in state.velocities.indices where state.velocities[index].isSet {
              state.velocities[index].scale = 1
            }
            try optimizer.restore(state)
          }
        }
        let canFuse = StepKernels.vectors != nil && BLASTraits.axpyFuses
        XCTAssertEqual(
          optimizer.lastStepWasFused, kernels == .fused && canFuse && setup.hasLoops, "\(setup.name), \(kernels)")
        let state = optimizer.state()
        results.append(parameters + state.direction + state.average + state.secondMoment)
      }
      assertSameBits(results[0], results[1], "\(S.self), \(setup.name)")
    }
  }

  /// A factor that the element type cannot hold has no loop, and no loss either.
  func testAFactorOutOfRangeIsLeftToBLAS() throws {
    var optimizer = try Optimizer<Float>(
      ParameterLayout(count: 3), rule: SGD(learningRate: 1e-42), nonFinitePolicy: .propagate)
    optimizer.kernels = .fused
    var parameters: [Float] = [0, 0, 0]
    var span = parameters.mutableSpan
    let gradient: [Float] = [1e38, 2e38, -1e38]
    try optimizer.step(&span, gradients: gradient.span)
    XCTAssertFalse(optimizer.lastStepWasFused)
    XCTAssertEqual(parameters[0], -1e-4, accuracy: 1e-10)
  }

  /// Short programs are calls where memory limits them; forced, they are loops.
  func testPlainProgramsAreCallsOutOfCache() {
    var plain = StepProgram(), longer = StepProgram()
    plain.append(.axpy(factor: ScaledDouble(0.5), from: .gradient, into: .direction))
    plain.append(.axpy(factor: ScaledDouble(-0.1), from: .direction, into: .parameters))
    longer.append(.clamp(lower: -1, upper: 1, inPlace: false))
    for operation in plain.operations { longer.append(operation) }
    let canFuse = StepKernels.vectors != nil && BLASTraits.axpyFuses
    func fuses(_ program: StepProgram, _ kernels: StepKernels, _ cacheBytes: Int) -> Bool {
      kernels.fuses(program, Float.self, cacheBytes: cacheBytes)
    }
    for program in [plain, longer] {
      for cacheBytes in [Int.max, 32 << 10] {
        XCTAssertEqual(fuses(program, .fused, cacheBytes), canFuse)
        XCTAssertFalse(fuses(program, .blas, cacheBytes))
      }
    }
    let isFast = canFuse && FusedLoops.areOptimized
    XCTAssertEqual(fuses(plain, .automatic, .max), isFast)
    XCTAssertEqual(fuses(longer, .automatic, 32 << 10), isFast)
    XCTAssertFalse(fuses(plain, .automatic, 32 << 10))
  }

  func testAutomaticIsBLASWhereNoCompilerOptimisedTheLoops() {
    XCTAssertEqual(StepKernels.automatic.prefersLoops, FusedLoops.areOptimized)
    XCTAssertTrue(StepKernels.fused.prefersLoops)
    XCTAssertFalse(StepKernels.blas.prefersLoops)
  }
}
