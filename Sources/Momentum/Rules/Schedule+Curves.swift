// Schedules that follow one formula.
extension Schedule {
  /// `initial · factor^⌊t / every⌋`.
  ///
  /// An `initial` of 0 stays 0, whatever the factor. A value that outgrows `Double` is infinite, and refused by the step
  /// that meets it, before it writes anything.
  ///
  /// - Parameters:
  ///   - initial: The value of the first `every` steps.
  ///   - factor: The factor of the value after every `every` steps.
  ///   - every: At least 1.
  public static func step(initial: Double, factor: Double, every: Int) throws(MomentumError) -> Schedule {
    try check(initial, "initial of a step schedule")
    try check(factor, "factor of a step schedule")
    try check(every, "every of a step schedule")
    return Schedule(.step(initial: initial, factor: factor, every: every))
  }

  /// `initial · rate^(t / every)`; with a `final`, at least that if the rate is below 1, otherwise at most that.
  ///
  /// An `initial` of 0 stays 0, whatever the rate. A value that outgrows `Double` is infinite, and refused by the step
  /// that meets it, before it writes anything.
  ///
  /// - Parameters:
  ///   - initial: The value of the first step.
  ///   - rate: The factor of the value over `every` steps; positive.
  ///   - every: At least 1.
  ///   - staircase: Whether the exponent is rounded down, which makes it ``step(initial:factor:every:)``.
  ///   - final: The least value for a rate below 1, otherwise the largest (Optax `end_value`); by default none.
  public static func exponential(
    initial: Double, rate: Double, every: Int = 1, staircase: Bool = false, final: Double? = nil
  ) throws(MomentumError) -> Schedule {
    try check(initial, "initial of an exponential schedule")
    guard rate > 0, rate.isFinite else {
      throw .invalidSetting(name: "rate of an exponential schedule", value: rate, expected: .positive)
    }
    try check(every, "every of an exponential schedule")
    if let final { try check(final, "final of an exponential schedule") }
    return Schedule(.exponential(initial: initial, rate: rate, every: every, staircase: staircase, final: final))
  }

  /// Half a cosine, `final + (initial - final) · ((1 + cos(π·min(t, steps) / steps)) / 2)^power`.
  ///
  /// With a restart factor, the i-th restart (the start is the 0th) begins a period of `steps · restartFactorⁱ` steps,
  /// in which the same formula holds for the steps since then, with `final + (initial - final) · restartScaleⁱ` for
  /// `initial`. `final` is then approached but not reached (Loshchilov and Hutter, arXiv:1608.03983).
  ///
  /// - Parameters:
  ///   - initial: The value of the first step.
  ///   - final: The value from t = steps on, an absolute value and not a fraction of `initial`.
  ///   - steps: At least 1.
  ///   - power: Positive (Optax `exponent`).
  ///   - restartFactor: If given, the schedule starts anew at t = steps and after each later period. Each period is
  ///     this many times as long as the one before. At least 1 (PyTorch `T_mult`, Keras `t_mul`).
  ///   - restartScale: The factor of `initial - final` at each restart; at least 0, and at most 1 if `final` is above
  ///     `initial`, which would leave a value below 0 otherwise (Keras `m_mul`).
  public static func cosine(
    initial: Double, final: Double = 0, steps: Int, power: Double = 1, restartFactor: Int? = nil,
    restartScale: Double = 1
  ) throws(MomentumError) -> Schedule {
    try check(initial, "initial of a cosine schedule")
    try check(final, "final of a cosine schedule")
    try check(steps, "steps of a cosine schedule")
    try checkPower(power, "power of a cosine schedule")
    if let restartFactor { try check(restartFactor, "restartFactor of a cosine schedule") }
    let name = "restartScale of a cosine schedule"
    try check(restartScale, name)
    guard restartScale <= 1 || initial >= final else {
      throw .invalidSetting(name: name, value: restartScale, expected: .between(0, 1))
    }
    guard restartScale == 1 || restartFactor != nil else {
      throw .invalidSetting(name: name, value: restartScale, expected: .words("1 without a restartFactor"))
    }
    return Schedule(
      .cosine(
        initial: initial, final: final, steps: steps, power: power, restartFactor: restartFactor,
        restartScale: restartScale))
  }

  /// `initial / (1 + rate · t / every)`.
  ///
  /// - Parameters:
  ///   - initial: The value of the first step.
  ///   - rate: The growth of the divisor over `every` steps.
  ///   - every: At least 1.
  ///   - staircase: Whether t / every is rounded down.
  public static func inverseTime(
    initial: Double, rate: Double, every: Int = 1, staircase: Bool = false
  ) throws(MomentumError) -> Schedule {
    try check(initial, "initial of an inverse time schedule")
    try check(rate, "rate of an inverse time schedule")
    try check(every, "every of an inverse time schedule")
    return Schedule(.inverseTime(initial: initial, rate: rate, every: every, staircase: staircase))
  }

  /// A straight line, `from + (to - from) · min(t, steps) / steps`.
  ///
  /// - Parameters:
  ///   - from: The value of the first step.
  ///   - to: The value from t = steps on.
  ///   - steps: At least 1.
  public static func linear(from: Double, to: Double, steps: Int) throws(MomentumError) -> Schedule {
    try check(from, "from of a linear schedule")
    try check(to, "to of a linear schedule")
    try check(steps, "steps of a linear schedule")
    return Schedule(.polynomial(from: from, to: to, steps: steps, power: 1, cycles: false))
  }

  /// `to + (from - to) · (1 - min(t, steps) / steps)^power`.
  ///
  /// A cycling one never ends: it has `steps · max(1, ⌈t / steps⌉)` in place of `steps`, so that it meets `to` after
  /// every `steps` steps, and then starts anew, lower each time (Keras `PolynomialDecay(cycle=True)`).
  ///
  /// - Parameters:
  ///   - from: The value of the first step.
  ///   - to: The value from t = steps on.
  ///   - steps: At least 1.
  ///   - power: Positive; with 1 it is ``linear(from:to:steps:)``.
  ///   - cycles: Whether it starts anew after every `steps` steps.
  public static func polynomial(
    from: Double, to: Double, steps: Int, power: Double, cycles: Bool = false
  ) throws(MomentumError) -> Schedule {
    try check(from, "from of a polynomial schedule")
    try check(to, "to of a polynomial schedule")
    try check(steps, "steps of a polynomial schedule")
    try checkPower(power, "power of a polynomial schedule")
    return Schedule(.polynomial(from: from, to: to, steps: steps, power: power, cycles: cycles))
  }

  private static func checkPower(_ power: Double, _ name: String) throws(MomentumError) {
    guard power > 0, power.isFinite else {
      throw .invalidSetting(name: name, value: power, expected: .finiteAbove(0))
    }
  }
}
