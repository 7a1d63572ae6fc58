/// How often a step reads the gradients.
public enum StepMode: String, Sendable, Hashable, Codable, CaseIterable {
  /// Twice: once for the norm, once for the update. 6 elements moved for each parameter, with momentum.
  case twoPass
  /// Once, as long as nothing is clipped: each tile is updated as soon as it is summed. 5 elements moved for each parameter.
  ///
  /// When the norm turns out to exceed the limit, what was updated too far is corrected with axpys by c - 1, and the next step
  /// takes two passes; so does every step after one that clipped. Fast while clipping is the exception.
  ///
  /// A corrected element carries up to three more roundings than in two passes: one of the velocity, two of the
  /// parameter. No tile is updated once its segment of the gradient alone has exceeded the limit C, so the summands
  /// that cancel are at most lr·C in size, and the error of a parameter is at most about 3 units of roundoff of
  /// `|p| + lr·C`.
  ///
  /// Updates come before the check, so the policies that promise untouched parameters, ``NonFinitePolicy/throw`` and
  /// ``NonFinitePolicy/skipStep``, are refused, as are clipping by value and by tensor norms. Same bits for any number of
  /// threads; not the same bits as two passes once something is clipped.
  case onePass
}

extension StepMode {
  /// Checks that what else is asked for can be done in this mode.
  func validate(
    _ policy: NonFinitePolicy, _ clipping: GradientClipping, _ groups: [ParameterGroup], _ averaging: WeightAveraging?
  ) throws(MomentumError) {
    guard self == .onePass else { return }
    func refuse(_ reason: String) -> MomentumError {
      .invalidSetting(name: "mode", value: rawValue, expected: "twoPass \(reason)")
    }
    if policy == .throw || policy == .skipStep {
      throw refuse("with the policy \(policy.rawValue), which promises untouched parameters")
    }
    if clipping.value != nil || clipping.tensor != nil {
      throw refuse("to clip by value or by tensor norms")
    }
    if groups.contains(where: { $0.clipping != nil }) { throw refuse("to clip groups by limits of their own") }
    if clipping.targetNorm != nil { throw refuse("to normalize gradients, which changes every one") }
    if averaging != nil { throw refuse("to average parameters, which would take in uncorrected ones") }
    if clipping.globalNorm != nil, clipping.normType != .l2 { throw refuse("for other norms than 2") }
  }

  /// Checks that the rules can be followed in this mode.
  func validate(
    _ rules: StepRules, _ lossScale: LossScale = .none, _ adaptive: AdaptiveLimit? = nil
  ) throws(MomentumError) {
    guard self == .onePass else { return }
    func refuse(_ reason: String) -> MomentumError {
      .invalidSetting(name: "mode", value: rawValue, expected: "twoPass \(reason)")
    }
    if rules.scaleUnits { throw refuse("with a rule that measures units before it updates them") }
    if lossScale.growth != nil { throw refuse("with a dynamic loss scale, which skips steps") }
    if adaptive != nil { throw refuse("with adaptive clipping, whose limit depends on the norm") }
  }
}
