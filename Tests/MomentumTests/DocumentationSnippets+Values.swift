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

  func testAdaptiveClipping() throws {
    // snippet
    var adaptive = try AdaptiveLimit.autoClip(AutoClip(percentile: 10))
    _ = adaptive.decide(norm: 3)
    let decision = adaptive.decide(norm: 5)  // .limit(3.2): the 10th percentile of 3 and 5
    // end
    XCTAssertEqual(decision, .limit(3.2))
  }
}
