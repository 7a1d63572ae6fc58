import CMomentumLimit
import Momentum

/// The engine's step.
final class EngineStep<Scalar: LimitScalar>: BenchContender {
  private let memory: BenchMemory<Scalar>
  private let measures: Bool
  private var optimizer: Optimizer<Scalar>

  init(
    _ memory: BenchMemory<Scalar>, _ settings: StepSettings, algorithm: NormAlgorithm = .blas,
    velocityType: ElementType? = nil, kernels: StepKernels = .automatic
  ) throws {
    (self.memory, measures) = (memory, settings.measures)
    var clipping = try settings.clipping
    clipping.algorithm = algorithm
    // Where nothing is measured for a limit or a report, nothing is for the policy either, so that the row is the update
    // pass alone. One pass cannot refuse a gradient.
    optimizer = try Optimizer(
      memory.layout, rule: settings.rule, clipping: clipping,
      nonFinitePolicy: settings.measures ? nil : .propagate,
      mode: settings.onePass ? .onePass : .twoPass, velocityType: velocityType, threads: memory.threads)
    optimizer.kernels = kernels
    optimizer.reportsNorms = settings.reportsNorms
  }

  /// The update of a rule alone.
  init(_ memory: BenchMemory<Scalar>, _ rule: some UpdateRule, kernels: StepKernels) throws {
    (self.memory, measures) = (memory, false)
    optimizer = try Optimizer(memory.layout, rule: rule, nonFinitePolicy: .propagate, threads: memory.threads)
    optimizer.kernels = kernels
  }

  func prepare() {}

  func run() throws { try run(times: 1) }

  func run(times: Int) throws {
    try Scalar.step(&optimizer, memory.parameters, UnsafeBufferPointer(memory.gradients), times: times)
  }

  var kernels: StepKernels? { optimizer.lastStepWasFused ? .fused : .blas }

  /// Elements that the last step moved for each parameter, by the account of the programs that it ran.
  var words: Int { (measures ? 1 : 0) + (optimizer.lastPrograms.first?.traffic.words ?? 0) }
}

/// The step as one hand-fused loop a pass.
final class LimitStep<Scalar: LimitScalar>: BenchContender {
  private let memory: BenchMemory<Scalar>
  private let settings: StepSettings
  private let kernel: LimitKernel
  private let squares: LimitSquares<Scalar>
  private let sums: ThreadSums
  private let velocity: UnsafeMutableBufferPointer<Scalar>
  private let tensorSums: [ThreadSums]

  init(_ memory: BenchMemory<Scalar>, _ settings: StepSettings, _ kernel: LimitKernel) throws {
    (self.memory, self.settings, self.kernel) = (memory, settings, kernel)
    squares = LimitSquares(memory, kernel)
    sums = ThreadSums(memory.team.count)
    velocity = try memory.velocity()
    tensorSums = settings.clip == .tensor ? memory.layout.tensors.map { _ in ThreadSums(memory.team.count) } : []
  }

  func prepare() {}

  func run() {
    guard settings.measures else { return step(1) }
    switch settings.clip {
    case .tensor: stepByTensor()
    case .global: step(settings.coefficient(squares: squares.total()))
    case .value:
      _ = squares.total(clampedTo: settings.bounds)
      step(1)
    case .none: step(1)
    }
  }

  private func step(_ coefficient: Double) {
    let (g, v, p) = (SharedPointer(memory.gradients), SharedPointer(velocity), SharedPointer(memory.parameters))
    let (update, kernel, sums) = (settings.limitUpdate(coefficient: coefficient), kernel, sums)
    memory.team.run { thread, share in
      let start = share.lowerBound
      sums[thread] = Scalar.limitUpdate(
        kernel.path, update, g.value + start, v.value + start, p.value + start, share.count)
    }
  }

  private func stepByTensor() {
    let (g, v, p) = (SharedPointer(memory.gradients), SharedPointer(velocity), SharedPointer(memory.parameters))
    let (kernel, sums, layout, settings) = (kernel, tensorSums, memory.layout, settings)
    memory.team.run { thread, share in
      for (index, tensor) in layout.tensors.enumerated() {
        let part = tensor.range.clamped(to: share)
        sums[index][thread] = Scalar.limitSquares(kernel.path, g.value + part.lowerBound, part.count)
      }
    }
    let updates = sums.map { settings.limitUpdate(coefficient: settings.coefficient(squares: $0.total)) }
    memory.team.run { _, share in
      for (index, tensor) in layout.tensors.enumerated() {
        let part = tensor.range.clamped(to: share)
        let start = part.lowerBound
        _ = Scalar.limitUpdate(
          kernel.path, updates[index], g.value + start, v.value + start, p.value + start, part.count)
      }
    }
  }
}

/// A step with clipping by global norm as five BLAS calls on whole vectors, with OpenBLAS's own threads.
final class PlainStep<Scalar: LimitScalar>: BenchContender {
  private let settings: StepSettings
  private let g, v, p: BLAS.MutableVector<Scalar>
  private var runs = 0

  init(_ memory: BenchMemory<Scalar>, _ settings: StepSettings) throws {
    self.settings = settings
    g = BLAS.MutableVector(memory.gradients.baseAddress, count: memory.count)
    v = BLAS.MutableVector(try memory.velocity().baseAddress, count: memory.count)
    p = BLAS.MutableVector(memory.parameters.baseAddress, count: memory.count)
  }

  func prepare() {}
  func settle() { settleOpenBLAS() }

  func run() throws {
    let norm = Double(try BLAS.nrm2(g.readOnly))
    // The first step clips, the second one gives the length back: each scales, as every step of a run that clips does.
    runs += 1
    try BLAS.scal(Scalar((runs % 2 == 1 ? settings.threshold : 2 * settings.threshold) / norm), g)
    try BLAS.scal(Scalar(settings.rule.momentum), v)
    try BLAS.axpy(1, g.readOnly, into: v)
    try BLAS.axpy(Scalar(-settings.rule.learningRate), v.readOnly, into: p)
  }
}

extension BenchContest {
  /// Verifies the ways to take a step.
  static func step<Scalar: LimitScalar>(
    _ operation: BenchOperation, _ memory: BenchMemory<Scalar>, _ kernel: LimitKernel,
    kernels: StepKernels = .automatic,
    row: String
  ) throws -> BenchContest {
    let settings = try StepSettings(operation, memory)
    let engine = try EngineStep(memory, settings, kernels: kernels)
    try verify(engine, "momentum", memory, settings, row, steps: 2)

    let velocity = try memory.velocity()
    velocity.update(repeating: 0)
    let limit = try LimitStep(memory, settings, kernel)
    try verify(limit, "limit", memory, settings, row, steps: 2)

    var contest = BenchContest(
      engine: engine, limit: limit, bytes: engine.words * memory.count * MemoryLayout<Scalar>.stride)
    let rule = settings.rule
    if settings.clip == .global, !settings.onePass, rule.momentum > 0, !rule.nesterov, rule.weightDecay == 0 {
      velocity.update(repeating: 0)
      let plain = try PlainStep(memory, settings)
      contest.plainFault = try fault {
        try verify(plain, "OpenBLAS calls", memory, settings, row, steps: 1)
      }
      // Rounding changes the gradients a little.
      memory.fillGradients()
      contest.plain = ("OpenBLAS calls", plain)
    }
    return contest
  }

  /// Compares the parameters after some steps with a plain loop in Double.
  static func verify<Scalar: LimitScalar>(
    _ contender: some BenchContender, _ name: String, _ memory: BenchMemory<Scalar>, _ settings: StepSettings,
    _ row: String, steps: Int
  ) throws {
    memory.fillParameters()
    for _ in 0..<steps { try contender.run() }
    let squares = memory.squares
    let whole = settings.coefficient(squares: squares.reduce(0, +))
    let coefficients = squares.map { settings.clip == .tensor ? settings.coefficient(squares: $0) : whole }
    var tensor = 0
    for index in memory.sample {
      while index >= memory.layout.tensors[tensor].range.upperBound { tensor += 1 }
      let start = Double(BenchMemory<Scalar>.parameter(index))
      let expected = settings.reference(
        start, Double(BenchMemory<Scalar>.gradient(index)), coefficient: coefficients[tensor], steps: steps)
      let found = Double(memory.parameters[index])
      // Each operation rounds; the coefficient is as exact as the norm.
      let tolerance = 4 * Double(Scalar.ulpOfOne) * abs(start) + 2 * normTolerance(Scalar.self) * expected.distance
      guard abs(found - expected.parameter) <= tolerance else {
        throw BenchFailure(
          row: row, contender: name,
          cause: "element \(index) is \(found) after \(steps) steps, expected \(expected.parameter)")
      }
    }
  }
}
