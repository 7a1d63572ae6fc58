import Momentum
import MomentumMPI
import XCTest

/// The hash by which ranks compare their settings: nothing that a rule or a limit stores may be missing.
final class StoredSettingsTests: XCTestCase {
  private func digest(_ value: Any) -> UInt64 {
    var hash = WordHash()
    hash.add(stored: value)
    return hash.value
  }

  /// Values that all differ from each other, and each of which is the same as itself.
  private func assertAllDiffer(_ values: [Any], line: UInt = #line) {
    XCTAssertEqual(Set(values.map(digest)).count, values.count, "\(values)", line: line)
    XCTAssertEqual(values.map(digest), values.map(digest), line: line)
  }

  /// Changes one stored property after the other. Reflection says which there are, so one that is added later cannot be left
  /// out here.
  private func assertEveryPropertyCounts<Value>(
    _ value: Value, _ changes: [(name: String, change: (inout Value) -> Void)], line: UInt = #line
  ) {
    let names = Mirror(reflecting: value).children.map { $0.label ?? "" }
    XCTAssertEqual(Set(changes.map(\.name)), Set(names), "\(Value.self)", line: line)
    var values: [Any] = [value]
    for (_, change) in changes {
      var changed = value
      change(&changed)
      values.append(changed)
    }
    assertAllDiffer(values, line: line)
  }

  private var checked: Set<String> = []

  private func check<Rule: UpdateRule>(
    _ rule: Rule, _ changes: [(name: String, change: (inout Rule) -> Void)], line: UInt = #line
  ) {
    checked.insert("\(type(of: rule))")
    assertEveryPropertyCounts(rule, changes, line: line)
  }

  func testEveryPropertyOfEveryRule() throws {
    check(
      try SGD(learningRate: 0.1, momentum: 0.9),
      [
        ("learningRate", { $0.learningRate = 0.2 }), ("momentum", { $0.momentum = 0.8 }),
        ("dampening", { $0.dampening = 0.5 }), ("weightDecay", { $0.weightDecay = 0.1 }),
        ("decoupledWeightDecay", { $0.decoupledWeightDecay.toggle() }), ("nesterov", { $0.nesterov.toggle() }),
        ("maximize", { $0.maximize.toggle() }), ("convention", { $0.convention = .mlx }),
      ])
    check(
      try LARS(learningRate: 0.1),
      [
        ("learningRate", { $0.learningRate = 0.2 }), ("momentum", { $0.momentum = 0.8 }),
        ("weightDecay", { $0.weightDecay = 0.1 }), ("trustCoefficient", { $0.trustCoefficient = 0.1 }),
        ("epsilon", { $0.epsilon = 1e-9 }), ("nesterov", { $0.nesterov.toggle() }), ("adapts", { $0.adapts.toggle() }),
        ("convention", { $0.convention = .optax }),
      ])
    check(
      try Lion(learningRate: 0.1),
      [
        ("learningRate", { $0.learningRate = 0.2 }), ("beta1", { $0.beta1 = 0.8 }), ("beta2", { $0.beta2 = 0.8 }),
        ("weightDecay", { $0.weightDecay = 0.1 }), ("convention", { $0.convention = .optax }),
      ])
    check(
      try Signum(learningRate: 0.1),
      [
        ("learningRate", { $0.learningRate = 0.2 }), ("momentum", { $0.momentum = 0.8 }),
        ("weightDecay", { $0.weightDecay = 0.1 }), ("nesterov", { $0.nesterov.toggle() }),
        ("convention", { $0.convention = .optax }),
      ])
    check(
      try NormalizedMomentum(learningRate: 0.1),
      [
        ("learningRate", { $0.learningRate = 0.2 }), ("momentum", { $0.momentum = 0.8 }),
        ("weightDecay", { $0.weightDecay = 0.1 }), ("nesterov", { $0.nesterov.toggle() }),
        ("normalizedUnits", { $0.normalizedUnits = .firstAxis }), ("convention", { $0.convention = .optax }),
      ])
    check(
      try AdamW(learningRate: 0.1),
      [
        ("learningRate", { $0.learningRate = 0.2 }), ("beta1", { $0.beta1 = 0.8 }), ("beta2", { $0.beta2 = 0.8 }),
        ("epsilon", { $0.epsilon = 1e-9 }), ("weightDecay", { $0.weightDecay = 0.1 }),
        ("biasCorrection", { $0.biasCorrection.toggle() }), ("convention", { $0.convention = .optax }),
      ])
    check(
      try Muon(learningRate: 0.1),
      [
        ("learningRate", { $0.learningRate = 0.2 }), ("momentum", { $0.momentum = 0.8 }),
        ("nesterov", { $0.nesterov.toggle() }), ("weightDecay", { $0.weightDecay = 0.1 }),
        ("method", { $0.method = .dion }), ("view", { $0.view = .lastTwoAxes }), ("scale", { $0.scale = .spectral }),
        ("convention", { $0.convention = .optax }),
      ])
    check(
      try Scheduled(SGD(learningRate: 0.1, momentum: 0.9)),
      [
        ("rule", { $0.rule.weightDecay = 0.1 }),
        ("learningRate", { $0.learningRate = try? Schedule.cosine(initial: 0.1, steps: 10) }),
        ("momentum", { $0.momentum = try? Schedule.cosine(initial: 0.9, steps: 10) }),
      ])
    let muon = try Muon(learningRate: 0.1)
    check(
      try AdaptiveGradientClipping(SGD(learningRate: 0.1)),
      [
        ("base", { $0.base = muon }), ("factor", { $0.factor = 0.1 }),
        ("epsilon", { $0.epsilon = 1e-9 }), ("clippedUnits", { $0.clippedUnits = .optax }),
      ])

    // All that configurations make.
    for kind in RuleConfiguration.Kind.allCases {
      var configuration = RuleConfiguration(learningRate: try .constant(0.1))
      configuration.kind = kind
      let plain = try configuration.makeRule(.native)
      XCTAssertTrue(checked.contains("\(type(of: plain))"), "\(plain)")
    }
  }

  /// What settings consist of, at any depth.
  func testEveryPartOfSettings() throws {
    assertEveryPropertyCounts(
      NewtonSchulz([.init(1, 2, 3), .init(4, 5, 6)]),
      [
        ("steps", { $0.steps[1].c = 7 }), ("epsilon", { $0.epsilon = 1e-9 }),
        ("epsilonUse", { $0.epsilonUse = .least }),
        ("restarts", { $0.restarts = [1] }), ("restartUse", { $0.restartUse = .whereNeeded }),
      ])
    assertAllDiffer(
      [
        .firstAxis, .lastTwoAxes, .axes(inputs: [0], outputs: [1]), .axes(inputs: [1], outputs: [0]),
        .axes(inputs: [0, 1], outputs: []), .rowBlocks([1, 2], of: .firstAxis), .rowBlocks([1, 2], of: .lastTwoAxes),
        .rowBlocks([1], of: .rowBlocks([2], of: .firstAxis)),
      ] as [MatrixView])
    assertAllDiffer(
      [.fanRatio, .matchingRMS(0.2), .matchingRMS(0.2.nextUp), .spectral, .none] as [Muon.Scale])
    assertAllDiffer([.tensor, .firstAxis, .optax, .axes([]), .axes([0])] as [TensorUnits])
    assertAllDiffer(Convention.allCases)
    assertAllDiffer(
      [.polar, .jordan(), .dion, .polarExpress(), .jordan(steps: 4), .jordan(restarts: [1])] as [Orthogonalization])
    let constant = try Schedule.constant(0.1)
    assertAllDiffer([
      constant, try Schedule.constant(0.2), try Schedule.cosine(initial: 0.1, steps: 10),
      try Schedule.cosine(initial: 0.1, steps: 11), try Schedule.cosine(initial: 0.1, final: 0.01, steps: 10),
      try Schedule.warmup(steps: 3, then: constant), try Schedule.warmup(from: 0.1, steps: 3, then: constant),
      try Schedule.piecewise(boundaries: [5], values: [0.1, 0.2]),
      try Schedule.piecewise(boundaries: [6], values: [0.1, 0.2]), Schedule.custom { _ in 0.1 },
      Schedule.custom { _ in 0.2 },
    ])
    assertEveryPropertyCounts(
      ParameterGroup("a", ["b"]),
      [
        ("name", { $0.name = "c" }), ("patterns", { $0.patterns = ["d"] }),
        ("rule", { $0.rule = try? Muon(learningRate: 0.1) }), ("clipping", { $0.clipping = .measureOnly }),
        ("learningRateFactor", { $0.learningRateFactor = 2 }), ("exemptFromWhole", { $0.exemptFromWhole.toggle() }),
        ("mayBeEmpty", { $0.mayBeEmpty.toggle() }),
      ])
    assertEveryPropertyCounts(
      GradientClipping.none,
      [
        ("value", { $0.value = -1...1 }), ("tensor", { $0.tensor = .norm(1) }), ("whole", { $0.whole = .norm(1) }),
        ("normType", { $0.normType = .infinity }), ("algorithm", { $0.algorithm = .portable }),
      ])
    assertEveryPropertyCounts(
      try WeightAveraging(.mean),
      [("kind", { $0.kind = .exponential(decay: 0.9) }), ("overwriteEvery", { $0.overwriteEvery = 3 })])
  }

  /// Rules of other packages: private types, objects, and collections whose order differs from process to process.
  func testWhatRulesOfOtherPackagesMayStore() {
    final class Node {
      var number: Int
      var next: Node?
      init(_ number: Int) { self.number = number }
    }
    struct Own: CustomStringConvertible, CustomDebugStringConvertible {
      var names: Set<String> = []
      var table: [String: Int] = [:]
      var node: Node?
      var description: String { "always the same" }
      var debugDescription: String { description }
    }
    func ring(_ numbers: Int...) -> Node {
      let first = Node(numbers[0])
      var last = first
      for number in numbers.dropFirst() {
        last.next = Node(number)
        last = last.next!
      }
      last.next = first
      return first
    }
    let names = (0..<40).map { "name \($0)" }
    assertAllDiffer([
      Own(), Own(names: ["a"]), Own(names: ["a", "b"]), Own(table: ["a": 1]), Own(table: ["a": 2]), Own(node: Node(1)),
      Own(node: ring(1)), Own(node: ring(1, 2)), Own(node: ring(1, 3)),
    ])
    // Sets of other sizes have other orders.
    var large = Set(names + (0..<1000).map { "other \($0)" })
    large.formIntersection(names)
    XCTAssertEqual(digest(Own(names: large)), digest(Own(names: Set(names))))
    XCTAssertEqual(digest(Own(node: ring(1, 2))), digest(Own(node: ring(1, 2))))
  }
}
