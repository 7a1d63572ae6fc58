import Momentum

// All settings together, in combinations that the library accepts, but for few.
extension Random {
  mutating func drawSettings(_ frame: Frame) -> Settings {
    drawSettings(frame, pick(Convention.allCases), onePass: chance(0.18))
  }

  mutating func drawSettings(_ frame: Frame, _ convention: Convention, onePass: Bool) -> Settings {
    var settings = Settings(convention: convention)
    settings.rule = drawRule(convention, frame, onePass: onePass, matrices: frame.leastRank >= 2)
    settings.mode = onePass ? .onePass : .twoPass
    settings.policy = drawPolicy(onePass: onePass)
    if chance(0.85) { settings.clip = drawClip(convention, frame, onePass: onePass) }
    settings.groups = drawGroups(settings, frame)
    if !onePass {
      if chance(0.3) { settings.averaging = drawAveraging() }
      if chance(0.3) { settings.adaptive = drawAdaptive(frame) }
    }
    settings.loss = drawLoss(onePass: onePass)
    return settings
  }

  mutating func drawPolicy(onePass: Bool) -> NonFinitePolicy {
    onePass ? pick([.propagate, .zero]) : pick(NonFinitePolicy.allCases)
  }

  mutating func drawLoss(onePass: Bool) -> LossScale {
    if !onePass, chance(0.15) { return drawDynamicLoss() }
    return chance(0.15) ? drawFixedLoss() : .none
  }

  mutating func drawGroups(_ settings: Settings, _ frame: Frame) -> [GroupSpec] {
    guard frame.names.count > 1, chance(0.4) else { return [] }
    let onePass = settings.mode == .onePass
    var groups: [GroupSpec] = []
    for index in 0..<within(1...3) {
      let patterns: [String] =
        switch below(5) {
        case 0: ["*.bias"]
        case 1: ["layer[0-3].*"]
        case 2: [pick(frame.names), pick(frame.names)]
        case 3: frame.matrixNames.isEmpty ? ["*"] : [pick(frame.matrixNames), pick(frame.matrixNames)]
        default: ["layer?.weight"]
        }
      var group = GroupSpec(name: "group\(index)", patterns: patterns)
      let members = PlainGroups.membership(groups + [group], of: frame.names)
      let matrices = zip(members, frame.shapes).allSatisfy { $0 != groups.count || $1.count >= 2 }
      if chance(0.6) { group.rule = drawRule(settings.convention, frame, onePass: onePass, matrices: matrices) }
      if chance(0.5), !onePass, settings.clip.type != .p(0) {
        group.clip = drawClip(settings.convention, frame, like: settings.clip, onePass: false)
      }
      // One that finds no tensor is refused.
      if members.contains(groups.count) { groups.append(group) }
    }
    return groups
  }
}
