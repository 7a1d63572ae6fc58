extension Schedule {
  /// The value for the step that follows `steps` steps.
  ///
  /// - Parameter steps: t; below 0 counts as 0.
  /// - Returns: A finite number, at least 0, except that an exponential, a step schedule and the restarts of a cosine may
  ///   outgrow `Double` to infinity, never to NaN, and a custom function may return anything. A step refuses what is not
  ///   finite.
  /// - Complexity: O(1); with n boundaries O(log n); with a restart factor above 1, O(log t).
  public func value(at steps: Int) -> Double {
    let t = max(0, steps)
    switch form {
    case .constant(let value):
      return value
    case .step(let initial, let factor, let every):
      return Self.product(initial, factor, power: Double(t / every))
    case .exponential(let initial, let rate, let every, let staircase, let final):
      let value = Self.product(initial, rate, power: Self.quotient(t, every, staircase))
      guard let final else { return value }
      return rate < 1 ? max(value, final) : min(value, final)
    case .cosine(let initial, let final, let steps, let power, let restartFactor, let restartScale):
      let (elapsed, period, restarts) = Self.position(t, steps, restartFactor)
      let height =
        restartScale == 1
        ? initial : final + Self.product(initial - final, restartScale, power: Double(restarts))
      guard height.isFinite else { return height }
      if power == 1 { return Curve.cosine.value(height, final, Double(elapsed), of: Double(period)) }
      let rest = 1 - Curve.cosine.share(Double(elapsed), of: Double(period))
      return Self.mix(final, height, Platform.power(rest, power))
    case .inverseTime(let initial, let rate, let every, let staircase):
      return initial / (1 + rate * Self.quotient(t, every, staircase))
    case .polynomial(let from, let to, let steps, let power, let cycles):
      let rest = cycles ? Self.restOfCycle(t, steps) : Double(steps - min(t, steps)) / Double(steps)
      return Self.mix(to, from, power == 1 ? rest : Platform.power(rest, power))
    case .oneCycle(let cycle):
      return cycle.value(at: t)
    case .warmup(let from, let steps, let next):
      if t >= steps { return next.value(at: t - steps) }
      // Whatever a custom schedule starts with.
      return t == 0 ? from : Self.mix(from, next.value(at: 0), Double(t) / Double(steps))
    case .piecewise(let boundaries, let values):
      return values[Self.part(t, boundaries)]
    case .interpolated(let boundaries, let values, let curve):
      let part = Self.part(t, boundaries)
      guard part < boundaries.count else { return values[part] }
      let start = part == 0 ? 0 : boundaries[part - 1]
      return curve.value(values[part], values[part + 1], Double(t - start), of: Double(boundaries[part] - start))
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

  /// `initial · base^power` without a detour through numbers that `Double` cannot hold: 0 stays 0, and only a product
  /// that is too large is infinite.
  private static func product(_ initial: Double, _ base: Double, power: Double) -> Double {
    guard initial != 0 else { return 0 }
    let factor = Platform.power(base, power)
    if factor.isNormal { return initial * factor }
    return (ScaledDouble(initial) * ScaledDouble(base).power(power)).double
  }

  private static func quotient(_ t: Int, _ every: Int, _ staircase: Bool) -> Double {
    staircase ? Double(t / every) : Double(t) / Double(every)
  }

  /// Interpolates so that both ends are exact, which `a + (b - a)·share` does not promise, and so that roundings leave no
  /// value outside of them.
  fileprivate static func mix(_ a: Double, _ b: Double, _ share: Double) -> Double {
    let value = a * (1 - share) + b * share
    guard a.isFinite, b.isFinite else { return value }
    return min(max(value, min(a, b)), max(a, b))
  }

  /// The number of boundaries that t has reached.
  private static func part(_ t: Int, _ boundaries: [Int]) -> Int {
    var (low, high) = (0, boundaries.count)
    while low < high {
      let middle = (low + high) / 2
      if boundaries[middle] <= t { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// `1 - t / (steps · n)` for the number n of cycles that have begun. A cycle belongs to its last step.
  private static func restOfCycle(_ t: Int, _ steps: Int) -> Double {
    if t == 0 { return 1 }
    let rest = Double((steps - t % steps) % steps)
    return rest / (Double(t) + rest)
  }

  /// The position of t in its period, the length of that period, and the number of restarts before it.
  private static func position(
    _ t: Int, _ steps: Int, _ restartFactor: Int?
  ) -> (elapsed: Int, period: Int, restarts: Int) {
    guard let restartFactor else { return (min(t, steps), steps, 0) }
    if restartFactor == 1 { return (t % steps, steps, t / steps) }
    var (elapsed, period, restarts) = (t, steps, 0)
    while elapsed >= period {
      elapsed -= period
      restarts += 1
      // A period too long for `Int` is longer than every t.
      let (next, overflows) = period.multipliedReportingOverflow(by: restartFactor)
      period = overflows ? .max : next
    }
    return (elapsed, period, restarts)
  }
}

extension Schedule.Curve {
  /// The share of the way from one value to the next that is covered after a part of the time.
  func share(_ elapsed: Double, of period: Double) -> Double {
    switch self {
    case .linear: elapsed / period
    case .cosine: 0.5 - 0.5 * Platform.cosine(Double.pi * elapsed / period)
    }
  }

  /// The value after a part of the time.
  func value(_ a: Double, _ b: Double, _ elapsed: Double, of period: Double) -> Double {
    Schedule.mix(a, b, share(elapsed, of: period))
  }
}
