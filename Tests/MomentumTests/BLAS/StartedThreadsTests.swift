import MomentumTestSupport
import XCTest

/// The threads that the BLAS of a client's process starts.
final class StartedThreadsTests: XCTestCase {
  /// Steps of SGD and Muon, orthogonalised matrices and spectral norms start none, for `Float` nor `Double`; see
  /// `BLASUse` of the program.
  func testStepsAndMatricesStartNoThreads() throws {
    let run = try CommandRun(["blas"], of: "MomentumTestHost")
    XCTAssertEqual(run.status, 0)
    XCTAssertTrue(run.output.hasSuffix(", 0 more after a step, step right\n"), run.output)
  }
}
