import Foundation
import Momentum

/// How a descent uses its velocity.
enum MomentumChoice: String, CaseIterable, Codable, Sendable {
  case plain, momentum, nesterov
}

/// A way down a surface: which points were visited, and whether the end was near the minimum.
struct Descent: Sendable {
  enum Outcome: String, Sendable { case reached, diverged, tooSlow = "too slow" }

  struct Point: Sendable {
    var x, y, value, gradientNorm: Double
  }

  let method: MomentumChoice
  let learningRate: Double
  /// The start and the point after each step.
  let points: [Point]
  let outcome: Outcome

  var steps: Int { points.count - 1 }
  /// The value at the end; infinite if the path left the plane.
  var lowest: Double { outcome == .diverged ? .infinity : points.last?.value ?? .infinity }
}

/// Descends surfaces with the optimizer of the library.
struct DescentRunner: Sendable {
  var momentum = 0.9
  var clipping = GradientClipping.none
  /// A descent has arrived when the value stays at most this far above the minimum for ``patience`` steps.
  var tolerance = 1e-6
  var maximumSteps = 20_000

  /// A path that swings through the minimum has not arrived.
  static let patience = 10

  /// Learning rates to choose from: twenty a decade from 10⁻⁵ to 10.
  static let learningRates = (0...120).map { pow(10, Double($0) / 20 - 5) }

  /// Descends with one learning rate, to at most `limit` steps. The path ends where it arrived.
  func descend(
    _ surface: TestSurface, _ method: MomentumChoice, learningRate: Double, limit: Int? = nil
  ) throws(MomentumError) -> Descent {
    let layout = try ParameterLayout([("point", [2])])
    let rule = try SGD(
      learningRate: learningRate, momentum: method == .plain ? 0 : momentum, nesterov: method == .nesterov)
    var optimizer = try Optimizer<Double>(
      layout, rule: rule, clipping: clipping, nonFinitePolicy: .propagate, threads: 1)
    var place = try ParameterVector<Double>(layout)
    var gradient = try ParameterVector<Double>(layout)
    (place[0], place[1]) = surface.start
    let limit = min(limit ?? maximumSteps, maximumSteps)
    var points: [Descent.Point] = []
    var low = 0
    while true {
      let (x, y) = (place[0], place[1])
      let (value, slope) = (surface.value(x, y), surface.gradient(x, y))
      // A value this large never comes back; stopping here keeps the pictures' axes finite.
      guard value < 1e12 else { return end(.diverged) }
      low = value <= tolerance ? low + 1 : 0
      points.append(Descent.Point(x: x, y: y, value: value, gradientNorm: hypot(slope.x, slope.y)))
      if low > Self.patience {
        points.removeLast(Self.patience)
        return end(.reached)
      }
      if points.count > limit, low == 0 { return end(.tooSlow) }
      (gradient[0], gradient[1]) = slope
      _ = try optimizer.step(&place, gradients: gradient)
    }

    func end(_ outcome: Descent.Outcome) -> Descent {
      Descent(method: method, learningRate: learningRate, points: points, outcome: outcome)
    }
  }

  /// Descends with the best learning rate: of those that need at most a twentieth more steps than the fewest, the
  /// smallest, whose path is the calmest; with none arriving, the one that gets lowest. `nil` if stopped.
  ///
  /// - Parameter tried: Called after each rate.
  func descend(
    _ surface: TestSurface, _ method: MomentumChoice, tried: () -> Void, stop: () -> Bool = { false }
  ) throws(MomentumError) -> Descent? {
    func limit(_ fewest: Int) -> Int { fewest + fewest / 20 }
    var arrived: [Descent] = []
    var closest: Descent?
    var fewest = maximumSteps
    // From the largest rate down: a smaller one need not be followed far beyond the fewest steps so far.
    for rate in Self.learningRates.reversed() {
      if stop() { return nil }
      let descent = try descend(surface, method, learningRate: rate, limit: limit(fewest))
      tried()
      if descent.outcome == .reached {
        arrived.append(descent)
        fewest = min(fewest, descent.steps)
      } else if descent.lowest < closest?.lowest ?? .infinity {
        closest = descent
      }
    }
    return arrived.last { $0.steps <= limit(fewest) } ?? closest
  }
}
