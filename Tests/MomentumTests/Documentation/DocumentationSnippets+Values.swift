import Momentum
import XCTest

/// The code of the doc comments on schedules, loss scales and adaptive clipping; see ``DocumentationSnippets``.
final class DocumentationSnippetsOfValues: XCTestCase {
  func testSchedule() throws {
    // snippet
    let decay = try Schedule.cosine(initial: 0.1, final: 0.001, steps: 10_000)
    let schedule = try Schedule.warmup(from: 0, steps: 500, then: decay)
    let rate = schedule.value(at: 250)  // 0.05
    // end
    XCTAssertEqual(rate, 0.05)
  }

  func testOneCycle() throws {
    // snippet
    let rates = try Schedule.oneCycle(peak: 0.1, steps: 1000)
    let momenta = try Schedule.oneCycle(peak: 0.85, initial: 0.95, final: 0.95, steps: 1000)
    let rate = rates.value(at: 299)  // 0.1
    let momentum = momenta.value(at: 299)  // 0.85
    // end
    XCTAssertEqual([rate, momentum], [0.1, 0.85])
    XCTAssertEqual([0, 999].map(rates.value(at:)), [0.1 / 25, 0.1 / 25 / 1e4])
    XCTAssertEqual([0, 999].map(momenta.value(at:)), [0.95, 0.95])
  }

  func testScheduled() throws {
    // snippet
    let rule = try Scheduled(
      SGD(learningRate: 0.1, momentum: 0.9),
      learningRate: .cosine(initial: 0.1, steps: 10_000))
    // end
    XCTAssertEqual(try rule.resolved(at: 0) as? SGD, try SGD(learningRate: 0.1, momentum: 0.9))
  }

  func testLossScale() {
    // snippet
    var scale = LossScale.pytorch
    let loss = 0.25 * scale.current  // scaled before its gradients are taken
    scale.update(finite: false)  // an overflow: the next loss is scaled by half as much
    // end
    XCTAssertEqual(loss, 0x1p14)
    XCTAssertEqual(scale.current, 0x1p15)
  }

  func testInvalidSettingOfARule() {
    let beta = 1.5
    // snippet
    func validate() throws(MomentumError) {
      guard beta >= 0, beta <= 1 else { throw .invalidSetting(name: "beta", value: beta, expected: .between(0, 1)) }
    }
    // end
    XCTAssertThrowsError(try validate()) {
      XCTAssertEqual("\($0)", "beta is 1.5; expected a number in 0...1")
    }
  }

  func testNormType() {
    // snippet
    let euclidean = NormType.p(2)  // the same as .l2
    // end
    XCTAssertEqual(euclidean, .l2)
  }

  func testTensorState() throws {
    // snippet
    var program = StepProgram()
    let state = TensorState(gradientFactor: ScaledDouble(0.5), velocityScale: 1, isFirstStep: true)
    let scale = try SGD(learningRate: 0.1, momentum: 0.9).compile(state, into: &program)  // 4096
    // program.operations are two axpys: 0.5/4096 of the gradient into the direction,
    // -0.1·4096 of the direction into the parameters
    // end
    XCTAssertEqual(scale, 4096)
    XCTAssertEqual(
      program.operations,
      [
        .axpy(factor: ScaledDouble(0.5 / 4096), from: .gradient, into: .direction),
        .axpy(factor: ScaledDouble(-0.1 * 4096), from: .direction, into: .parameters),
      ])
  }

  func testAdaptiveLimit() throws {
    // snippet
    var adaptive = try AdaptiveLimit.autoClip(AutoClip(percentile: 10))
    _ = adaptive.decide(norm: 3)
    let decision = adaptive.decide(norm: 5)  // .limit(3.2): the 10th percentile of 3 and 5
    // end
    XCTAssertEqual(decision, .limit(3.2))
  }
}
