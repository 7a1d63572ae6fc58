import Momentum

/// All settings of an optimizer as plain values, from which both the library's settings and the plain loop are made.
struct Settings {
  var convention = Convention.native
  var rule = RuleSpec()
  var groups: [GroupSpec] = []
  var clip = ClipSpec()
  var policy = NonFinitePolicy.propagate
  var mode = StepMode.twoPass
  var averaging: AveragingSpec?
  var loss = LossScale.none
  var adaptive: AdaptiveLimit?
  /// That of the parameters if it is `nil`. Stays the same in a scenario.
  var velocityType: ElementType?

  /// The rule of the tensors in a group, `nil` for those in none.
  func rule(ofGroup group: Int?) -> RuleSpec { group.flatMap { groups[$0].rule } ?? rule }

  /// The clips of the tensors in a group, by value and of each tensor.
  func clip(ofGroup group: Int?) -> ClipSpec { group.flatMap { groups[$0].clip } ?? clip }

  /// The policy in effect: a dynamic loss scale skips steps.
  var effectivePolicy: NonFinitePolicy { loss.growth == nil ? policy : .skipStep }
}

/// A rule of the library, perhaps with schedules, perhaps after adaptive gradient clipping.
struct RuleSpec {
  enum Kind: String, CaseIterable {
    case sgd = "SGD"
    case lars = "LARS"
    case lion = "Lion"
    case signum = "Signum"
    case normalized = "normalised momentum"
    case adamW = "AdamW"
    case muon = "Muon"
  }

  var convention = Convention.native
  var kind = Kind.sgd
  var learningRate = 0.1
  /// m, or β₁.
  var momentum = 0.0
  var beta2 = 0.99
  var dampening = 0.0
  var weightDecay = 0.0
  var decoupled = false
  var nesterov = false
  var maximize = false
  var trust = 0.001
  var epsilon = 0.0
  var adapts = true
  var correctsBias = true
  var matrices = Matrices()
  var rateSchedule: ScheduleSpec?
  var momentumSchedule: ScheduleSpec?
  var unitClip: UnitClip?
  /// Those of ``NormalizedMomentum``.
  var normalizedUnits = TensorUnits.tensor

  /// Adaptive gradient clipping: λ, ε and the units.
  struct UnitClip {
    var factor, epsilon: Double
    var units: TensorUnits
  }

  /// What ``Muon`` does to matrices.
  struct Matrices {
    var view = MatrixView.firstAxis
    var method = NewtonSchulz.jordan()
    var scale = Muon.Scale.fanRatio
  }

  var isLARS: Bool { kind == .lars }
  /// Whether it scales units itself, which adaptive clipping around it refuses.
  var scalesUnits: Bool { isLARS && adapts || kind == .normalized }
  var keepsLearningRate: Bool { isLARS || (kind == .sgd && convention == .keras) }
}

/// The clips of a step or a group.
struct ClipSpec {
  var value: ClosedRange<Double>?
  var tensor: GradientClipping.TensorLimit?
  var whole: GradientClipping.WholeLimit?
  var type = NormType.l2
  var algorithm = NormAlgorithm.blas

  var limitsNorm: Bool { tensor != nil || whole != nil }
  var isEmpty: Bool { value == nil && !limitsNorm }
}

struct GroupSpec {
  var name: String
  var patterns: [String]
  var rule: RuleSpec?
  var clip: ClipSpec?
}

struct AveragingSpec {
  /// β, or `nil` for the mean.
  var decay: Double?
  var overwriteEvery: Int?
}

// MARK: - What the library makes of them

extension RuleSpec {
  func make() throws -> any UpdateRule {
    func scheduled(_ rule: some SchedulableRule) throws -> any UpdateRule {
      guard rateSchedule != nil || momentumSchedule != nil else { return rule }
      return try Scheduled(rule, learningRate: rateSchedule?.make(), momentum: momentumSchedule?.make())
    }
    let base: any UpdateRule =
      switch kind {
      case .sgd:
        try scheduled(
          SGD(
            learningRate: learningRate, momentum: momentum, dampening: dampening, weightDecay: weightDecay,
            decoupledWeightDecay: decoupled, nesterov: nesterov, maximize: maximize, convention: convention))
      case .lars:
        try scheduled(
          LARS(
            learningRate: learningRate, momentum: momentum, weightDecay: weightDecay, trustCoefficient: trust,
            epsilon: epsilon, nesterov: nesterov, adapts: adapts, convention: convention))
      case .lion:
        try scheduled(
          Lion(
            learningRate: learningRate, beta1: momentum, beta2: beta2, weightDecay: weightDecay,
            convention: convention))
      case .signum:
        try scheduled(
          Signum(
            learningRate: learningRate, momentum: momentum, weightDecay: weightDecay, nesterov: nesterov,
            convention: convention))
      case .normalized:
        try scheduled(
          NormalizedMomentum(
            learningRate: learningRate, momentum: momentum, weightDecay: weightDecay, nesterov: nesterov,
            units: normalizedUnits, convention: convention))
      case .adamW:
        try scheduled(
          AdamW(
            learningRate: learningRate, beta1: momentum, beta2: beta2, epsilon: epsilon, weightDecay: weightDecay,
            biasCorrection: correctsBias, convention: convention))
      case .muon:
        try scheduled(
          Muon(
            learningRate: learningRate, momentum: momentum, nesterov: nesterov, weightDecay: weightDecay,
            method: .newtonSchulz(matrices.method), view: matrices.view, scale: matrices.scale, convention: convention))
      }
    guard let unitClip else { return base }
    return try AdaptiveGradientClipping(
      base, factor: unitClip.factor, epsilon: unitClip.epsilon, units: unitClip.units)
  }
}

extension ClipSpec {
  func make() throws -> GradientClipping {
    try GradientClipping(value: value, tensor: tensor, whole: whole, normType: type, algorithm: algorithm)
  }
}

extension Settings {
  func makeGroups() throws -> [ParameterGroup] {
    try groups.map { ParameterGroup($0.name, $0.patterns, rule: try $0.rule?.make(), clipping: try $0.clip?.make()) }
  }

  func makeAveraging() throws -> WeightAveraging? {
    guard let averaging else { return nil }
    return try WeightAveraging(
      averaging.decay.map { .exponential(decay: $0) } ?? .mean, overwriteEvery: averaging.overwriteEvery)
  }

  func makeOptimizer<Scalar: BLASScalar>(
    _ layout: ParameterLayout, threads: Int, kernels: StepKernels = .automatic
  ) throws -> Optimizer<Scalar> {
    let rule = try rule.make()
    var optimizer = try Optimizer<Scalar>(
      layout, rule: rule, groups: makeGroups(), clipping: clip.make(), nonFinitePolicy: policy, mode: mode,
      averaging: makeAveraging(), lossScale: loss, adaptiveLimit: adaptive, velocityType: velocityType,
      threads: threads)
    optimizer.kernels = kernels
    return optimizer
  }

  /// Gives these settings to an optimizer that may have others. A loss scale and an adaptive limit carry state, so they
  /// are replaced only when the caller says that they have changed.
  func apply<Scalar>(to optimizer: inout Optimizer<Scalar>, adaptsAnew: Bool) throws {
    optimizer.rule = try rule.make()
    optimizer.groups = try makeGroups()
    optimizer.clipping = try clip.make()
    optimizer.nonFinitePolicy = policy
    optimizer.mode = mode
    optimizer.averaging = try makeAveraging()
    guard adaptsAnew else { return }
    optimizer.lossScale = loss
    optimizer.adaptiveLimit = adaptive
  }
}
