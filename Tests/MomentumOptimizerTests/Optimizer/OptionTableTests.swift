import Momentum
import MomentumTestSupport
import XCTest

/// The table of options by convention in Conventions.md: each cell is what the library was seen to do.
final class OptionTableTests: XCTestCase {
  func testTheArticleShowsThisTable() throws {
    XCTAssertEqual(try ConventionsArticle.rows(below: Self.header), Self.table.map { $0.row })
  }

  func testEveryCell() throws {
    for option in Self.table {
      for (convention, expected) in zip(Convention.allCases, option.cells) {
        XCTAssertEqual(try option.observe(convention), expected, "\(option.name), \(convention)")
      }
    }
  }

  private struct Option: Sendable {
    let name: String
    let cells: [String]
    /// Tries the option, and names what happened.
    let observe: @Sendable (Convention) throws -> String

    var row: String { "| " + ([name] + cells).joined(separator: " | ") + " |" }
  }

  private static let header =
    "| Option | " + Convention.allCases.map { "`\($0.rawValue)`" }.joined(separator: " | ") + " |"

  private static let (padded, plain) = ("C/(N + 1e-6)", "C/N")

  private static let table: [Option] = [
    Option(name: "dampening, first step", cells: ["damped", "not damped", "refused", "refused", "damped"]) {
      convention in
      try refusedOr {
        let rule = try SGD(learningRate: 1, momentum: 0.5, dampening: 0.5, convention: convention)
        return try stepped([0], rule, [[1]]) == [-0.5] ? "damped" : "not damped"
      }
    },
    Option(name: "momentum above 1", cells: ["yes", "yes", "refused", "yes", "yes"]) { convention in
      try refusedOr {
        let rule = try SGD(learningRate: 1, momentum: 1.5, convention: convention)
        return try stepped([0], rule, [[1], [1]]) == [-3.5] ? "yes" : "wrong"
      }
    },
    Option(
      name: "Nesterov without momentum", cells: ["refused", "refused", "plain descent", "plain descent", "refused"]
    ) { convention in
      try refusedOr {
        let rule = try SGD(learningRate: 1, nesterov: true, convention: convention)
        return try stepped([0], rule, [[1], [1]]) == [-2] ? "plain descent" : "wrong"
      }
    },
    Option(name: "Nesterov with dampening", cells: Array(repeating: "refused", count: 5)) { convention in
      try refusedOr {
        _ = try SGD(learningRate: 1, momentum: 0.5, dampening: 0.5, nesterov: true, convention: convention)
        return "yes"
      }
    },
    Option(name: "several kinds of clips", cells: ["yes", "yes", "refused", "yes", "yes"]) { convention in
      try refusedOr {
        let clipping = try GradientClipping(value: -1...1, whole: .norm(0.5))
        let rule = try SGD(learningRate: 1, convention: convention)
        _ = try Optimizer<Double>(ParameterLayout(count: 1), rule: rule, clipping: clipping)
        return "yes"
      }
    },
    Option(name: "weight decay", cells: ["coupled", "coupled", "decoupled", "coupled", "coupled"]) { convention in
      let rule = try SGD(learningRate: 1, momentum: 0.5, weightDecay: 0.5, convention: convention)
      // Coupled decay goes through the velocity, whose second step takes all that is left.
      return try stepped([1], rule, [[0], [0]]) == [0] ? "coupled" : "decoupled"
    },
    Option(name: "a NaN, by default", cells: ["refused", "passes", "passes", "passes", "passes"]) { convention in
      do {
        let rule = try SGD(learningRate: 1, convention: convention)
        return try stepped([0], rule, [[.nan]])[0].isNaN ? "passes" : "wrong"
      } catch MomentumError.nonFiniteGradient {
        return "refused"
      }
    },
    Option(name: "learning rate", cells: ["outside v", "outside v", "inside v", "outside v", "outside v"]) {
      convention in
      var run = try EngineRun<Double>([[0]], rule: SGD(learningRate: 0.5, momentum: 0.5, convention: convention))
      try run.step([[1]])
      return run.velocity == [[1]] ? "outside v" : "inside v"
    },
    Option(name: "a velocity of the other kind", cells: Array(repeating: "refused, converted", count: 5)) {
      convention in
      var run = try EngineRun<Double>([[0]], rule: SGD(learningRate: 0.5, momentum: 0.5, convention: convention))
      try run.step([[1]])
      run.optimizer.rule = try SGD(
        learningRate: 0.5, momentum: 0.5, convention: convention == .keras ? .native : .keras)
      let first = try refusedOr { try "\(run.step([[1]]))" }
      try run.optimizer.convertVelocity(toKeepLearningRate: convention != .keras, learningRate: 0.5)
      try run.step([[1]])
      return run.parameters == [[-1.25]] ? "\(first), converted" : "wrong"
    },
    Option(name: "a group of another convention", cells: Array(repeating: "refused", count: 5)) { convention in
      let other = Convention.allCases.first { $0 != convention }!
      let group = ParameterGroup("g", ["*"], rule: try SGD(learningRate: 1, convention: other))
      let rule = try SGD(learningRate: 1, convention: convention)
      return try refusedOr {
        _ = try Optimizer<Double>(ParameterLayout(count: 1), rule: rule, groups: [group])
        return "yes"
      }
    },
    Option(name: "global norm of a group", cells: [plain, padded, "C·min(1/N, 1/C)", plain, padded]) { convention in
      let group = ParameterGroup("g", ["tensor 0"], clipping: try .byGlobalNorm(3))
      var run = try EngineRun<Double>(
        [[0], [0]], rule: SGD(learningRate: 1, convention: convention), groups: [group])
      try run.step([[5], [1]])
      return run.parameters[1] == [-1] ? formula(-run.parameters[0][0] / 5, 5, 3) : "wrong"
    },
    Option(name: "norms of units", cells: [plain, padded, plain, plain, plain]) { convention in
      let layout = try ParameterLayout([("w", [2, 2])])
      let clipping = try GradientClipping.byNorm(3, of: .firstAxis)
      let p = try stepped(
        [0, 0, 0, 0], SGD(learningRate: 1, convention: convention), [[5, 0, 0, 1]], clipping, layout)
      return p[3] == -1 ? formula(-p[0] / 5, 5, 3) : "wrong"
    },
    Option(name: "root mean square r over its limit t", cells: Array(repeating: "t/r", count: 5)) { convention in
      let p = try stepped(
        [0, 0, 0, 0], SGD(learningRate: 1, convention: convention), [[3, -3, 3, -3]], .byBlockRMS(1.5))
      return p == [-1.5, 1.5, -1.5, 1.5] ? "t/r" : "wrong"
    },
    Option(
      name: "adaptive gradient clipping, ‖g‖ > M",
      cells: ["M/‖g‖", "M/‖g‖", "M/‖g‖", "M/max(‖g‖, 1e-6)", "M/‖g‖"]
    ) { convention in
      let rule = try AdaptiveGradientClipping(
        SGD(learningRate: 1, convention: convention), factor: 1, epsilon: 0x1p-30)
      let moved = try -stepped([0], rule, [[0x1p-26]])[0]
      if moved == 0x1p-30 { return "M/‖g‖" }
      return moved == 0x1p-30 / 1e-6 * 0x1p-26 ? "M/max(‖g‖, 1e-6)" : "wrong"
    },
    Option(
      name: "LARS, denominator of the ratio",
      cells: ["‖g‖ + wd·‖p‖ + ε", "‖g‖ + wd·‖p‖ + ε", "‖g‖ + wd·‖p‖ + ε", "‖g + wd·p‖ + ε", "‖g‖ + wd·‖p‖ + ε"]
    ) { convention in
      let rule = try LARS(
        learningRate: 1, momentum: 0, weightDecay: 1, trustCoefficient: 1, epsilon: 0.5, convention: convention)
      let moved = try 1 - stepped([1], rule, [[-0.5]])[0]
      if moved == 0.25 { return "‖g‖ + wd·‖p‖ + ε" }
      return moved == 0.5 ? "‖g + wd·p‖ + ε" : "wrong"
    },
    Option(name: "limit from past norms", cells: [plain, padded, "C·min(1/N, 1/C)", plain, padded]) { convention in
      var run = try EngineRun<Double>([[0]], rule: SGD(learningRate: 1, convention: convention))
      // The smallest norm so far.
      run.optimizer.adaptiveLimit = .autoClip(try AutoClip(percentile: 0))
      try run.step([[3]])
      return formula(try run.step([[5]]).clipCoefficient, 5, 3)
    },
    Option(name: "norm brought to t", cells: ["t/N", "t/N", "t/N", "t/(N + 1e-6)", "t/N"]) { convention in
      let rule = try SGD(learningRate: 1, convention: convention)
      let coefficients = try [5.0, 0.5].map { -(try stepped([0], rule, [[$0]], .normalized(to: 1))[0]) / $0 }
      if coefficients == [1 / 5, 1 / 0.5] { return "t/N" }
      return zip(coefficients, [5.0, 0.5]).allSatisfy { abs($0 - 1 / ($1 + 1e-6)) <= 2 * $0.ulp }
        ? "t/(N + 1e-6)" : "wrong"
    },
    Option(name: "loss scale S", cells: Array(repeating: "g/S, then clips", count: 5)) { convention in
      var run = try EngineRun<Double>(
        [[0]], rule: SGD(learningRate: 1, convention: convention), clipping: .byValue(4))
      run.optimizer.lossScale = try .fixed(8)
      try run.step([[16]])
      try run.step([[64]])
      return run.parameters == [[-6]] ? "g/S, then clips" : "wrong"
    },
    Option(name: "average, first step", cells: Array(repeating: "a = p", count: 5)) { convention in
      var run = try EngineRun<Double>(
        [[1]], rule: SGD(learningRate: 1, convention: convention), averaging: .exponential(decay: 0.5))
      try run.step([[1]])
      try run.step([[-1]])
      return run.optimizer.withUnsafeAverage(ofTensor: 0) { $0[0] } == 0.5 ? "a = p" : "wrong"
    },
  ]

  // MARK: - Trying

  /// What `body` says, or that a setting was refused.
  private static func refusedOr(_ body: () throws -> String) throws -> String {
    do {
      return try body()
    } catch MomentumError.invalidSetting {
      return "refused"
    }
  }

  /// The parameters after some steps.
  private static func stepped(
    _ start: [Double], _ rule: some UpdateRule, _ gradients: [[Double]], _ clipping: GradientClipping = .none,
    _ layout: ParameterLayout? = nil
  ) throws -> [Double] {
    let layout = try layout ?? ParameterLayout(count: start.count)
    var optimizer = try Optimizer<Double>(layout, rule: rule, clipping: clipping)
    var parameters = start
    for gradient in gradients {
      var span = parameters.mutableSpan
      try optimizer.step(&span, gradients: gradient.span)
    }
    return parameters
  }

  /// The formula that a coefficient was found by. 3/5 and 3·(1/5) differ in the last place.
  private static func formula(_ coefficient: Double, _ norm: Double, _ limit: Double) -> String {
    if coefficient == limit / norm { return plain }
    if coefficient == limit * (1 / norm) { return "C·min(1/N, 1/C)" }
    return abs(coefficient - limit / (norm + 1e-6)) <= 2 * coefficient.ulp ? padded : "wrong"
  }
}
