import Momentum
import MomentumTestSupport
import XCTest

/// Tensors with a rule and limits of their own. The reference is an optimizer for each group: same bits.
final class GroupTests: XCTestCase {
  func testGroupsAreOptimizersOfTheirOwnFloat() throws { try groupsAreOptimizersOfTheirOwn(Float.self) }
  func testGroupsAreOptimizersOfTheirOwnDouble() throws { try groupsAreOptimizersOfTheirOwn(Double.self) }

  private func groupsAreOptimizersOfTheirOwn<S: BLASScalar>(_: S.Type) throws {
    for convention in Convention.allCases {
      var random = SeededGenerator(seed: 51)
      let counts = [70, 3, 2100, 33]
      let start: [[S]] = counts.map { random.numbers($0) }
      // Tensors 0 and 2 are in a group, 3 in another, 1 in none.
      let members = [[1], [0, 2], [3]]
      let rules = try [
        SGD(learningRate: 0.1, momentum: 0.9, convention: convention),
        SGD(learningRate: 0.05, weightDecay: 0.01, convention: convention),
        SGD(learningRate: 0.2, momentum: 0.5, nesterov: true, convention: convention),
      ]
      let clippings = try [GradientClipping.byValue(0.5), .byGlobalNorm(1), .byNorm(0.25)]
      var whole = try EngineRun(
        start, rule: rules[0],
        groups: [
          ParameterGroup("even", ["tensor [02]"], rule: rules[1], clipping: clippings[1]),
          ParameterGroup("last", ["*3", "tensor 0"], rule: rules[2], clipping: clippings[2]),
        ], clipping: clippings[0])
      let parts = try (0..<3).map { group in
        Box(try EngineRun(members[group].map { start[$0] }, rule: rules[group], clipping: clippings[group]))
      }
      for _ in 0..<4 {
        let gradients: [[S]] = counts.map { random.numbers($0) }
        let report = try whole.step(gradients)
        XCTAssertTrue(report.wasClipped)
        for group in 0..<3 { try parts[group].run.step(members[group].map { gradients[$0] }) }
      }
      for group in 0..<3 {
        for (position, tensor) in members[group].enumerated() {
          assertSameBits(
            parts[group].run.parameters[position], whole.parameters[tensor], seed: 51, "\(convention) \(tensor)")
          XCTAssertEqual(parts[group].run.velocity[position], whole.velocity[tensor])
        }
      }
    }
  }

  func testTheWholeIsLimitedAfterTheGroups() throws {
    // Norms 5 and 12: the group comes to 6, the whole to sqrt(25 + 36), which is limited to half of that.
    let limit = 61.0.squareRoot() / 2
    var run = try EngineRun<Double>(
      [[0, 0], [0]], rule: SGD(learningRate: 1),
      groups: [ParameterGroup("second", ["* 1"], clipping: .byGlobalNorm(6))], clipping: .byGlobalNorm(limit))
    let report = try run.step([[3, 4], [12]])
    XCTAssertEqual(try XCTUnwrap(report.totalNorm), 13)
    XCTAssertEqual(try XCTUnwrap(report.comparedNorm), 61.0.squareRoot())
    XCTAssertEqual(report.clipCoefficient, 0.5)
    XCTAssertEqual(run.parameters, [[-1.5, -2], [-3]])
    XCTAssertEqual(run.optimizer.tensorReports().map(\.clipCoefficient), [0.5, 0.25])
    XCTAssertEqual(run.optimizer.tensorReports().map(\.norm), [5, 12])
  }

  func testReportsAreThoseOfTheLastStepWhateverIsSetAfterIt() throws {
    var run = try EngineRun<Double>(
      [[0, 0], [0]], rule: SGD(learningRate: 1, momentum: 0.5), clipping: .byGlobalNorm(6.5))
    let gradients: [[Double]?] = [[3, 4], [12]]
    try run.step(gradients)
    func expectReports(_ what: String) {
      XCTAssertEqual(run.optimizer.tensorReports().map(\.norm), [5, 12], what)
      XCTAssertEqual(run.optimizer.tensorReports().map(\.clipCoefficient), [0.5, 0.5], what)
    }
    run.optimizer.clipping = try .byGlobalNorm(100, type: .l1)
    run.optimizer.lossScale = try .fixed(4)
    expectReports("settings changed")
    run.optimizer.rule = try SGD(learningRate: 1, momentum: 0.5, convention: .keras)
    XCTAssertThrowsError(try run.step(gradients), "the velocity is another kind")
    expectReports("a step refused")
  }

  func testOnlyAGroupIsClipped() throws {
    var run = try EngineRun<Float>(
      [[0], [0, 0]], rule: SGD(learningRate: 1, convention: .pytorch),
      groups: [ParameterGroup("second", ["* 1"], clipping: .byNorm(2, type: .l1))])
    let report = try run.step([[100], [3, -1]])
    XCTAssertEqual(report.totalNorm, 104, "the norm that the group limits")
    XCTAssertEqual(run.parameters[0], [-100])
    assertClose([-1.5, 0.5], run.parameters[1], ulps: 8)
  }

  func testAGroupIsClippedByValueAlone() throws {
    var run = try EngineRun<Float>(
      [[0], [0, 0]], rule: SGD(learningRate: 1),
      groups: [ParameterGroup("second", ["* 1"], clipping: .byValue(2))], clipping: .byGlobalNorm(.infinity))
    let report = try run.step([[12], [4, -3]])
    XCTAssertEqual(report.totalNorm, 13)
    XCTAssertEqual(report.comparedNorm, Double(144 + 4 + 4).squareRoot())
    XCTAssertEqual(report.valueClippedCount, 2)
    XCTAssertEqual(run.parameters, [[-12], [-2, 2]])
  }

  func testRulesOfGroupsMayChangeBetweenSteps() throws {
    var run = try EngineRun<Double>(
      [[0], [0]], rule: SGD(learningRate: 1), groups: [ParameterGroup("first", ["* 0"], rule: SGD(learningRate: 2))])
    try run.step([[1], [1]])
    XCTAssertEqual(run.parameters, [[-2], [-1]])
    run.optimizer.groups[0].rule = try SGD(learningRate: 3)
    run.optimizer.groups[0].patterns = ["* 1"]
    try run.step([[1], [1]])
    XCTAssertEqual(run.parameters, [[-3], [-4]])
  }

  func testPatternsThatLeaveOut() throws {
    let names = ["a.bias", "a.weight", "b.bias", "b[0", "!c"]
    let layout = try ParameterLayout(names.map { ($0, [1]) })
    for (patterns, expected) in [
      (["a.*", "!*.bias"], ["a.weight"]), (["!*.bias"], ["a.weight", "b[0", "!c"]),
      (["!*.bias", "*"], ["a.weight", "b[0", "!c"]), (["!a.*", "!b.*"], ["b[0", "!c"]), (["b\\[0"], ["b[0"]),
      (["\\!c"], ["!c"]), (["[!a]*.bias"], ["b.bias"]), (["[]a]*"], ["a.bias", "a.weight"]),
    ] {
      let optimizer = try Optimizer<Float>(
        layout, rule: SGD(learningRate: 1), groups: [ParameterGroup("g", patterns, rule: SGD(learningRate: 2))])
      let members = try (0..<names.count).filter { index in
        var optimizer = try Optimizer<Float>(layout, rule: SGD(learningRate: 1), groups: optimizer.groups)
        var parameters = try ParameterVector<Float>(layout)
        var gradients = try ParameterVector<Float>(layout)
        gradients.fill(1)
        try optimizer.step(&parameters, gradients: gradients)
        return parameters[index] == -2
      }
      XCTAssertEqual(members.map { names[$0] }, expected, "\(patterns)")
    }
    expect("group 'g' is []; expected patterns of which one matches the name of a tensor, such as 'a.bias'") {
      _ = try Optimizer<Float>(layout, rule: SGD(learningRate: 1), groups: [ParameterGroup("g", [])]).stepCount
    }
  }

  func testWhatGroupsRefuse() throws {
    let layout = try ParameterLayout([("a", [1]), ("b", [1])])
    let rule = try SGD(learningRate: 1)
    func refuses(_ text: String, line: UInt = #line, _ groups: [ParameterGroup], _ clipping: GradientClipping = .none) {
      expect(text, line: line) {
        _ = try Optimizer<Float>(layout, rule: rule, groups: groups, clipping: clipping).stepCount
      }
    }
    let nothing = "expected patterns of which one matches the name of a tensor"
    refuses("group 'x' is [\"c*\"]; \(nothing), such as 'a'", [ParameterGroup("x", ["c*"])])
    refuses(
      "group 'late' is [\"a\"]; \(nothing) that is in no earlier group; 'a' is in group 'all'",
      [ParameterGroup("all", ["?"]), ParameterGroup("late", ["a"])])
    for pattern in ["[ab", "a[", "x[!]", "[]", "[ab]*[c"] {
      refuses(
        "pattern of group 'x' is '\(pattern)'; expected a ] for every [, or \\[ for the bracket itself",
        [ParameterGroup("x", ["a", pattern])])
    }
    refuses(
      "convention of group 'k' is keras; expected native, as of the optimizer's rule",
      [ParameterGroup("k", ["a"], rule: try SGD(learningRate: 1, convention: .keras))])
    refuses(
      "norm type of group 'n' is 1.0 (blas); expected 2.0 (blas), as in the optimizer's clipping",
      [ParameterGroup("n", ["a"], clipping: try .byNorm(1, type: .l1))], try .byGlobalNorm(1))
    var spoiled = try SGD(learningRate: 1)
    spoiled.learningRate = -1
    refuses(
      "learningRate is -1.0; expected a finite number >= 0", [ParameterGroup("n", ["a"], rule: spoiled)])
    refuses(
      "norm type of group 'second' is 1.0 (blas); expected 2.0 (blas), as in group 'first'",
      [
        ParameterGroup("first", ["a"], clipping: try .byNorm(1)),
        ParameterGroup("second", ["b"], clipping: try .byNorm(1, type: .l1)),
      ])
  }
}

/// An array of noncopyable runs needs something to hold each.
private final class Box<S: BLASScalar> {
  var run: EngineRun<S>
  init(_ run: consuming EngineRun<S>) { self.run = run }
}
