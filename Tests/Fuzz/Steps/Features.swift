import Momentum

enum Conventions {
  static let names = Convention.allCases.map { "convention \($0)" }
}

enum NormTypes {
  static let names = ["1", "2", "inf", "p", "0"].map { "norm type \($0)" }

  static func name(_ type: NormType) -> String {
    switch type.order {
    case 0: "norm type 0"
    case 1: "norm type 1"
    case 2: "norm type 2"
    case .infinity: "norm type inf"
    default: "norm type p"
    }
  }
}

extension Coverage {
  mutating func note<Scalar: BLASScalar>(_ layout: ParameterLayout, _: Scalar.Type, _ twins: [Twin<Scalar>]) {
    note("type \(Scalar.self)")
    for twin in twins {
      note("threads \(twin.threads)")
      note("storage \(twin.storage)")
      note("kernels \(twin.kernels.rawValue)")
      if twin.meets { note("an exchange") }
    }
    let tensors = layout.tensors.count
    note("tensors \(tensors == 1 ? "1" : tensors < 9 ? "2-8" : "9-40")")
    if layout.tensors.contains(where: { $0.count == 0 }) { note("an empty tensor") }
    if layout.count >= 65536 { note("65536 elements or more") }
  }

  /// The settings of a step that was taken or skipped, and what came of it.
  mutating func note(_ settings: Settings, _ report: StepReport) {
    note("convention \(settings.convention)")
    note("policy \(settings.policy)")
    for rule in [settings.rule] + settings.groups.compactMap(\.rule) { note(rule) }
    if !settings.groups.isEmpty { note("groups") }
    if settings.groups.contains(where: { $0.rule != nil }) { note("rule of a group") }
    if settings.groups.contains(where: { $0.clip != nil }) { note("clip of a group") }
    note(settings.clip)
    if settings.mode == .onePass { note(report.wasClipped ? "one pass, clipped" : "one pass") }
    if settings.loss != .none { note(settings.loss.growth == nil ? "fixed loss scale" : "dynamic loss scale") }
    switch settings.adaptive {
    case nil: break
    case .autoClip: note("limit autoClip")
    case .zClip: note("limit zClip")
    case .spikeSkipping: note("limit spikeSkipping")
    }
    if let averaging = settings.averaging {
      note(averaging.decay == nil ? "average mean" : "average exponential")
      if averaging.overwriteEvery != nil { note("average overwrites") }
    }
    if report.wasClipped { note("clipped") }
    if report.wasSkipped { note("skipped") }
    if report.valueClippedCount > 0 { note("values clipped") }
    if report.normOverflowed { note("norm beyond Double") }
    if report.nonFiniteCount > 0 { note("gradient not finite") }
  }

  private mutating func note(_ rule: RuleSpec) {
    note("rule \(rule.kind.rawValue)")
    if rule.unitClip != nil { note("rule AGC") }
    if rule.rateSchedule != nil || rule.momentumSchedule != nil { note("rule scheduled") }
    if rule.nesterov { note("nesterov") }
    if rule.dampening > 0 { note("dampening") }
    if rule.weightDecay > 0 { note(rule.decoupled ? "decoupled decay" : "coupled decay") }
    if rule.maximize { note("maximize") }
    if rule.momentum == 0 { note("momentum 0") }
    if rule.momentum > 1 { note("momentum above 1") }
  }

  private mutating func note(_ clip: ClipSpec) {
    if clip.value != nil { note("clip value") }
    switch clip.tensor {
    case nil: break
    case .norm: note("clip norm")
    case .unitNorm: note("clip units")
    case .rootMeanSquare: note("clip block RMS")
    }
    switch clip.whole {
    case nil: break
    case .norm(.infinity): note("measured only")
    case .norm(let limit): note(limit == 0 ? "limit 0" : "clip global norm")
    case .target: note("target norm")
    }
    guard clip.limitsNorm else { return }
    note(NormTypes.name(clip.type))
    if clip.algorithm == .portable { note("portable norm") }
  }
}
