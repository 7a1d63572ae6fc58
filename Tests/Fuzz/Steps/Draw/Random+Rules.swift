import Momentum

// Rules, schedules, averages, loss scales.
extension Random {
  private mutating func drawMomentum() -> Double {
    weighted([
      (0.2, 0), (0.3, 0.9), (0.1, 0.99), (0.1, 0.5), (0.12, unit()), (0.1, logUniform(1e-6, 0.2)), (0.05, 1),
      (0.06, 1 + 2 * unit()),
    ])
  }

  /// - Parameters:
  ///   - onePass: Whether the rule has to be one that can be corrected.
  ///   - matrices: Whether all its tensors can be read as matrices.
  mutating func drawRule(_ convention: Convention, _ frame: Frame, onePass: Bool, matrices: Bool) -> RuleSpec {
    var rule = RuleSpec(convention: convention)
    rule.kind =
      onePass
      ? .sgd
      : weighted([
        (0.5, .sgd), (0.16, .lars), (0.09, .lion), (0.09, .signum), (0.09, .normalized), (0.11, .adamW),
        (matrices ? 0.5 : 0, .muon),
      ])
    rule.learningRate = weighted([(0.9, logUniform(1e-4, 1)), (0.05, 0), (0.05, logUniform(1, 1e4))])
    rule.momentum = drawMomentum()
    rule.weightDecay = weighted([(0.6, 0), (0.35, logUniform(1e-5, 0.2)), (0.05, 1)])
    rule.nesterov = chance(0.3)
    let fixed = convention == .keras || convention == .optax
    switch rule.kind {
    case .sgd:
      if !fixed, !rule.nesterov, chance(0.3) { rule.dampening = pick([0.1, 0.5, 1, 0.9]) }
      rule.decoupled = chance(0.5)
      rule.maximize = chance(0.15)
      if rule.nesterov, rule.momentum == 0, !fixed { rule.nesterov = false }
      if convention == .keras { rule.momentum = min(rule.momentum, 1) }
    case .lars:
      rule.trust = logUniform(1e-4, 1)
      rule.epsilon = weighted([(0.6, 0), (0.4, logUniform(1e-9, 1e-2))])
      rule.adapts = chance(0.85)
    case .normalized:
      rule.decoupled = true
      rule.normalizedUnits = drawUnits(frame)
    case .lion, .signum, .adamW, .muon: drawMoments(for: &rule)
    }
    if chance(0.3) { drawSchedules(for: &rule) }
    if !onePass, chance(0.2), !rule.scalesUnits {
      rule.unitClip = RuleSpec.UnitClip(
        factor: weighted([(0.7, logUniform(1e-3, 1)), (0.25, logUniform(1, 100)), (0.05, 0)]),
        epsilon: weighted([(0.8, 1e-3), (0.15, logUniform(1e-6, 1)), (0.05, 0)]), units: drawUnits(frame))
    }
    return rule
  }

  /// What is special about the rules that do not descend along the velocity itself.
  private mutating func drawMoments(for rule: inout RuleSpec) {
    rule.decoupled = rule.kind != .muon || rule.convention != .mlx
    rule.beta2 = weighted([(0.3, 0.99), (0.3, 0.999), (0.2, unit()), (0.1, 0), (0.1, 0.5)])
    switch rule.kind {
    case .lion:
      rule.momentum = min(rule.momentum, 1)
      if chance(0.05) { rule.beta2 = 1 }
    case .adamW:
      if rule.momentum >= 1 { rule.momentum = 0.95 }
      rule.epsilon = weighted([(0.4, 1e-8), (0.5, logUniform(1e-10, 1e-2)), (0.1, 0)])
      rule.correctsBias = chance(0.7)
    case .muon:
      if rule.convention == .optax, rule.momentum >= 1 { rule.momentum = 0.95 }
      rule.matrices = drawMatrices()
    default: break
    }
  }

  private mutating func drawMatrices() -> RuleSpec.Matrices {
    var matrices = RuleSpec.Matrices()
    matrices.view = pick([.firstAxis, .lastTwoAxes, .axes(inputs: [0], outputs: [1])])
    matrices.scale = pick([.fanRatio, .matchingRMS(0.2), .spectral, .none])
    matrices.method = pick([
      .jordan(), .jordan(steps: within(1...6)), .jordan(restarts: []), .polarExpress(), .dion,
    ])
    if chance(0.5) {
      matrices.method.epsilon = logUniform(1e-9, 1e-3)
      matrices.method.epsilonUse = pick([.added, .least])
    }
    return matrices
  }

  private mutating func drawSchedules(for rule: inout RuleSpec) {
    if chance(0.85) { rule.rateSchedule = drawSchedule(rule.learningRate == 0 ? 0.1 : rule.learningRate) }
    guard chance(0.3) || rule.rateSchedule == nil else { return }
    // Nesterov needs a momentum above 0 in every step.
    rule.momentumSchedule =
      rule.nesterov ? .polynomial(from: 0.5, to: 0.9, steps: within(1...9), power: 1) : drawSchedule(0.9)
  }

  private mutating func drawSchedule(_ base: Double, depth: Int = 0) -> ScheduleSpec {
    let other = base * unit()
    switch below(depth > 1 ? 7 : 10) {
    case 0: return .constant(base)
    case 1: return .step(initial: base, factor: pick([0.5, 0.1, 0.9]), every: within(1...4))
    case 2: return .exponential(initial: base, rate: 0.5 + unit() / 2, every: within(1...5), staircase: chance(0.4))
    case 3:
      return .cosine(
        initial: base, final: chance(0.5) ? 0 : other, steps: within(1...12),
        restartFactor: chance(0.4) ? within(1...3) : nil)
    case 4: return .inverseTime(initial: base, rate: unit() * 3, every: within(1...5), staircase: chance(0.4))
    case 5: return .polynomial(from: other, to: base, steps: within(1...12), power: pick([0.5, 2, 3, 1, 1, 1.7]))
    case 6: return .piecewise(boundaries: [2, 5], values: [base, other, base / 2])
    case 7:
      let from = chance(0.5) ? 0 : other
      return .warmup(from: from, steps: within(1...6), then: drawSchedule(base, depth: depth + 1))
    case 8:
      return .joined(
        drawSchedule(base, depth: depth + 1), drawSchedule(other, depth: depth + 1), boundary: within(1...7))
    default: return .custom(base)
    }
  }

  mutating func drawAveraging() -> AveragingSpec {
    let decay = weighted([(0.4, 0.9), (0.3, unit()), (0.1, logUniform(1e-6, 0.1)), (0.1, 0), (0.1, 1)])
    return AveragingSpec(decay: chance(0.6) ? decay : nil, overwriteEvery: chance(0.35) ? within(1...5) : nil)
  }

  mutating func drawFixedLoss() -> LossScale {
    try! .fixed(pick([1024, 65536, 3, 1000.7, 0x1p-10, 0x1p100, 0x1p-120]))  // all are positive and normal
  }

  mutating func drawDynamicLoss() -> LossScale {
    try! .dynamic(  // every combination is valid
      initial: pick([1024, 65536, 0x1p120, 3.5]), growthFactor: pick([2, 1.5, 4]), backoffFactor: pick([0.5, 0.3]),
      growthInterval: within(1...5), minimum: pick([0x1p-126, 2]), maximum: pick([0x1p127, 0x1p121]))
  }
}
