extension Schedule {
  /// The value for the step that follows `steps` steps.
  ///
  /// - Parameter steps: t; below 0 counts as 0.
  /// - Returns: A finite number, at least 0, except that an exponential may overflow to infinity and a custom function
  ///   may return anything.
  /// - Complexity: O(1); with n boundaries O(log n); with a restart factor above 1, O(log t).
  public func value(at steps: Int) -> Double {
    let t = max(0, steps)
    switch form {
    case .constant(let value):
      return value
    case .step(let initial, let factor, let every):
      return initial * Platform.power(factor, Double(t / every))
    case .exponential(let initial, let rate, let every, let staircase):
      return initial * Platform.power(rate, staircase ? Double(t / every) : Double(t) / Double(every))
    case .cosine(let initial, let final, let steps, let restartFactor):
      let (elapsed, period) = Self.position(t, steps, restartFactor)
      return Self.mix(initial, final, 0.5 - 0.5 * Platform.cosine(Double.pi * Double(elapsed) / Double(period)))
    case .inverseTime(let initial, let rate, let every, let staircase):
      return initial / (1 + rate * (staircase ? Double(t / every) : Double(t) / Double(every)))
    case .polynomial(let from, let to, let steps, let power):
      let rest = Double(steps - min(t, steps)) / Double(steps)
      return Self.mix(to, from, power == 1 ? rest : Platform.power(rest, power))
    case .warmup(let from, let steps, let next):
      if t >= steps { return next.value(at: t - steps) }
      return Self.mix(from, next.value(at: 0), Double(t) / Double(steps))
    case .piecewise(let boundaries, let values):
      return values[Self.part(t, boundaries)]
    case .joined(let boundaries, let schedules):
      let part = Self.part(t, boundaries)
      return schedules[part].value(at: part == 0 ? t : t - boundaries[part - 1])
    case .custom(let function):
      return function(t)
    }
  }

  /// The value of a schedule whose kind is constant; `nil` for all other kinds.
  var constantValue: Double? {
    if case .constant(let value) = form { value } else { nil }
  }

  /// Interpolates so that both ends are exact; `a + (b - a)·share` does not promise that.
  private static func mix(_ a: Double, _ b: Double, _ share: Double) -> Double { a * (1 - share) + b * share }

  /// The number of boundaries that t has reached.
  private static func part(_ t: Int, _ boundaries: [Int]) -> Int {
    var (low, high) = (0, boundaries.count)
    while low < high {
      let middle = (low + high) / 2
      if boundaries[middle] <= t { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// The position of t in its period, and the length of that period.
  private static func position(_ t: Int, _ steps: Int, _ restartFactor: Int?) -> (elapsed: Int, period: Int) {
    guard let restartFactor else { return (min(t, steps), steps) }
    if restartFactor == 1 { return (t % steps, steps) }
    var (elapsed, period) = (t, steps)
    while elapsed >= period {
      elapsed -= period
      // A period too long for `Int` is longer than every t.
      let (next, overflows) = period.multipliedReportingOverflow(by: restartFactor)
      period = overflows ? .max : next
    }
    return (elapsed, period)
  }
}
