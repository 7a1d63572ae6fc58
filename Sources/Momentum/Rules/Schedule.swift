/// A number for every step, a learning rate or a momentum, as a function of t, the number of steps taken so far.
///
/// The first step has t = 0. Values are absolute: they replace the rule's own learning rate and are not multiplied by
/// it.
///
/// ```swift
/// let decay = try Schedule.cosine(initial: 0.1, final: 0.001, steps: 10_000)
/// let schedule = try Schedule.warmup(from: 0, steps: 500, then: decay)
/// let rate = schedule.value(at: 250)  // 0.05
/// ```
///
/// | | `torch.optim.lr_scheduler` (lr the optimizer's) | `keras.optimizers.schedules` | `optax` | `mlx.optimizers` |
/// |---|---|---|---|---|
/// | ``constant(_:)`` | none | a number | `constant_schedule` | a number |
/// | ``step(initial:factor:every:)`` | `StepLR(step_size, gamma)` | `ExponentialDecay(staircase=True)` | `exponential_decay(staircase=True)` | `step_decay` |
/// | ``exponential(initial:rate:every:staircase:)`` | `ExponentialLR(gamma)`, every 1 | `ExponentialDecay` | `exponential_decay` | `exponential_decay`, every 1 |
/// | ``cosine(initial:final:steps:restartFactor:)`` | `CosineAnnealingLR(T_max, eta_min)` up to t = T_max, where it turns back; `CosineAnnealingWarmRestarts(T_0, T_mult, eta_min)` | `CosineDecay`, alpha = final / initial; `CosineDecayRestarts(t_mul, m_mul=1)` | `cosine_decay_schedule`, alpha = final / initial | `cosine_decay(init, steps, end)` |
/// | ``inverseTime(initial:rate:every:staircase:)`` | none | `InverseTimeDecay` | none | none |
/// | ``polynomial(from:to:steps:power:)`` | `PolynomialLR(total_iters, power)`, to 0 | `PolynomialDecay` | `polynomial_schedule` | none |
/// | ``joined(_:boundaries:)`` | `SequentialLR(schedulers, milestones)` | none | `join_schedules` | `join_schedules` |
/// | ``linear(from:to:steps:)`` | `LinearLR`, factors = from / lr, to / lr | `PolynomialDecay(power=1)` | `linear_schedule` | `linear_schedule` |
/// | ``warmup(from:steps:then:)`` | `SequentialLR([LinearLR, next], [steps])` | `CosineDecay(warmup_target, warmup_steps)` | `join_schedules`, `warmup_cosine_decay_schedule` (whose `decay_steps` includes the warm-up) | `join_schedules` |
/// | ``piecewise(boundaries:values:)`` | `MultiStepLR(milestones)`, values lr·gammaⁱ | `PiecewiseConstantDecay`, its boundaries one less: there a boundary still has the value before it | `piecewise_constant_schedule`, values init·scale·… | `join_schedules` of constants |
///
/// In all of them the first step takes the value of t = 0; for PyTorch this means that its scheduler is stepped once
/// after every step of the optimizer.
///
/// The JSON form has one key, the kind; a plain number is a constant. Unknown keys are refused by name:
///
///     {"warmup": {"from": 0, "steps": 500, "then": {"cosine": {"initial": 0.1, "final": 0.001, "steps": 10000}}}}
public struct Schedule: Sendable {
  indirect enum Form: Sendable {
    case constant(Double)
    case step(initial: Double, factor: Double, every: Int)
    case exponential(initial: Double, rate: Double, every: Int, staircase: Bool)
    case cosine(initial: Double, final: Double, steps: Int, restartFactor: Int?)
    case inverseTime(initial: Double, rate: Double, every: Int, staircase: Bool)
    case polynomial(from: Double, to: Double, steps: Int, power: Double)
    case warmup(from: Double, steps: Int, then: Schedule)
    case piecewise(boundaries: [Int], values: [Double])
    case joined(boundaries: [Int], schedules: [Schedule])
    case custom(@Sendable (Int) -> Double)
  }

  let form: Form

  private init(_ form: Form) { self.form = form }
}

extension Schedule {
  /// The same number for every step.
  ///
  /// - Throws: ``MomentumError/invalidSetting(_:)`` unless it is finite and at least 0, as for all numbers of
  ///   schedules.
  public static func constant(_ value: Double) throws(MomentumError) -> Schedule {
    try check(value, "value of a constant schedule")
    return Schedule(.constant(value))
  }

  /// `initial · factor^⌊t / every⌋`.
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

  /// `initial · rate^(t / every)`.
  ///
  /// - Parameters:
  ///   - initial: The value of the first step.
  ///   - rate: The factor of the value over `every` steps. A value that outgrows `Double` is refused by the step that
  ///     meets it.
  ///   - every: At least 1.
  ///   - staircase: Whether the exponent is rounded down, which makes it ``step(initial:factor:every:)``.
  public static func exponential(
    initial: Double, rate: Double, every: Int = 1, staircase: Bool = false
  ) throws(MomentumError) -> Schedule {
    try check(initial, "initial of an exponential schedule")
    try check(rate, "rate of an exponential schedule")
    try check(every, "every of an exponential schedule")
    return Schedule(.exponential(initial: initial, rate: rate, every: every, staircase: staircase))
  }

  /// Half a cosine, `final + (initial - final) · (1 + cos(π·min(t, steps) / steps)) / 2`.
  ///
  /// - Parameters:
  ///   - initial: The value of the first step.
  ///   - final: The value from t = steps on, an absolute value and not a fraction of `initial`.
  ///   - steps: At least 1.
  ///   - restartFactor: If given, the schedule starts anew at t = steps and after each later period. Each period is
  ///     this many times as long as the one before. `final` is then approached but not reached (Loshchilov and Hutter,
  ///     arXiv:1608.03983). At least 1.
  public static func cosine(
    initial: Double, final: Double = 0, steps: Int, restartFactor: Int? = nil
  ) throws(MomentumError) -> Schedule {
    try check(initial, "initial of a cosine schedule")
    try check(final, "final of a cosine schedule")
    try check(steps, "steps of a cosine schedule")
    if let restartFactor { try check(restartFactor, "restartFactor of a cosine schedule") }
    return Schedule(.cosine(initial: initial, final: final, steps: steps, restartFactor: restartFactor))
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
    return Schedule(.polynomial(from: from, to: to, steps: steps, power: 1))
  }

  /// `to + (from - to) · (1 - min(t, steps) / steps)^power`.
  ///
  /// - Parameters:
  ///   - from: The value of the first step.
  ///   - to: The value from t = steps on.
  ///   - steps: At least 1.
  ///   - power: Positive; with 1 it is ``linear(from:to:steps:)``.
  public static func polynomial(
    from: Double, to: Double, steps: Int, power: Double
  ) throws(MomentumError) -> Schedule {
    try check(from, "from of a polynomial schedule")
    try check(to, "to of a polynomial schedule")
    try check(steps, "steps of a polynomial schedule")
    guard power > 0, power.isFinite else {
      throw .invalidSetting(name: "power of a polynomial schedule", value: power, expected: .finiteAbove(0))
    }
    return Schedule(.polynomial(from: from, to: to, steps: steps, power: power))
  }

  /// A straight line to the first value of another schedule, then that schedule, whose own t starts at 0:
  /// `from + (next(0) - from) · t / steps` for t < steps, otherwise `next(t - steps)`.
  ///
  /// - Parameters:
  ///   - from: The value of the first step.
  ///   - steps: At least 1.
  ///   - next: The schedule after the warm-up.
  public static func warmup(
    from: Double = 0, steps: Int, then next: Schedule
  ) throws(MomentumError) -> Schedule {
    try check(from, "from of a warm-up")
    try check(steps, "steps of a warm-up")
    return Schedule(.warmup(from: from, steps: steps, then: next))
  }

  /// `values[i]` from t = `boundaries[i - 1]` on, and `values[0]` before the first boundary.
  ///
  /// - Parameters:
  ///   - boundaries: Increasing, at least 1.
  ///   - values: One more than boundaries.
  /// - Throws: Also ``MomentumError/countMismatch(what:count:expected:)``.
  public static func piecewise(boundaries: [Int], values: [Double]) throws(MomentumError) -> Schedule {
    for value in values { try check(value, "value of a piecewise schedule") }
    try check(boundaries, values.count, "values", "a piecewise schedule")
    return Schedule(.piecewise(boundaries: boundaries, values: values))
  }

  /// One schedule after the other: `schedules[i]` from t = `boundaries[i - 1]` on, where its own t starts at 0.
  ///
  /// - Parameters:
  ///   - schedules: One more than boundaries.
  ///   - boundaries: Increasing, at least 1.
  /// - Throws: Also ``MomentumError/countMismatch(what:count:expected:)``.
  public static func joined(_ schedules: [Schedule], boundaries: [Int]) throws(MomentumError) -> Schedule {
    try check(boundaries, schedules.count, "schedules", "joined schedules")
    return Schedule(.joined(boundaries: boundaries, schedules: schedules))
  }

  /// The value of a function of t. The function must depend on t alone, or a resumed run will not repeat itself. Every
  /// step checks its value. Such a schedule cannot be encoded.
  public static func custom(_ function: @escaping @Sendable (Int) -> Double) -> Schedule { Schedule(.custom(function)) }

  private static func check(_ value: Double, _ name: String) throws(MomentumError) {
    guard value >= 0, value.isFinite else {
      throw .invalidSetting(name: name, value: value, expected: .finiteAtLeast(0))
    }
  }

  private static func check(_ count: Int, _ name: String) throws(MomentumError) {
    guard count >= 1 else {
      throw .invalidSetting(name: name, value: count, expected: .countAtLeast(1))
    }
  }

  private static func check(
    _ boundaries: [Int], _ parts: Int, _ what: String, _ whole: String
  ) throws(MomentumError) {
    guard parts == boundaries.count + 1 else {
      throw .countMismatch(what: "\(what) of \(whole)", count: parts, expected: boundaries.count + 1)
    }
    var last = 0
    for boundary in boundaries {
      guard boundary > last else {
        throw .invalidSetting(
          name: "boundaries of \(whole)", value: "\(boundaries)", expected: "increasing whole numbers, at least 1")
      }
      last = boundary
    }
  }
}
