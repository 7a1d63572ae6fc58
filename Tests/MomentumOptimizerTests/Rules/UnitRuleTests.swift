import MomentumTestSupport
import XCTest

@testable import Momentum

/// LARS, normalised momentum and adaptive gradient clipping against plain loops, and what the engine promises of any rule that scales units.
final class UnitRuleTests: XCTestCase {
  private static let shapes = [[6, 40], [40, 3], [5], [2, 3, 7], []]

  private func layout() throws -> ParameterLayout {
    try ParameterLayout(Self.shapes.enumerated().map { ("tensor \($0)", $1) })
  }

  private func norm(_ x: some Sequence<Double>) -> Double { x.reduce(0) { $0 + $1 * $1 }.squareRoot() }

  /// Takes steps with the library and with a loop over tensors.
  private func compare<S: BLASScalar>(
    _ rule: some UpdateRule, _: S.Type, clipping: GradientClipping = .none, threads: Int = 1, steps: Int = 5,
    line: UInt = #line,
    _ reference: (_ p: inout [Double], _ v: inout [Double], _ g: [Double], _ shape: [Int]) -> Void
  ) throws {
    var random = SeededGenerator(seed: 341)
    let layout = try layout()
    let start: [S] = random.numbers(layout.count)
    var optimizer = try Optimizer<S>(layout, rule: rule, clipping: clipping, threads: threads)
    var parameters = start
    var expected = start.map { Double($0) }
    var velocity = Array(repeating: 0.0, count: layout.count)
    for _ in 0..<steps {
      let gradient: [S] = random.numbers(layout.count)
      _ = try parameters.withUnsafeMutableBufferPointer { parameters in
        try gradient.withUnsafeBufferPointer { try optimizer.step(parameters: parameters, gradients: $0) }
      }
      let whole = norm(gradient.lazy.map { Double($0) })
      let factor = clipping.globalNorm.map { min(1, $0 / whole) } ?? 1
      for tensor in layout.tensors {
        var (p, v) = (Array(expected[tensor.range]), Array(velocity[tensor.range]))
        reference(&p, &v, gradient[tensor.range].map { factor * Double($0) }, tensor.shape)
        expected.replaceSubrange(tensor.range, with: p)
        velocity.replaceSubrange(tensor.range, with: v)
      }
    }
    let allowed = Double(S.ulpOfOne) * 4 * Double(steps)
    for (x, y) in zip(parameters, expected) { XCTAssertEqual(Double(x), y, accuracy: allowed * 4, line: line) }
  }

  func testLARSFloat() throws { try lars(Float.self) }
  func testLARSDouble() throws { try lars(Double.self) }

  private func lars<S: BLASScalar>(_: S.Type) throws {
    for (momentum, nesterov) in [(0.0, false), (0.9, false), (0.9, true), (0, true)] {
      for decay in [0, 0.1] {
        for clipping in try [GradientClipping.none, .byGlobalNorm(1), .measureOnly] {
          for (convention, epsilon) in [(Convention.native, 0.0), (.native, 0.5), (.optax, 0), (.optax, 0.5)] {
            let rule = try LARS(
              learningRate: 0.5, momentum: momentum, weightDecay: decay, trustCoefficient: 0.3, epsilon: epsilon,
              nesterov: nesterov, convention: convention)
            try compare(rule, S.self, clipping: clipping) { p, v, g, _ in
              let full = zip(g, p).map { $0 + decay * $1 }
              let measured = convention == .optax ? self.norm(full) : self.norm(g)
              let divisor = (convention == .optax ? measured : measured + decay * self.norm(p)) + epsilon
              let rate = measured == 0 || self.norm(p) == 0 ? 1 : 0.3 * self.norm(p) / divisor
              for i in p.indices {
                let change = -0.5 * rate * full[i]
                v[i] = momentum * v[i] + change
                p[i] += nesterov ? momentum * v[i] + change : v[i]
              }
            }
          }
        }
      }
    }
  }

  func testLARSWithoutAdaptionIsMomentum() throws {
    let rule = try LARS(learningRate: 0.1, momentum: 0.9, weightDecay: 0.01, adapts: false)
    try compare(rule, Double.self) { p, v, g, _ in
      for i in p.indices {
        v[i] = 0.9 * v[i] - 0.1 * (g[i] + 0.01 * p[i])
        p[i] += v[i]
      }
    }
  }

  func testTheRatioOfLARS() throws {
    func ratio(_ rule: LARS, _ g: ScaledDouble, _ p: ScaledDouble) -> ScaledDouble {
      rule.unitFactor(gradientNorm: g, parameterNorm: p)
    }
    let rule = try LARS(learningRate: 1, weightDecay: 0.5, trustCoefficient: 0.25, epsilon: 1)
    XCTAssertEqual(ratio(rule, ScaledDouble(2), ScaledDouble(8)).double, 0.25 * 8 / 7)
    XCTAssertEqual(ratio(rule, ScaledDouble(0), ScaledDouble(8)), ScaledDouble(1))
    XCTAssertEqual(ratio(rule, ScaledDouble(2), ScaledDouble(0)), ScaledDouble(1))
    XCTAssertTrue(ratio(rule, ScaledDouble(.nan), ScaledDouble(8)).significand.isNaN)
    XCTAssertTrue(ratio(rule, ScaledDouble(2), ScaledDouble(.nan)).significand.isNaN)
    // Norms beyond Double.
    let huge = ratio(rule, ScaledDouble(1, exponent: 2000), ScaledDouble(1, exponent: 2001))
    XCTAssertEqual(huge, ScaledDouble(0.25))
  }

  func testAdaptiveClippingFloat() throws { try adaptive(Float.self) }
  func testAdaptiveClippingDouble() throws { try adaptive(Double.self) }

  private func adaptive<S: BLASScalar>(_: S.Type) throws {
    for units in [TensorUnits.tensor, .firstAxis, .optax] {
      for convention in [Convention.native, .optax] {
        for clipping in try [GradientClipping.none, .byGlobalNorm(4)] {
          let base = try SGD(learningRate: 0.5, momentum: 0.5, convention: convention)
          let rule = try AdaptiveGradientClipping(base, factor: 0.3, epsilon: 0.2, units: units)
          for threads in [1, 3] {
            try ThreadTeam.withWorthwhileCount(1) {
              try compare(rule, S.self, clipping: clipping, threads: threads) { p, v, g, shape in
                let numbers = UnitCases.numbers(shape, over: UnitCases.axes(units, shape))
                var (gradient, parameters): ([Int: Double], [Int: Double]) = ([:], [:])
                for i in p.indices {
                  gradient[numbers[i], default: 0] += g[i] * g[i]
                  parameters[numbers[i], default: 0] += p[i] * p[i]
                }
                for i in p.indices {
                  let limit = 0.3 * max(parameters[numbers[i]]!.squareRoot(), 0.2)
                  let size = gradient[numbers[i]]!.squareRoot()
                  v[i] = 0.5 * v[i] + (size > limit ? g[i] * limit / size : g[i])
                }
                for i in p.indices { p[i] -= 0.5 * v[i] }
              }
            }
          }
        }
      }
    }
  }

  func testFactorsOfAdaptiveClipping() throws {
    let native = try AdaptiveGradientClipping(SGD(learningRate: 1), factor: 0.5, epsilon: 1)
    let optax = try AdaptiveGradientClipping(SGD(learningRate: 1, convention: .optax), factor: 0.5, epsilon: 1)
    func factors(_ g: Double, _ p: Double) -> [Double] {
      [native, optax].map { $0.unitFactor(gradientNorm: ScaledDouble(g), parameterNorm: ScaledDouble(p)).double }
    }
    XCTAssertEqual(factors(1, 2), [1, 1])
    XCTAssertEqual(factors(4, 2), [0.25, 0.25])
    XCTAssertEqual(factors(0, 0), [1, 1])
    XCTAssertEqual(factors(1, 0), [0.5, 0.5])
    XCTAssertTrue(factors(1, .nan).allSatisfy(\.isNaN), "NaN parameters are not taken for small ones")
    XCTAssertTrue(factors(.nan, 1).allSatisfy(\.isNaN))
    let infinite = factors(.infinity, 1)
    XCTAssertTrue(infinite[0].isNaN)
    XCTAssertEqual(infinite[1], 0)
  }

  func testNormalizedMomentumFloat() throws { try normalized(Float.self) }
  func testNormalizedMomentumDouble() throws { try normalized(Double.self) }

  private func normalized<S: BLASScalar>(_: S.Type) throws {
    for units in [TensorUnits.tensor, .firstAxis, .optax] {
      for (momentum, nesterov) in [(0.0, false), (0.9, false), (0.9, true)] {
        for (decay, clipping) in try [(0.0, GradientClipping.none), (0.1, .byGlobalNorm(4))] {
          let rule = try NormalizedMomentum(
            learningRate: 0.25, momentum: momentum, weightDecay: decay, nesterov: nesterov, units: units)
          for threads in [1, 3] {
            try ThreadTeam.withWorthwhileCount(1) {
              try compare(rule, S.self, clipping: clipping, threads: threads) { p, v, g, shape in
                let numbers = UnitCases.numbers(shape, over: UnitCases.axes(units, shape))
                var squares: [Int: Double] = [:]
                for i in p.indices { squares[numbers[i], default: 0] += g[i] * g[i] }
                for i in p.indices {
                  let unit = g[i] / squares[numbers[i]]!.squareRoot()
                  v[i] = momentum * v[i] + unit
                  p[i] -= 0.25 * ((nesterov ? unit + momentum * v[i] : v[i]) + decay * p[i])
                }
              }
            }
          }
        }
      }
    }
  }

  /// What is divided by its norm has the same bits at any power of two, and no length where there is no direction.
  func testNormalizedGradientsOfAnySize() throws {
    let layout = try ParameterLayout([("w", [2, 2]), ("b", [2])])
    func run(_ scale: Float, _ units: TensorUnits) throws -> [Float] {
      let rule = try NormalizedMomentum(learningRate: 0.5, momentum: 0.5, units: units)
      var optimizer = try Optimizer<Float>(layout, rule: rule)
      var parameters = try ParameterVector<Float>(layout)
      let gradients = try ParameterVector<Float>([3 * scale, 4 * scale, 5 * scale, 12 * scale, 0, -0.0])
      for _ in 0..<2 { try optimizer.step(&parameters, gradients: gradients) }
      return (0..<6).map { parameters[$0] }
    }
    for units in [TensorUnits.tensor, .firstAxis, .axes([])] {
      let expected = try run(1, units)
      XCTAssertEqual(expected[4...], [0, 0])
      for exponent in [-140, -20, 20, 120] {
        XCTAssertEqual(try run(Float(sign: .plus, exponent: exponent, significand: 1), units), expected, "\(units)")
      }
    }
    // 1 + 1.5 steps of length 0.5.
    let rows = try run(1, .firstAxis)
    for (x, y) in zip(rows, [0.6, 0.8, 5.0 / 13, 12.0 / 13]) { XCTAssertEqual(Double(x), -1.25 * y, accuracy: 1e-6) }
    let rule = try NormalizedMomentum(learningRate: 1)
    for norm in [Double.nan, .infinity] {
      let factor = rule.unitFactor(gradientNorm: ScaledDouble(norm), parameterNorm: ScaledDouble(1))
      XCTAssertTrue(factor.significand.isNaN)
    }
  }

  func testBothScalingsAndAllClipsTogether() throws {
    // Clip by value, by units, by the norm of all; then by what the parameters allow.
    let layout = try ParameterLayout([("w", [2, 2])])
    let clipping = try GradientClipping(value: -30...40, tensor: .unitNorm(5, .firstAxis), whole: .norm(5))
    let rule = try AdaptiveGradientClipping(SGD(learningRate: 1), factor: 0.5, epsilon: 0, units: .optax)
    var optimizer = try Optimizer<Double>(layout, rule: rule, clipping: clipping)
    var parameters = try ParameterVector<Double>(layout)
    for (i, value) in [3.0, 0, 4, 1].enumerated() { parameters[i] = value }
    var gradients = try ParameterVector<Double>(layout)
    for (i, value) in [-90.0, 40, 0, 100].enumerated() { gradients[i] = value }
    let report = try optimizer.step(&parameters, gradients: gradients)
    // [-30, 40], [0, 40] -> [-3, 4], [0, 5], norm √50 -> times 5/√50; columns of norms 3/√2 and √41/√2 against 2.5 and 0.5.
    XCTAssertEqual(report.valueClippedCount, 2)
    XCTAssertEqual(report.comparedNorm!, 50.0.squareRoot(), accuracy: 1e-14)
    XCTAssertEqual(report.clipCoefficient, 0.5.squareRoot(), accuracy: 1e-15)
    let share = 0.5 / 41.0.squareRoot()
    for (i, value) in [3 + 3 * 0.5.squareRoot(), -4 * share, 4, 1 - 5 * share].enumerated() {
      XCTAssertEqual(parameters[i], value, accuracy: 1e-14)
    }
    let kinds = optimizer.lastPrograms[0].operations.map { operation in
      switch operation {
      case .clamp: "clamp"
      case .scaleUnits(let scaling, false): "\(scaling)"
      case .axpy: "axpy"
      default: "other"
      }
    }
    XCTAssertEqual(kinds, ["clamp", "clipping", "rule", "axpy"])
    XCTAssertEqual(optimizer.lastPrograms[0].traffic, MemoryTraffic(reads: 2, writes: 1))
  }

  func testOneUnitIsAFactorAndNoOperation() throws {
    let layout = try ParameterLayout([("w", [2, 2])])
    var optimizer = try Optimizer<Float>(layout, rule: LARS(learningRate: 1))
    var parameters = try ParameterVector<Float>(layout)
    parameters.fill(1)
    var gradients = try ParameterVector<Float>(layout)
    gradients.fill(3)
    try optimizer.step(&parameters, gradients: gradients)
    XCTAssertEqual(optimizer.lastPrograms[0].count, 2, "two axpys")
  }

  func testTheMeanOfSomeGradientsIsMeasuredAndNotTheirSum() throws {
    let layout = try ParameterLayout([("w", [2, 2])])
    func run(_ rule: some UpdateRule, _ clipping: GradientClipping, accumulates: Bool) throws -> [Double] {
      var optimizer = try Optimizer<Double>(layout, rule: rule, clipping: clipping)
      var parameters = try ParameterVector<Double>(layout)
      for (i, value) in [3.0, 0, 4, 1].enumerated() { parameters[i] = value }
      var gradients = try ParameterVector<Double>([3, 4, 0, 12])
      if accumulates {
        var accumulator = try GradientAccumulator<Double>(layout)
        // The mean of -1 times and 3 times the gradient.
        for factor in [-1.0, -3] {
          for i in 0..<4 { gradients[i] *= factor }
          try accumulator.add(gradients)
        }
        try optimizer.step(&parameters, gradients: &accumulator)
      } else {
        try optimizer.step(&parameters, gradients: gradients)
      }
      return (0..<4).map { parameters[$0] }
    }
    let sgd = try SGD(learningRate: 0.5)
    let clippings = try [GradientClipping.none, .byNorm(6, of: .firstAxis), .byNorm(6, of: .optax), .byBlockRMS(3)]
    for clipping in clippings {
      for rule in try [
        sgd, LARS(learningRate: 0.5, weightDecay: 0.25, convention: .optax), LARS(learningRate: 0.5),
        AdaptiveGradientClipping(sgd, factor: 0.5), AdaptiveGradientClipping(sgd, factor: 0.5, units: .optax),
      ] as [any UpdateRule] {
        let expected = try run(rule, clipping, accumulates: false)
        let found = try run(rule, clipping, accumulates: true)
        for (x, y) in zip(found, expected) { XCTAssertEqual(x, y, accuracy: 1e-14, "\(rule), \(clipping)") }
      }
    }
  }

  func testTensorsWithoutAGradientAreLeftAlone() throws {
    let layout = try ParameterLayout([("a", [2]), ("b", [2])])
    var optimizer = try Optimizer<Double>(layout, rule: LARS(learningRate: 1, momentum: 0))
    let parameters = [GuardedMemory([1.0, 1]), GuardedMemory([1.0, 1])]
    let gradient = GuardedMemory([3.0, 4])
    try optimizer.step(parameters: parameters.map(\.buffer), gradients: [nil, gradient.readOnlyBuffer])
    XCTAssertEqual(parameters[0].elements, [1, 1])
    XCTAssertNotEqual(parameters[1].elements, [1, 1])
  }

  func testRefusals() throws {
    let layout = try ParameterLayout([("w", [2])])
    expect("mode is onePass; expected twoPass with a rule that measures units before it updates them") {
      _ = try Optimizer<Float>(
        layout, rule: LARS(learningRate: 1), nonFinitePolicy: .propagate, mode: .onePass)
    }
    expect("base of adaptive clipping is LARS; expected a rule that does not scale units") {
      try AdaptiveGradientClipping(LARS(learningRate: 1))
    }
    expect("base of adaptive clipping is NormalizedMomentum; expected a rule that does not scale units") {
      try AdaptiveGradientClipping(NormalizedMomentum(learningRate: 1))
    }
    expect("momentum is -1.0; expected a finite number >= 0") {
      try NormalizedMomentum(learningRate: 1, momentum: -1)
    }
    expect("factor of adaptive clipping is -1.0; expected a finite number >= 0") {
      try AdaptiveGradientClipping(SGD(learningRate: 1), factor: -1)
    }
    expect("trustCoefficient is nan; expected a finite number >= 0") {
      try LARS(learningRate: 1, trustCoefficient: .nan)
    }
    let rule = try AdaptiveGradientClipping(SGD(learningRate: 1), units: .axes([3]))
    var optimizer = try Optimizer<Float>(layout, rule: rule)
    var parameters = try ParameterVector<Float>(layout)
    let gradients = try ParameterVector<Float>([1, 1])
    expect("units of tensor 'w' is axes [3] of the shape [2]; expected axes in -1..<1, each at most once") {
      try optimizer.step(&parameters, gradients: gradients)
    }
    XCTAssertEqual(parameters[0], 0)
    XCTAssertEqual(optimizer.stepCount, 0)
  }
}
