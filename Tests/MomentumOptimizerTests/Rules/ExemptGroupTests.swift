import Momentum
import MomentumTestSupport
import XCTest

/// Groups that the limit of all tensors together leaves out.
final class ExemptGroupTests: XCTestCase {
  private let groups = [ParameterGroup("signs", ["tensor 1"], exemptFromWhole: true)]

  func testItsTensorsNeitherCountNorAreClipped() throws {
    for clipping in try [GradientClipping.byGlobalNorm(1), GradientClipping(whole: .target(1))] {
      var run = try EngineRun<Double>([[0, 0], [0]], rule: SGD(learningRate: 1), groups: groups, clipping: clipping)
      let report = try run.step([[3, 4], [12]])
      XCTAssertEqual(run.parameters, [[-0.6000000000000001, -0.8], [-12]])
      XCTAssertEqual(report.totalNorm, 13)
      XCTAssertEqual(report.comparedNorm, 5)
      XCTAssertEqual(report.clipCoefficient, 0.2)
      XCTAssertEqual(run.optimizer.groupReports().map(\.norm), [5, 12])
      XCTAssertEqual(run.optimizer.tensorReports().map(\.wasClipped), [true, false])
    }
  }

  /// Below the limit without the group, above it with it.
  func testALimitThatTheOthersKeep() throws {
    var run = try EngineRun<Float>(
      [[0, 0], [0]], rule: SGD(learningRate: 1), groups: groups, clipping: .byGlobalNorm(6))
    let report = try run.step([[3, 4], [12]])
    XCTAssertEqual(run.parameters, [[-3, -4], [-12]])
    XCTAssertFalse(report.wasClipped)
  }

  /// The group's own limit, and those of its tensors, hold.
  func testLimitsOfItsOwn() throws {
    let own = [
      ParameterGroup("signs", ["tensor 1"], clipping: try .byGlobalNorm(6), exemptFromWhole: true),
      ParameterGroup("rest", ["tensor 2"], clipping: try .byNorm(2)),
    ]
    var run = try EngineRun<Double>(
      [[0, 0], [0], [0]], rule: SGD(learningRate: 1), groups: own, clipping: .byGlobalNorm(0.5.squareRoot()))
    let report = try run.step([[3, 4], [12], [10]])
    XCTAssertEqual(run.parameters[1], [-6])
    XCTAssertEqual(try XCTUnwrap(report.comparedNorm), 29.squareRoot(), accuracy: 1e-15)
    XCTAssertEqual(run.parameters[2][0], -2 * (0.5 / 29).squareRoot(), accuracy: 1e-15)
  }

  func testOnePassIsRefused() throws {
    expect("mode is onePass; expected twoPass with groups that the limit leaves out") {
      let run = try EngineRun<Float>(
        [[0], [0]], rule: SGD(learningRate: 1), groups: groups, clipping: .byGlobalNorm(1), policy: .propagate,
        mode: .onePass)
      return run.optimizer.stepCount
    }
  }
}
