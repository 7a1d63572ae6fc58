import Foundation
import Momentum
import MomentumTestSupport
import XCTest

/// The learning rate: multiples of it for groups, schedules alone, and what reports say of it.
final class LearningRateTests: XCTestCase {
  func testAGroupsFactorIsARuleOfItsOwn() throws {
    for convention in [Convention.native, .keras] {
      let rates = try Schedule.cosine(initial: 0.5, steps: 4)
      let half = try Schedule.cosine(initial: 0.25, steps: 4)
      let rule = try SGD.scheduled(learningRate: rates, momentum: .constant(0.5), convention: convention)
      let own = try SGD.scheduled(learningRate: half, momentum: .constant(0.5), convention: convention)
      var scaled = try EngineRun<Double>(
        [[1], [1]], rule: rule, groups: [ParameterGroup("second", ["* 1"], learningRateFactor: 0.5)])
      var reference = try EngineRun<Double>(
        [[1], [1]], rule: rule, groups: [ParameterGroup("second", ["* 1"], rule: own)])
      for step in 0..<4 {
        let gradient = [[Double(step)], [0.75]]
        XCTAssertEqual(try scaled.step(gradient), try reference.step(gradient))
        XCTAssertEqual(scaled.parameters, reference.parameters)
        XCTAssertEqual(scaled.optimizer.groupReports(), reference.optimizer.groupReports())
      }
    }
  }

  func testAFactorMultipliesTheGroupsOwnRuleAndThoseInside() throws {
    var run = try EngineRun<Double>(
      [[0], [0], [0]], rule: SGD(learningRate: 1),
      groups: [
        ParameterGroup("own", ["* 1"], rule: SGD(learningRate: 2), learningRateFactor: 4),
        ParameterGroup("frozen", ["* 2"], learningRateFactor: 0),
      ])
    try run.step([[1], [1], [1]])
    XCTAssertEqual(run.parameters, [[-1], [-8], [0]])
    XCTAssertEqual(run.optimizer.groupReports().map(\.learningRate), [1, 8, 0])
    let inner = try AdaptiveGradientClipping(LARS(learningRate: 2, adapts: false))
    XCTAssertEqual(inner.scalingLearningRate(by: 0.5)?.conversionRate, 1)
  }

  func testFactorsThatAreRefused() throws {
    let layout = try ParameterLayout(count: 1)
    for factor in [-1, Double.nan, .infinity] {
      expect("learningRateFactor of group 'g' is \(factor); expected a finite number >= 0") {
        _ = try Optimizer<Float>(
          layout, rule: SGD(learningRate: 1), groups: [ParameterGroup("g", ["*"], learningRateFactor: factor)]
        ).stepCount
      }
    }
    expect("learningRateFactor of group 'g' is 2.0; expected 1 for Rateless, a rule without a learning rate") {
      _ = try Optimizer<Float>(
        layout, rule: Rateless(), groups: [ParameterGroup("g", ["*"], learningRateFactor: 2)]
      ).stepCount
    }
  }

  func testAConfigurationHasFactors() throws {
    func json(_ factor: String) -> Data {
      Data(
        #"{"groups":[{"learningRateFactor":\#(factor),"name":"b","patterns":["b"]}],"rule":{"learningRate":0.5}}"#.utf8)
    }
    let configuration = try JSONDecoder().decode(OptimizerConfiguration.self, from: json("0.25"))
    let optimizer: Optimizer<Float> = try configuration.makeOptimizer(ParameterLayout([("a", [1]), ("b", [1])]))
    XCTAssertEqual(optimizer.groups.map(\.learningRateFactor), [0.25])
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    let text = String(decoding: try encoder.encode(configuration), as: UTF8.self)
    XCTAssertTrue(text.contains(#"{"learningRateFactor":0.25,"name":"b","patterns":["b"]}"#), text)
    XCTAssertThrowsError(try JSONDecoder().decode(OptimizerConfiguration.self, from: json("-1"))) { error in
      guard case DecodingError.dataCorrupted(let context) = error else { return XCTFail("\(error)") }
      XCTAssertEqual(
        context.debugDescription, "learningRateFactor of group 'b' is -1.0; expected a finite number >= 0")
    }
  }

  private struct Rateless: UpdateRule {
    var convention: Convention { .native }
    var usesVelocity: Bool { false }
    func validate() throws(MomentumError) {}
    func compile(_ tensor: TensorState, into program: inout StepProgram) -> Double { tensor.velocityScale }
  }

  func testARuleWithoutARateHasNoneInReports() throws {
    var run = try EngineRun<Float>([[1]], rule: Rateless())
    let report = try run.step([[1]])
    XCTAssertNil(report.learningRate)
    XCTAssertNil(report.momentum)
    XCTAssertNil(try run.optimizer.learningRate)
    XCTAssertNil(run.optimizer.groupReports()[0].learningRate)
  }

  func testSchedulesAloneAreThoseWithNumbersThatTheyReplace() throws {
    let (rates, momenta) = try (
      Schedule.linear(from: 1, to: 0.5, steps: 3), Schedule.linear(from: 0.5, to: 0.9, steps: 3)
    )
    let pairs: [(any UpdateRule, any UpdateRule)] = try [
      (
        SGD.scheduled(learningRate: rates, momentum: momenta, weightDecay: 0.25, nesterov: true),
        Scheduled(
          SGD(learningRate: 1, momentum: 0.5, weightDecay: 0.25, nesterov: true), learningRate: rates,
          momentum: momenta)
      ),
      (SGD.scheduled(learningRate: rates), Scheduled(SGD(learningRate: 1), learningRate: rates)),
      (
        LARS.scheduled(learningRate: rates, weightDecay: 0.5),
        Scheduled(LARS(learningRate: 1, weightDecay: 0.5), learningRate: rates)
      ),
    ]
    for (alone, replaced) in pairs {
      XCTAssertEqual(alone.usesVelocity, replaced.usesVelocity)
      var first = try EngineRun<Float>([[1, 2]], rule: alone)
      var second = try EngineRun<Float>([[1, 2]], rule: replaced)
      for step in 0..<4 {
        XCTAssertEqual(try first.optimizer.learningRate, rates.value(at: step))
        let report = try first.step([[1, -1]])
        XCTAssertEqual(report, try second.step([[1, -1]]))
        XCTAssertEqual(report.learningRate, rates.value(at: step))
        assertSameBits(first.parameters[0], second.parameters[0])
      }
    }
    XCTAssertFalse(try SGD.scheduled(learningRate: rates).usesVelocity)
    XCTAssertFalse(try SGD.scheduled(learningRate: rates, momentum: .constant(0)).usesVelocity)
  }

  func testTheRateOfTheNextStepNeedsNoCast() throws {
    var run = try EngineRun<Float>([[1]], rule: SGD(learningRate: 0.5, momentum: 0.9))
    XCTAssertEqual(try run.optimizer.learningRate, 0.5)
    XCTAssertEqual(try run.optimizer.momentum, 0.9)
    run.optimizer.rule = try Scheduled(
      SGD(learningRate: 1), learningRate: .piecewise(boundaries: [1], values: [0.25, 0.125]))
    let report = try run.step([[1]])
    XCTAssertEqual([report.learningRate, report.momentum], [0.25, 0])
    XCTAssertEqual(try run.optimizer.learningRate, 0.125)
  }
}
