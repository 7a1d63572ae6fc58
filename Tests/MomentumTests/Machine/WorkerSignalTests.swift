#if os(Linux)
  import Foundation
  import XCTest

  @testable import Momentum

  /// The signals that the engine's threads block.
  final class WorkerSignalTests: XCTestCase {
    func testWorkersBlockTheProgramsSignalsButNotTheirOwnFaults() throws {
      guard Machine.availableProcessors > 1 else { throw XCTSkip("there are no workers") }
      ThreadTeam(Machine.availableProcessors, elements: .max).run { _ in }
      // A thread that has just been started names itself soon, not at once.
      let deadline = ContinuousClock.now + .seconds(10)
      while try checkedWorkers() < Machine.availableProcessors - 1 {
        guard ContinuousClock.now < deadline else { return XCTFail("the workers were not found") }
        usleep(1000)
      }
    }

    /// Checks the workers that can be seen.
    private func checkedWorkers() throws -> Int {
      let faults = [SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS, SIGPROF]
      var workers = 0
      for thread in try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task") {
        func text(_ file: String) -> String {
          (try? String(contentsOfFile: "/proc/self/task/\(thread)/\(file)", encoding: .utf8)) ?? ""
        }
        guard text("comm") == WorkerPool.threadName + "\n" else { continue }
        let line = try XCTUnwrap(text("status").split(separator: "\n").first { $0.hasPrefix("SigBlk:") })
        let mask = try XCTUnwrap(UInt64(line.dropFirst(7).drop { $0.isWhitespace }, radix: 16))
        func blocks(_ signal: Int32) -> Bool { mask >> UInt64(signal - 1) & 1 != 0 }
        workers += 1
        for signal in [SIGTERM, SIGHUP, SIGINT, SIGUSR1, SIGALRM] { XCTAssertTrue(blocks(signal), "signal \(signal)") }
        for signal in faults { XCTAssertFalse(blocks(signal), "signal \(signal)") }
      }
      return workers
    }
  }
#endif
