import CMomentumLimit
import Foundation
import Momentum

/// The formulas of a step of AdamW.
private struct MomentSettings {
  let rule: AdamW

  init(_ operation: BenchOperation) throws {
    rule = try AdamW(learningRate: 0.01, beta1: operation.momentum, weightDecay: operation.weightDecay)
  }

  /// The update of a step, counted from 1, for the hand-fused kernel.
  func limitMoments(step: Int) -> momentum_limit_moments {
    // 1 - βᵗ, without the digits that the difference from a power near 1 would lose.
    func weight(_ beta: Double) -> Double { -expm1(Double(step) * log1p(beta - 1)) }
    let root = weight(rule.beta2).squareRoot()
    return momentum_limit_moments(
      beta1: rule.beta1, beta2: rule.beta2, rate: rule.learningRate * root / weight(rule.beta1),
      epsilon: rule.epsilon * root, keep: 1 - rule.learningRate * rule.weightDecay)
  }

  /// Parameter `p` after steps with the gradient `g`, from moments of 0, in Double; and the distance it went.
  func reference(_ p: Double, _ g: Double, steps: Int) -> (parameter: Double, distance: Double) {
    var (p, m, s, distance) = (p, 0.0, 0.0, 0.0)
    // The weights of all gradients so far, 1 - βᵗ, which the means are divided by.
    var (weight, squareWeight) = (0.0, 0.0)
    for _ in 1...steps {
      weight += (1 - rule.beta1) * (1 - weight)
      squareWeight += (1 - rule.beta2) * (1 - squareWeight)
      m = rule.beta1 * m + (1 - rule.beta1) * g
      s = rule.beta2 * s + (1 - rule.beta2) * g * g
      let (decay, update) = (rule.weightDecay * p, m / weight / ((s / squareWeight).squareRoot() + rule.epsilon))
      p -= rule.learningRate * (decay + update)
      distance += rule.learningRate * (abs(decay) + abs(update))
    }
    return (p, distance)
  }
}

/// The step as one hand-fused loop.
private final class LimitMomentStep<Scalar: LimitScalar>: BenchContender {
  private let memory: BenchMemory<Scalar>
  private let settings: MomentSettings
  private let kernel: LimitKernel
  private let mean, square: UnsafeMutableBufferPointer<Scalar>
  private var step = 0

  init(_ memory: BenchMemory<Scalar>, _ settings: MomentSettings, _ kernel: LimitKernel) throws {
    (self.memory, self.settings, self.kernel) = (memory, settings, kernel)
    (mean, square) = (try memory.velocity(), try memory.secondMoment())
    mean.update(repeating: 0)
    square.update(repeating: 0)
  }

  func prepare() {}

  func run() {
    step += 1
    let (moments, kernel) = (settings.limitMoments(step: step), kernel)
    let (g, p) = (SharedPointer(memory.gradients), SharedPointer(memory.parameters))
    let (m, s) = (SharedPointer(mean), SharedPointer(square))
    memory.team.run { _, share in
      let start = share.lowerBound
      Scalar.limitAdamW(
        kernel.path, moments, g.value + start, m.value + start, s.value + start, p.value + start, share.count)
    }
  }
}

extension BenchContest {
  /// Verifies the ways to take a step of ``AdamW``.
  static func adamW<Scalar: LimitScalar>(
    _ operation: BenchOperation, _ memory: BenchMemory<Scalar>, _ kernel: LimitKernel, kernels: StepKernels,
    row: String
  ) throws -> BenchContest {
    let settings = try MomentSettings(operation)
    let engine = try EngineStep(memory, settings.rule, kernels: kernels)
    try verify(engine, "momentum", memory, settings, row)
    let limit = try LimitMomentStep(memory, settings, kernel)
    try verify(limit, "limit", memory, settings, row)
    return BenchContest(
      engine: engine, limit: limit, bytes: engine.words * memory.count * MemoryLayout<Scalar>.stride)
  }

  /// Compares the parameters after two steps with a plain loop in Double.
  private static func verify<Scalar: LimitScalar>(
    _ contender: some BenchContender, _ name: String, _ memory: BenchMemory<Scalar>, _ settings: MomentSettings,
    _ row: String
  ) throws {
    let steps = 2
    memory.fillParameters()
    for _ in 0..<steps { try contender.run() }
    for index in memory.sample {
      let start = Double(BenchMemory<Scalar>.parameter(index))
      let expected = settings.reference(start, Double(BenchMemory<Scalar>.gradient(index)), steps: steps)
      let found = Double(memory.parameters[index])
      // A dozen roundings are in a quotient.
      let tolerance = Double(Scalar.ulpOfOne) * (4 * abs(start) + 16 * expected.distance)
      guard abs(found - expected.parameter) <= tolerance else {
        throw BenchFailure(
          row: row, contender: name,
          cause: "element \(index) is \(found) after \(steps) steps, expected \(expected.parameter)")
      }
    }
  }
}
