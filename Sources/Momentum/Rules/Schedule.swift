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
/// | ``exponential(initial:rate:every:staircase:final:)`` | `ExponentialLR(gamma)`, every 1 | `ExponentialDecay` | `exponential_decay`, final = `end_value` | `exponential_decay`, every 1 |
/// | ``cosine(initial:final:steps:power:restartFactor:restartScale:)`` | `CosineAnnealingLR(T_max, eta_min)` up to t = T_max, where it turns back; `CosineAnnealingWarmRestarts(T_0, T_mult, eta_min)` | `CosineDecay`, alpha = final / initial; `CosineDecayRestarts(t_mul, m_mul)` for a whole t_mul, restartScale = m_mul | `cosine_decay_schedule`, alpha = final / initial, power = `exponent` | `cosine_decay(init, steps, end)` |
/// | ``inverseTime(initial:rate:every:staircase:)`` | none | `InverseTimeDecay` | none | none |
/// | ``polynomial(from:to:steps:power:cycles:)`` | `PolynomialLR(total_iters, power)`, to 0 | `PolynomialDecay(power, cycle)` | `polynomial_schedule` | none |
/// | ``oneCycle(peak:initial:final:steps:riseShare:curve:threePhases:)`` | `OneCycleLR(max_lr, total_steps, pct_start, anneal_strategy, three_phase)`, initial = max_lr / div_factor, final = initial / final_div_factor | none | as interpolated values, see below | none |
/// | ``joined(_:boundaries:)`` | `SequentialLR(schedulers, milestones)` | none | `join_schedules` | `join_schedules` |
/// | ``linear(from:to:steps:)`` | `LinearLR`, factors = from / lr, to / lr | `PolynomialDecay(power=1)` | `linear_schedule` | `linear_schedule` |
/// | ``warmup(from:steps:then:)`` | `SequentialLR([LinearLR, next], [steps])` | `CosineDecay(warmup_target, warmup_steps)` | `join_schedules`, `warmup_cosine_decay_schedule` (whose `decay_steps` includes the warm-up) | `join_schedules` |
/// | ``piecewise(boundaries:values:)`` | `MultiStepLR(milestones)`, values lr·gammaⁱ | `PiecewiseConstantDecay`, its boundaries one less: there a boundary still has the value before it | `piecewise_constant_schedule`, values init·scale·… | `join_schedules` of constants |
/// | ``interpolated(boundaries:values:curve:)`` | none | none | `piecewise_interpolate_schedule`; `linear_onecycle_schedule`, `cosine_onecycle_schedule` | `join_schedules` of lines |
///
/// Optax's one-cycle schedules of T steps to a peak P are the interpolated values P / d, P, P / (d·f) with boundaries
/// ⌊0.3·T⌋, T and a cosine curve, and P / d, P, P / d, P / (d·f) with boundaries ⌊0.3·T⌋, ⌊0.85·T⌋, T and lines, d
/// being `div_factor` and f `final_div_factor`.
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
    case exponential(initial: Double, rate: Double, every: Int, staircase: Bool, final: Double?)
    case cosine(initial: Double, final: Double, steps: Int, power: Double, restartFactor: Int?, restartScale: Double)
    case inverseTime(initial: Double, rate: Double, every: Int, staircase: Bool)
    case polynomial(from: Double, to: Double, steps: Int, power: Double, cycles: Bool)
    case oneCycle(OneCycle)
    case warmup(from: Double, steps: Int, then: Schedule)
    case piecewise(boundaries: [Int], values: [Double])
    case interpolated(boundaries: [Int], values: [Double], curve: Curve)
    case joined(boundaries: [Int], schedules: [Schedule])
    case custom(@Sendable (Int) -> Double)
  }

  let form: Form

  /// The way from one value to another.
  public enum Curve: String, Sendable, Hashable, Codable, CaseIterable {
    /// A straight line.
    case linear
    /// Half a cosine, which is flat at both ends.
    case cosine
  }

  init(_ form: Form) { self.form = form }
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

  /// Values that are interpolated: `values[0]` at t = 0, `values[i]` at t = `boundaries[i - 1]`, between them the curve
  /// from one to the next, and the last value after the last boundary.
  ///
  /// With the fractions of the curve, `x = (t - start) / (end - start)` and `x = (1 - cos(π·(t - start) / (end -
  /// start))) / 2`, a value is `a + (b - a) · x`. (Optax `piecewise_interpolate_schedule`.)
  ///
  /// - Parameters:
  ///   - boundaries: Increasing, at least 1.
  ///   - values: One more than boundaries.
  ///   - curve: The way from one value to the next.
  /// - Throws: Also ``MomentumError/countMismatch(what:count:expected:)``.
  public static func interpolated(
    boundaries: [Int], values: [Double], curve: Curve = .linear
  ) throws(MomentumError) -> Schedule {
    for value in values { try check(value, "value of an interpolated schedule") }
    try check(boundaries, values.count, "values", "an interpolated schedule")
    return Schedule(.interpolated(boundaries: boundaries, values: values, curve: curve))
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

  static func check(_ value: Double, _ name: String) throws(MomentumError) {
    guard value >= 0, value.isFinite else {
      throw .invalidSetting(name: name, value: value, expected: .finiteAtLeast(0))
    }
  }

  static func check(_ count: Int, _ name: String) throws(MomentumError) {
    guard count >= 1 else {
      throw .invalidSetting(name: name, value: count, expected: .countAtLeast(1))
    }
  }

  static func check(
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
