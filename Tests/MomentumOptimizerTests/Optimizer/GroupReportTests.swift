import Momentum
import MomentumTestSupport
import XCTest

/// What a step says of its groups. The reference are the norms and limits themselves.
final class GroupReportTests: XCTestCase {
  private func makeRun(_ policy: NonFinitePolicy = .throw) throws -> EngineRun<Double> {
    try EngineRun<Double>(
      [[0, 0], [0], [0], [0]], rule: SGD(learningRate: 1, momentum: 0.5),
      groups: [
        ParameterGroup("pair", ["* [12]"], rule: SGD(learningRate: 2), clipping: .byGlobalNorm(6.5)),
        ParameterGroup("free", ["* 3"]),
      ], clipping: .byGlobalNorm(1000), policy: policy)
  }

  func testNormsAndCoefficientsOfGroups() throws {
    var run = try makeRun()
    let report = try run.step([[3, 4], [5], [12], [2]])
    XCTAssertEqual(report.clipCoefficient, 1)
    let groups = run.optimizer.groupReports()
    XCTAssertEqual(groups.map(\.name), [nil, "pair", "free"])
    XCTAssertEqual(groups.map(\.tensorCount), [1, 2, 1])
    XCTAssertEqual(groups.map(\.norm), [5, 13, 2])
    XCTAssertEqual(groups.map(\.clipCoefficient), [1, 0.5, 1])
    XCTAssertEqual(groups.map(\.learningRate), [1, 2, 1])
    XCTAssertEqual(groups.map(\.momentum), [0.5, 0, 0.5])
  }

  func testTheCoefficientIsThatOfTheLastStep() throws {
    var run = try makeRun(.skipStep)
    try run.step([[3, 4], [5], [12], [2]])
    try run.step([[3, 4], [0.25], [0], nil])
    XCTAssertEqual(run.optimizer.groupReports().map(\.clipCoefficient), [1, 1, 1])
    XCTAssertEqual(run.optimizer.groupReports().map(\.norm), [5, 0.25, 0])
    try run.step([[3, 4], [5], [12], [2]])
    let skipped = try run.step([[3, .nan], [0], [0], [0]])
    XCTAssertTrue(skipped.wasSkipped)
    XCTAssertEqual(run.optimizer.groupReports().map(\.clipCoefficient), [1, 1, 1])
  }

  func testGroupsThatChangeAfterwardsAreThoseOfTheLastStepUntilTheNext() throws {
    var run = try makeRun()
    XCTAssertEqual(run.optimizer.groupReports().map(\.norm), [nil, nil, nil], "no step yet")
    XCTAssertEqual(run.optimizer.groupReports().map(\.learningRate), [nil, nil, nil])
    try run.step([[3, 4], [5], [12], [2]])
    let groups = run.optimizer.groupReports()
    run.optimizer.groups.removeLast(2)
    XCTAssertEqual(run.optimizer.groupReports(), groups)
    // A step that is refused has bound other groups already.
    XCTAssertThrowsError(try run.step([[.nan, 4], [5], [12], [2]]))
    XCTAssertEqual(run.optimizer.groupReports().map(\.name), [nil])
  }

  /// A step whose settings are refused leaves the reports of the last one whole.
  func testARefusedSettingLeavesReportsAlone() throws {
    let layout = try ParameterLayout([("a", [2]), ("b", [1])])
    var optimizer = try Optimizer<Double>(
      layout, rule: SGD(learningRate: 1), groups: [ParameterGroup("b", ["b"], rule: SGD(learningRate: 2))],
      clipping: .byGlobalNorm(6.5))
    var parameters = try ParameterVector<Double>(layout)
    var sum = try GradientAccumulator<Double>(layout)
    func add(_ factor: Double) throws { try sum.add(ParameterVector([3 * factor, 4 * factor, 12 * factor])) }
    try add(1)
    try optimizer.step(&parameters, gradients: &sum)
    let (groups, tensors) = (optimizer.groupReports(), optimizer.tensorReports())
    XCTAssertEqual(groups.map(\.norm), [5, 12])
    XCTAssertEqual(groups.map(\.learningRate), [1, 2])
    // Other groups, another rule and another gradient, and then what is refused.
    try add(100)
    optimizer.groups = [ParameterGroup("b", ["a"], rule: try SGD(learningRate: 3))]
    optimizer.rule = try SGD(learningRate: 4)
    optimizer.threads = 0
    expect("threads is 0; expected at least 1") { try optimizer.step(&parameters, gradients: &sum) }
    optimizer.threads = 1
    optimizer.clipping.whole = .norm(-1)
    XCTAssertThrowsError(try optimizer.step(&parameters, gradients: &sum))
    XCTAssertEqual(optimizer.groupReports(), groups)
    XCTAssertEqual(optimizer.tensorReports(), tensors)
    optimizer.clipping.whole = .norm(650)
    try optimizer.step(&parameters, gradients: &sum)
    XCTAssertEqual(optimizer.groupReports().map(\.norm), [1200, 500])
    XCTAssertEqual(optimizer.groupReports().map(\.learningRate), [4, 3])
  }

  /// A limit that skips a step lets nothing be clipped, whatever was clipped before it.
  func testAStepThatALimitSkipsClipsNothing() throws {
    var run = try EngineRun<Double>(
      [[0, 0], [0]], rule: SGD(learningRate: 1),
      groups: [ParameterGroup("second", ["* 1"], clipping: .byGlobalNorm(2))], clipping: .byNorm(4))
    run.optimizer.adaptiveLimit = .spikeSkipping(try SpikeSkipping(limit: 3))
    let report = try run.step([[3, 4], [5]])
    XCTAssertTrue(report.wasSkipped)
    XCTAssertFalse(report.clip.wasClipped)
    XCTAssertEqual(run.optimizer.tensorReports().map(\.wasClipped), [false, false])
    XCTAssertEqual(run.optimizer.groupReports().map(\.clipCoefficient), [1, 1])
    XCTAssertEqual(run.parameters, [[0, 0], [0]])
  }

  func testANormThatWasNotMeasured() throws {
    var run = try EngineRun<Float>([[1]], rule: SGD(learningRate: 1), policy: .propagate)
    try run.step([[1]])
    XCTAssertEqual(run.optimizer.groupReports().map(\.norm), [nil])
  }

  func testOtherOwnersSeeTheirOwnTensors() throws {
    let values = [3.0, 4]
    let reports = try ThreadExchange.run(owners: 2) { owner, exchange throws(MomentumError) in
      let (memory, gradient) = (GuardedMemory([0.0]), GuardedMemory([values[owner]]))
      var optimizer = try Optimizer<Double>(
        ParameterLayout([("part \(owner)", [1])]), rule: SGD(learningRate: 1),
        groups: [ParameterGroup("both", ["*"], clipping: .byGlobalNorm(2.5))])
      try optimizer.step(parameters: [memory.buffer], gradients: [gradient.readOnlyBuffer], exchange: exchange)
      withExtendedLifetime((memory, gradient)) {}
      return optimizer.groupReports()
    }
    for owner in 0..<2 {
      XCTAssertEqual(reports[owner].map(\.norm), [0, values[owner]])
      XCTAssertEqual(reports[owner].map(\.clipCoefficient), [1, 0.5], "of the limit of both")
    }
  }
}
