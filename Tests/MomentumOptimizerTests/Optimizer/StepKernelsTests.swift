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

  // MARK: The same bits

  func testBothWaysGiveTheSameBitsFloat() throws {
    try compare(Float.self, setups(), [("a", [41, 50]), ("b", [3]), ("c", [801])])
  }

  func testBothWaysGiveTheSameBitsDouble() throws {
    try compare(Double.self, setups(), [("a", [41, 50]), ("b", [3]), ("c", [801])])
  }

  /// Tensors of no element, of one, and around the lengths of a granule and of a tile, each a run of its own.
  func testBothWaysGiveTheSameBitsOnShortTensors() throws {
    let counts = [0, 1, 63, 64, 65, 127, 2047, 2048, 2049, 1, 4097]
    let tensors = counts.enumerated().map { ("t\($0)", [$1]) }
    try compare(Float.self, few(), tensors, alternates: true)
    try compare(Double.self, few(), tensors, alternates: true, threads: 3)
  }

  /// Runs of more than one block: of several tensors, or within one of them.
  func testBothWaysGiveTheSameBitsOnRunsOfSeveralBlocks() throws {
    let tensors = [("a", [101, 100]), ("b", [7]), ("c", [9001]), ("d", [0]), ("e", [4099])]
    for threads in [1, 3] {
      try compare(Float.self, few(), tensors, threads: threads)
      try compare(Double.self, few(), tensors, alternates: true, threads: threads)
    }
  }

  /// Runs of more than 2¹⁷ elements, whose blocks are longer; and those runs in the shares of two threads.
  func testBothWaysGiveTheSameBitsOnRunsOfLongBlocks() throws {
    let tensors = [("a", [3]), ("b", [1 << 17, 1]), ("c", [2051])]
    try compare(Float.self, few(), tensors)
    try compare(Double.self, Array(few().prefix(2)), tensors, threads: 2)
  }

  /// The operations before and behind an orthogonalised matrix: in matrices of one tile, of several, taller and wider ones, and in one
  /// whose elements do not lie side by side.
  func testBothWaysGiveTheSameBitsAroundMatrices() throws {
    var setups: [Setup] = []
    for convention in [Convention.native, .pytorch, .optax, .keras, .mlx] {
      for nesterov in [false, true] {
        let rule = try Muon(learningRate: 0.05, nesterov: nesterov, weightDecay: 0.1, convention: convention)
        setups.append(Setup(name: "\(rule)", rule: rule))
      }
      let rule = try Muon(learningRate: 0.05, weightDecay: 0, convention: convention)
      setups.append(Setup(name: "\(rule), value", rule: rule, clipping: try GradientClipping(value: -0.3...0.2)))
      setups.append(Setup(name: "\(rule), averages", rule: rule, averaging: try .exponential(decay: 0.9)))
    }
    let apart = try Muon(learningRate: 0.05, weightDecay: 0.1, view: .axes(inputs: [0], outputs: [-1]))
    setups.append(Setup(name: "\(apart)", rule: apart))
    let cleared = try Muon(learningRate: 0.05)
    setups.append(
      Setup(name: "\(cleared), global norm", rule: cleared, clipping: try .byGlobalNorm(0.5), policy: .zero))
    let tensors = [("a", [41, 51]), ("b", [3, 7, 31]), ("c", [70, 130]), ("d", [200, 66])]
    for threads in [1, 3] {
      try compare(Float.self, setups, tensors, threads: threads)
      try compare(Double.self, setups, tensors, alternates: true, threads: threads)
    }
  }

  /// Gradients of zeros, and with a NaN: no matrix is multiplied then.
  func testBothWaysGiveTheSameBitsWhereThereIsNoMatrix() throws {
    let layout = try ParameterLayout([("a", [65, 70])])
    var random = SeededGenerator(seed: 31)
    let start: [Float] = vector(layout.count, &random)
    for value in [Float(0), .nan] {
      let gradient = [Float](repeating: value, count: layout.count)
      let rule = try Muon(learningRate: 0.05, weightDecay: 0.1)
      let results = try [StepKernels.blas, .fused].map { kernels in
        var optimizer = try Optimizer<Float>(layout, rule: rule, nonFinitePolicy: .propagate, threads: 2)
        optimizer.kernels = kernels
        var parameters = start
        for _ in 0..<2 {
          var span = parameters.mutableSpan
          try optimizer.step(&span, gradients: gradient.span)
        }
        return parameters
      }
      assertSameBits(results[0], results[1], "\(value)")
      XCTAssertEqual(results[0].allSatisfy(\.isNaN), value.isNaN)
    }
  }

  /// A few settings whose programs are of all kinds: they scale, add, filter, copy, and work on an average or a second
  /// moment.
  private func few() throws -> [Setup] {
    try [
      Setup(
        name: "Nesterov, decay, value",
        rule: SGD(learningRate: 0.05, momentum: 0.9, weightDecay: 0.1, nesterov: true),
        clipping: GradientClipping(value: -0.3...0.2)),
      Setup(
        name: "momentum, averages", rule: SGD(learningRate: 0.05, momentum: 0.9),
        averaging: .exponential(decay: 0.9)),
      Setup(
        name: "one pass", rule: SGD(learningRate: 0.05, momentum: 0.9), clipping: .byGlobalNorm(20), policy: .zero,
        mode: .onePass),
      Setup(name: "AdamW", rule: AdamW(learningRate: 0.05, weightDecay: 0.1)),
    ]
  }

  /// Takes the same steps both ways.
  ///
  /// - Parameter alternates: Whether every second tensor has a program of its own, so that runs end with their tensors.
  private func compare<S: BLASScalar>(
    _: S.Type, _ setups: [Setup], _ tensors: [(String, [Int])], alternates: Bool = false, threads: Int = 1
  ) throws {
    let layout = try ParameterLayout(tensors)
    let others = tensors.indices.filter { $0 % 2 == 1 }.map { tensors[$0].0 }
    let groups = alternates ? [ParameterGroup("others", others, learningRateFactor: 0.5)] : []
    for (number, setup) in setups.enumerated() {
      var random = SeededGenerator(seed: UInt64(number))
      let start: [S] = vector(layout.count, &random)
      let gradients: [[S]] = (0..<4).map { step in
        var gradient: [S] = vector(layout.count, &random)
        if setup.policy == .zero { gradient[2051] = step == 2 ? .nan : 0.5 }
        return gradient
      }
      let results = try [StepKernels.blas, .fused].map { kernels in
        try ThreadTeam.withWorthwhileCount(1) {
          let what = "\(S.self), \(setup.name), \(kernels), \(layout.count) elements, \(threads) threads"
          var optimizer = try Optimizer<S>(
            layout, rule: setup.rule, groups: groups, clipping: setup.clipping, nonFinitePolicy: setup.policy,
            mode: setup.mode, averaging: setup.averaging, threads: threads)
          optimizer.kernels = kernels
          return try result(&optimizer, start, gradients, hasLoops: setup.hasLoops, what)
        }
      }
      assertSameBits(
        results[0], results[1], "\(S.self), \(setup.name), \(layout.count) elements, \(threads) threads")
    }
  }

  /// Random numbers that recur, but after a number of elements that has to do with no tile.
  private func vector<S: BLASScalar>(_ count: Int, _ random: inout SeededGenerator) -> [S] {
    let numbers: [S] = random.numbers(min(count, 2503))
    var all: [S] = []
    while all.count < count { all += numbers }
    return Array(all[..<count])
  }

  /// What steps leave of everything. A velocity's scale lasts 79 steps; the first steps are loops of their own.
  private func result<S: BLASScalar>(
    _ optimizer: inout Optimizer<S>, _ start: [S], _ gradients: [[S]], hasLoops: Bool, _ what: String
  ) throws -> [S] {
    XCTAssertFalse(optimizer.lastStepWasFused, what)
    var parameters = start
    for (step, gradient) in gradients.enumerated() {
      var span = parameters.mutableSpan
      try optimizer.step(&span, gradients: gradient.span)
      if step == 1 {
        var state = optimizer.state()
        for index in state.velocities.indices where state.velocities[index].isSet { state.velocities[index].scale = 1 }
        try optimizer.restore(state)
      }
    }
    let canFuse = StepKernels.vectors != nil && BLASTraits.axpyFuses
    XCTAssertEqual(optimizer.lastStepWasFused, optimizer.kernels == .fused && canFuse && hasLoops, what)
    let state = optimizer.state()
    return parameters + state.direction + state.average + state.secondMoment
  }

  // MARK: Which way

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
    // In one pass it is a loop if that sums as well.
    let canSum = BLASTraits.squaresVariant(Float.self) != nil
    for kernels in StepKernels.allCases {
      XCTAssertEqual(
        kernels.fuses(plain, Float.self, cacheBytes: 32 << 10, speculates: true),
        kernels == .fused ? canFuse : kernels == .automatic && isFast && canSum)
    }
    // Behind a transform one is a loop all the same, if what is before it is.
    func around(_ made: StepOperation...) -> StepProgram {
      var program = StepProgram()
      for operation in made { program.append(operation) }
      program.append(.transform)
      program.append(.axpy(factor: ScaledDouble(-0.1), from: .update, into: .parameters))
      return program
    }
    let signs = around(.copy(from: .direction, into: .update), .sign(.update))
    XCTAssertFalse(fuses(signs, .fused, .max), "no rule makes such an update")
    let update = around(
      .axpy(factor: ScaledDouble(0.5), from: .gradient, into: .direction), .copy(from: .direction, into: .update))
    XCTAssertEqual(fuses(update, .automatic, 32 << 10), isFast)
    XCTAssertEqual(fuses(update, .fused, 32 << 10), canFuse)
    XCTAssertFalse(fuses(update, .blas, 32 << 10))
  }

  func testAutomaticIsBLASWhereNoCompilerOptimisedTheLoops() {
    XCTAssertEqual(StepKernels.automatic.prefersLoops, FusedLoops.areOptimized)
    XCTAssertTrue(StepKernels.fused.prefersLoops)
    XCTAssertFalse(StepKernels.blas.prefersLoops)
  }
}
