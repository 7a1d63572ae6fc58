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

  func testHandlersOfExitMayStillStep() throws {
    let run = try CommandRun(["exit-handlers"], of: "MomentumTestHost")
    XCTAssertEqual(run.status, 0, run.errors)
    XCTAssertEqual(run.output, "100000\n100000\n100000\n")
  }
}
