/// The number of times that a step reads the gradients.
public enum StepMode: String, Sendable, Hashable, Codable, CaseIterable {
  /// Twice: once for the norm, once for the update. With momentum, it moves 6 elements for each parameter.
  case twoPass
  /// Once, as long as nothing is clipped: each piece of a tensor is updated as soon as it is summed. It moves 5 elements
  /// for each parameter.
  ///
  /// When the norm turns out to exceed the limit, what was updated with the coefficient 1 is corrected by axpys
  /// with the factor c - 1, and the next step takes two passes; so does every step after one that clipped. This mode is
  /// fast while clipping is the exception.
  ///
  /// A corrected element carries up to three more roundings than in two passes: one of the velocity and two of the
  /// parameter. A segment of the gradient stops updating when its own norm exceeds the limit C, so the summands that
  /// cancel are at most lr·C in size. The error of a parameter is therefore at most about 3u of `|p| + lr·C`, where u
  /// is the unit roundoff. A velocity of ``BFloat16`` is rounded once more where it is corrected; the parameters are not
  /// computed from what it was rounded to.
  ///
  /// Updates come before the check. So the policies that promise untouched parameters, ``NonFinitePolicy/throw`` and
  /// ``NonFinitePolicy/skipStep``, are refused, as are clipping by value and by tensor norms. The results have the same
  /// bits for any number of threads, but differ from those of two passes once something is clipped.
  case onePass
}

extension StepMode {
  /// Checks that the other settings can be combined with this mode.
  func validate(
    _ policy: NonFinitePolicy, _ clipping: GradientClipping, _ groups: [ParameterGroup], _ averaging: WeightAveraging?
  ) throws(MomentumError) {
    guard self == .onePass else { return }
    func refuse(_ reason: String) -> MomentumError {
      .invalidSetting(name: "mode", value: rawValue, expected: "twoPass \(reason)")
    }
    if policy == .throw || policy == .skipStep {
      throw refuse(
        "with the policy \(policy.rawValue), which promises untouched parameters; onePass takes propagate and zero")
    }
    if clipping.value != nil || clipping.tensor != nil {
      throw refuse("to clip by value or by tensor norms")
    }
    if groups.contains(where: { $0.clipping != nil }) { throw refuse("to clip groups by limits of their own") }
    if groups.contains(where: \.exemptFromWhole) { throw refuse("with groups that the limit leaves out") }
    if clipping.targetNorm != nil { throw refuse("to normalize gradients, which changes every one") }
    if averaging != nil { throw refuse("to average parameters, which would take in uncorrected ones") }
    if clipping.globalNorm != nil, clipping.normType != .l2 { throw refuse("for other norms than 2") }
  }

  /// Checks that the rules can be used in this mode.
  func validate(
    _ rules: StepRules, _ lossScale: LossScale = .none, _ adaptive: AdaptiveLimit? = nil
  ) throws(MomentumError) {
    guard self == .onePass else { return }
    func refuse(_ reason: String) -> MomentumError {
      .invalidSetting(name: "mode", value: rawValue, expected: "twoPass \(reason)")
    }
    if rules.scaleUnits { throw refuse("with a rule that measures units before it updates them") }
    if rules.transformTensors { throw refuse("with a rule that transforms whole tensors") }
    if lossScale.growth != nil { throw refuse("with a dynamic loss scale, which skips steps") }
    if adaptive != nil { throw refuse("with adaptive clipping, whose limit depends on the norm") }
  }
}
