/// One rise and one fall of a value, see ``Schedule/oneCycle(peak:initial:final:steps:riseShare:curve:threePhases:)``.
struct OneCycle: Sendable {
  var initial: Double
  var peak: Double
  var final: Double
  var steps: Int
  var riseShare: Double
  var curve: Schedule.Curve
  var threePhases: Bool

  /// The value for the step that follows `t` steps.
  func value(at t: Int) -> Double {
    let (t, top) = (Double(t), riseShare * Double(steps) - 1)
    var phases = [(end: top, value: peak), (end: Double(steps - 1), value: final)]
    if threePhases { phases.insert((end: 2 * top, value: initial), at: 1) }
    var (start, value) = (0.0, initial)
    for phase in phases {
      if t <= phase.end {
        // A rise of one step is over at once.
        guard start < phase.end else { return phase.value }
        return curve.value(value, phase.value, t - start, of: phase.end - start)
      }
      (start, value) = phase
    }
    return value
  }
}

extension Schedule {
  /// One cycle: from `initial` up to `peak`, and down to `final` (Smith and Topin, arXiv:1708.07120; PyTorch
  /// `OneCycleLR`).
  ///
  /// It rises until t = riseShare·steps - 1, a number that need not be whole, and ends at t = steps - 1, the last of its
  /// steps; later steps take `final`, where PyTorch raises an error. In three phases it falls to `initial` as fast as it
  /// rose, until t = 2·(riseShare·steps - 1), and only then to `final`. In each phase the value is
  /// `a + (b - a) · x`, with the share x of the phase that is over, or for a cosine curve `(1 - cos πx) / 2` of it.
  ///
  /// For a momentum, which falls while the learning rate rises, `initial` and `final` are its largest value and `peak` is
  /// its least one:
  ///
  /// ```swift
  /// let rates = try Schedule.oneCycle(peak: 0.1, steps: 1000)
  /// let momenta = try Schedule.oneCycle(peak: 0.85, initial: 0.95, final: 0.95, steps: 1000)
  /// let rate = rates.value(at: 299)  // 0.1
  /// let momentum = momenta.value(at: 299)  // 0.85
  /// ```
  ///
  /// - Parameters:
  ///   - peak: The value at the end of the rise.
  ///   - initial: The value of the first step; by default peak / 25.
  ///   - final: The value of the last step; by default initial / 10000.
  ///   - steps: The number of steps, at least 1.
  ///   - riseShare: The share of the steps that rise, in 0...1; in three phases at most 0.5.
  ///   - curve: The way from one value to the next.
  ///   - threePhases: Whether it falls in two phases.
  public static func oneCycle(
    peak: Double, initial: Double? = nil, final: Double? = nil, steps: Int, riseShare: Double = 0.3,
    curve: Curve = .cosine, threePhases: Bool = false
  ) throws(MomentumError) -> Schedule {
    try check(peak, "peak of a one-cycle schedule")
    let initial = initial ?? peak / 25
    try check(initial, "initial of a one-cycle schedule")
    let final = final ?? initial / 1e4
    try check(final, "final of a one-cycle schedule")
    try check(steps, "steps of a one-cycle schedule")
    let most = threePhases ? 0.5 : 1
    guard riseShare >= 0, riseShare <= most else {
      throw .invalidSetting(
        name: "riseShare of a one-cycle schedule", value: riseShare, expected: .between(0, most))
    }
    return Schedule(
      .oneCycle(
        OneCycle(
          initial: initial, peak: peak, final: final, steps: steps, riseShare: riseShare, curve: curve,
          threePhases: threePhases)))
  }
}
