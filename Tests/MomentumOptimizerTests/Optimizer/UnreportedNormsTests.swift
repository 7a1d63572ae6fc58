import MomentumTestSupport
import XCTest

@testable import Momentum

/// Steps whose norms nobody wants reported measure no more than decides, and are the same steps.
final class UnreportedNormsTests: XCTestCase {
  private let layout = try! ParameterLayout([("a", [41, 50]), ("b", [3]), ("c", [2801])])

  private struct Setup {
    var name: String
    var rule: any UpdateRule
    var clipping = GradientClipping.none
    var groups: [ParameterGroup] = []
    var policy: NonFinitePolicy
    var adaptiveLimit: AdaptiveLimit?
    /// What a report without norms that nobody needs still knows.
    var total: Bool, compared: Bool
  }

  private func setups() throws -> [Setup] {
    let sgd = try SGD(learningRate: 0.05, momentum: 0.9)
    let value = try GradientClipping(value: -0.3...0.2)
    let both = try GradientClipping(value: -0.3...0.2, whole: .norm(0.5))
    return [
      Setup(name: "value", rule: sgd, clipping: value, policy: .propagate, total: false, compared: false),
      Setup(name: "value, checked", rule: sgd, clipping: value, policy: .throw, total: true, compared: false),
      Setup(name: "value, cleared", rule: sgd, clipping: value, policy: .zero, total: true, compared: false),
      Setup(name: "value and norm", rule: sgd, clipping: both, policy: .propagate, total: true, compared: true),
      Setup(
        name: "value, and a norm of a group", rule: sgd, clipping: value,
        groups: [ParameterGroup("g", ["c"], clipping: try .byNorm(0.1))], policy: .propagate, total: true,
        compared: true),
      Setup(
        name: "value, adaptive limit", rule: sgd, clipping: value, policy: .propagate,
        adaptiveLimit: try .autoClip(AutoClip(percentile: 10)), total: true, compared: true),
      // The rule needs the norms of the clipped tensors.
      Setup(
        name: "LARS, value", rule: try LARS(learningRate: 0.05, momentum: 0.9), clipping: value, policy: .propagate,
        total: true, compared: true),
      Setup(name: "nothing, checked", rule: sgd, policy: .throw, total: true, compared: false),
    ]
  }

  private func optimizer(_ setup: Setup) throws -> Optimizer<Float> {
    try Optimizer(
      layout, rule: setup.rule, groups: setup.groups, clipping: setup.clipping, nonFinitePolicy: setup.policy,
      adaptiveLimit: setup.adaptiveLimit, threads: 2)
  }

  private func take(
    _ optimizer: inout Optimizer<Float>, _ parameters: inout [Float], _ gradients: [Float]
  ) throws -> StepReport {
    var span = parameters.mutableSpan
    return try optimizer.step(&span, gradients: gradients.span)
  }

  func testTheStepIsTheSameAndTheReportKnowsLess() throws {
    for (number, setup) in try setups().enumerated() {
      var random = SeededGenerator(seed: UInt64(number))
      var reporting = try optimizer(setup)
      var silent = try optimizer(setup)
      silent.reportsNorms = false
      var expected: [Float] = random.numbers(layout.count)
      var found = expected
      for step in 0..<6 {
        let gradients: [Float] = random.numbers(layout.count)
        let full = try take(&reporting, &expected, gradients)
        let short = try take(&silent, &found, gradients)
        let label = "\(setup.name), step \(step)"
        assertSameBits(found, expected, label)
        XCTAssertEqual(short.totalNorm, setup.total ? full.totalNorm : nil, label)
        XCTAssertEqual(short.clip.comparedNorm, setup.compared ? full.clip.comparedNorm : nil, label)
        XCTAssertEqual(short.valueClippedCount, setup.compared ? full.valueClippedCount : 0, label)
        XCTAssertEqual(short.clipCoefficient, full.clipCoefficient, label)
        XCTAssertEqual(short.wasClipped, full.wasClipped, label)
      }
      let norms = reporting.tensorReports().map(\.norm)
      XCTAssertEqual(silent.tensorReports().map(\.norm), norms.map { setup.total ? $0 : nil }, setup.name)
    }
  }

  func testNonFiniteGradientsAreFoundAllTheSame() throws {
    var gradients = [Float](repeating: 0, count: layout.count)
    gradients[2053] = .nan
    for policy in [NonFinitePolicy.throw, .skipStep, .zero] {
      var optimizer = try Optimizer<Float>(
        layout, rule: SGD(learningRate: 0.05), clipping: GradientClipping(value: -0.3...0.2), nonFinitePolicy: policy)
      optimizer.reportsNorms = false
      var parameters = [Float](repeating: 0, count: layout.count)
      switch policy {
      case .throw:
        XCTAssertThrowsError(try take(&optimizer, &parameters, gradients)) {
          guard case .nonFiniteGradient(tensor: "c", index: 0, _) = $0 as? MomentumError else {
            return XCTFail("\($0)")
          }
        }
      case .skipStep: XCTAssertTrue(try take(&optimizer, &parameters, gradients).wasSkipped)
      default: XCTAssertEqual(try take(&optimizer, &parameters, gradients).nanCount, 1)
      }
      XCTAssertTrue(parameters.allSatisfy { $0 == 0 }, "\(policy)")
    }
  }

  /// The setting counts from the next step on, and back.
  func testTheSettingChangesBetweenSteps() throws {
    var optimizer = try Optimizer<Float>(
      layout, rule: SGD(learningRate: 0.05), clipping: GradientClipping(value: -0.3...0.2), nonFinitePolicy: .propagate)
    var parameters = [Float](repeating: 0, count: layout.count)
    let gradients = [Float](repeating: 1, count: layout.count)
    var counts: [Int] = []
    for reports in [true, false, true] {
      optimizer.reportsNorms = reports
      counts.append(try take(&optimizer, &parameters, gradients).valueClippedCount)
    }
    XCTAssertEqual(counts, [layout.count, 0, layout.count])
  }
}
