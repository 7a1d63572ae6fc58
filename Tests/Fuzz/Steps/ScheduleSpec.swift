import Foundation
import Momentum

/// A schedule as its formula.
indirect enum ScheduleSpec {
  case constant(Double)
  case step(initial: Double, factor: Double, every: Int)
  case exponential(initial: Double, rate: Double, every: Int, staircase: Bool)
  case cosine(initial: Double, final: Double, steps: Int, restartFactor: Int?)
  case inverseTime(initial: Double, rate: Double, every: Int, staircase: Bool)
  case polynomial(from: Double, to: Double, steps: Int, power: Double)
  case warmup(from: Double, steps: Int, then: ScheduleSpec)
  case piecewise(boundaries: [Int], values: [Double])
  case joined(ScheduleSpec, ScheduleSpec, boundary: Int)
  case custom(Double)

  func make() throws -> Schedule {
    switch self {
    case .constant(let value): try .constant(value)
    case .step(let initial, let factor, let every): try .step(initial: initial, factor: factor, every: every)
    case .exponential(let initial, let rate, let every, let staircase):
      try .exponential(initial: initial, rate: rate, every: every, staircase: staircase)
    case .cosine(let initial, let final, let steps, let restartFactor):
      try .cosine(initial: initial, final: final, steps: steps, restartFactor: restartFactor)
    case .inverseTime(let initial, let rate, let every, let staircase):
      try .inverseTime(initial: initial, rate: rate, every: every, staircase: staircase)
    case .polynomial(let from, let to, let steps, let power):
      power == 1
        ? try .linear(from: from, to: to, steps: steps)
        : try .polynomial(from: from, to: to, steps: steps, power: power)
    case .warmup(let from, let steps, let next): try .warmup(from: from, steps: steps, then: next.make())
    case .piecewise(let boundaries, let values): try .piecewise(boundaries: boundaries, values: values)
    case .joined(let first, let second, let boundary):
      try .joined([first.make(), second.make()], boundaries: [boundary])
    case .custom(let base): .custom { base / Double(1 + $0 % 5) }
    }
  }

  /// The value for the step after `t` steps, and the size of the numbers that it is made of, to which rounding errors
  /// are proportional.
  func plain(at t: Int) -> (value: Double, size: Double) {
    func share(_ every: Int, _ staircase: Bool) -> Double { staircase ? Double(t / every) : Double(t) / Double(every) }
    func alone(_ value: Double) -> (Double, Double) { (value, value) }
    switch self {
    case .constant(let value): return alone(value)
    case .step(let initial, let factor, let every): return alone(initial * pow(factor, Double(t / every)))
    case .exponential(let initial, let rate, let every, let staircase):
      return alone(initial * pow(rate, share(every, staircase)))
    case .cosine(let initial, let final, let steps, let restartFactor):
      var (elapsed, period) = (t, steps)
      if let restartFactor {
        while elapsed >= period {
          elapsed -= period
          period *= restartFactor
        }
      } else {
        elapsed = min(t, steps)
      }
      let part = (1 + cos(Double.pi * Double(elapsed) / Double(period))) / 2
      return (final + (initial - final) * part, initial + final)
    case .inverseTime(let initial, let rate, let every, let staircase):
      return alone(initial / (1 + rate * share(every, staircase)))
    case .polynomial(let from, let to, let steps, let power):
      return (to + (from - to) * pow(1 - Double(min(t, steps)) / Double(steps), power), from + to)
    case .warmup(let from, let steps, let next):
      if t >= steps { return next.plain(at: t - steps) }
      let (target, size) = next.plain(at: 0)
      return (from + (target - from) * Double(t) / Double(steps), from + size)
    case .piecewise(let boundaries, let values): return alone(values[boundaries.count { $0 <= t }])
    case .joined(let first, let second, let boundary):
      return t < boundary ? first.plain(at: t) : second.plain(at: t - boundary)
    case .custom(let base): return alone(base / Double(1 + t % 5))
    }
  }
}
