import Foundation
import MomentumTestSupport
import XCTest

/// The end of a process in which steps are being taken.
final class ProcessEndTests: XCTestCase {
  func testExitWhileThreadsStepIsClean() throws {
    for seed in 0..<16 {
      let run = try CommandRun(["exit", "\(seed)"], of: "MomentumTestHost")
      XCTAssertEqual(run.status, 0, "seed \(seed): \(run.errors)")
      if run.status != 0 { return }
    }
  }

  /// The shares of a call whose workers are taken run on threads of another kind. The end waits for the call, so these must not
  /// wait for the end: it would come after ten seconds, when the gate gives up.
  func testExitDoesNotWaitForSharesThatWaitForIt() throws {
    for _ in 0..<3 {
      let start = ContinuousClock.now
      let run = try CommandRun(["exit-large"], of: "MomentumTestHost")
      XCTAssertEqual(run.status, 0, run.errors)
      XCTAssertLessThan(ContinuousClock.now - start, .seconds(9), "the gate gave up")
    }
  }

  func testHandlersOfExitMayStillStep() throws {
    let run = try CommandRun(["exit-handlers"], of: "MomentumTestHost")
    XCTAssertEqual(run.status, 0, run.errors)
    XCTAssertEqual(run.output, "100000\n100000\n100000\n")
  }
}
