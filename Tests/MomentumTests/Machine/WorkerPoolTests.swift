import Dispatch
import Foundation
import Synchronization
import XCTest

@testable import Momentum

/// The hand-off of work to threads. Run under ThreadSanitizer these tests look at its ordering as well.
final class WorkerPoolTests: XCTestCase {
  /// Adds to one plain number a thread: a share that is done twice, or by two threads at once, shows.
  private struct Counting: TeamWork, @unchecked Sendable {
    let counts: UnsafeMutablePointer<Int>
    var nested = 0

    func run(thread: Int) {
      counts[thread] += 1
      if nested > 0 {
        let inner = UnsafeMutablePointer<Int>.allocate(capacity: nested)
        inner.initialize(repeating: 0, count: nested)
        defer { inner.deallocate() }
        ThreadTeam(nested, elements: .max).run(Counting(counts: inner))
        counts[thread] += (0..<nested).reduce(0) { $0 + inner[$1] } - nested
      }
    }
  }

  private static func counts(threads: Int, runs: Int, nested: Int = 0, pause: UInt32 = 0) -> [Int] {
    let counts = UnsafeMutableBufferPointer<Int>.allocate(capacity: threads)
    counts.initialize(repeating: 0)
    defer { counts.deallocate() }
    let team = ThreadTeam(threads, elements: .max)
    for _ in 0..<runs {
      team.run(Counting(counts: counts.baseAddress!, nested: nested))
      if pause > 0 { usleep(pause) }
    }
    return Array(counts)
  }

  func testEveryShareIsDoneOnceARun() {
    // Fewer, as many and more shares than processors.
    for threads in 1...9 {
      XCTAssertEqual(Self.counts(threads: threads, runs: 500), Array(repeating: 500, count: threads))
    }
  }

  func testSleepingWorkersWakeUp() {
    // Long enough for the workers to fall asleep after some runs and to be about to after others.
    for pause: UInt32 in [1, 20, 60, 200, 2000] {
      XCTAssertEqual(Self.counts(threads: 4, runs: 50, pause: pause), [50, 50, 50, 50], "\(pause) microseconds")
    }
  }

  func testWorkersThatSleepAreWokenNowAndThen() {
    let pool = WorkerPool.shared
    guard Machine.availableProcessors > 1 else { return XCTAssertFalse(pool.areAwake(1), "there are no workers") }
    _ = Self.counts(threads: 2, runs: 1)
    // It falls asleep after some hundred yields, which take long on a busy machine.
    let deadline = ContinuousClock.now + .seconds(60)
    var isAwake = true
    while isAwake, ContinuousClock.now < deadline {
      usleep(1000)
      isAwake = pool.areAwake(1)
    }
    XCTAssertFalse(isAwake)
    // One of 64 looks wakes the sleeper, which the next looks find.
    while !isAwake, ContinuousClock.now < deadline { isAwake = pool.areAwake(1) }
    XCTAssertTrue(isAwake)
    XCTAssertFalse(pool.areAwake(1 << 20), "there are not that many")
    XCTAssertEqual(Self.counts(threads: 2, runs: 50), [50, 50])
  }

  func testCallersThatMeetDoNotBlockEachOther() {
    let wrong = Atomic(0)
    DispatchQueue.concurrentPerform(iterations: 6) { caller in
      let found = Self.counts(threads: 3, runs: 200, pause: caller == 0 ? 50 : 0)
      if found != [200, 200, 200] { wrong.add(1, ordering: .relaxed) }
    }
    XCTAssertEqual(wrong.load(ordering: .relaxed), 0)
  }

  func testWorkMayShareWorkOfItsOwn() {
    XCTAssertEqual(Self.counts(threads: 4, runs: 50, nested: 3), [50, 50, 50, 50])
  }
}
