import Dispatch
import XCTest

@testable import Momentum

/// Memory that goes from one call to the next. Other tests may run calls meanwhile, so none asks that a block comes back.
final class RecycledMemoryTests: XCTestCase {
  func testATableIsZeroWhateverWasInItsMemory() throws {
    for byteCount in [64, 4096, 64, 100_000, 5000, 2 << 20, 200] {
      let memory = try RecycledMemory(byteCount: byteCount, for: .table)
      XCTAssertGreaterThanOrEqual(memory.byteCount, byteCount)
      XCTAssertEqual(Int(bitPattern: memory.base) % 64, 0)
      let bytes = UnsafeMutableRawBufferPointer(start: memory.base, count: byteCount)
      XCTAssertTrue(bytes.allSatisfy { $0 == 0 }, "\(byteCount)")
      bytes.initializeMemory(as: UInt8.self, repeating: 0xFF)
    }
  }

  func testCallsAtTheSameTimeHaveMemoryOfTheirOwn() throws {
    for use in [RecycledMemory.Use.table, .tiles] {
      let first = try RecycledMemory(byteCount: 1000, for: use)
      let second = try RecycledMemory(byteCount: 1000, for: use)
      let distance = (first.base - second.base).magnitude
      XCTAssertGreaterThanOrEqual(distance, 1000)
    }
    DispatchQueue.concurrentPerform(iterations: 8) { thread in
      for round in 0..<500 {
        guard let memory = try? RecycledMemory(byteCount: 64 + round % 7 * 512, for: .tiles) else {
          return XCTFail("no memory")
        }
        memory.base.storeBytes(of: thread, as: Int.self)
        memory.base.storeBytes(of: round, toByteOffset: 8, as: Int.self)
        XCTAssertEqual(memory.base.load(as: Int.self), thread)
        XCTAssertEqual(memory.base.load(fromByteOffset: 8, as: Int.self), round)
      }
    }
  }

  func testASizeThatNoMemoryHasIsAnError() {
    XCTAssertThrowsError(try RecycledMemory(byteCount: .max, for: .table).byteCount) {
      XCTAssertEqual($0 as? MomentumError, .allocationFailed(bytes: .max))
    }
  }
}
