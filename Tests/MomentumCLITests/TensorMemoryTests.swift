import Momentum
import MomentumFiles
import XCTest

@testable import MomentumCLI

/// Memory for copies of tensors.
final class TensorMemoryTests: XCTestCase {
  /// More than any processor can address.
  private static let tooMany = 1 << 50

  private func assertNoMemory(_ bytes: Int, line: UInt = #line, _ body: () throws -> Void) {
    XCTAssertThrowsError(try body(), line: line) {
      XCTAssertEqual($0 as? MomentumError, .allocationFailed(bytes: bytes), line: line)
    }
  }

  func testWhatIsTooLargeIsAnError() throws {
    assertNoMemory(Self.tooMany) { _ = try MemoryPool().take(Self.tooMany) }
    assertNoMemory(.max) { _ = try SharedMemory(of: Double.self, count: .max) }
  }

  func testMemoryIsTakenAgain() throws {
    let pool = MemoryPool()
    let (small, large) = (try pool.take(100), try pool.take(200))
    large.elements(as: UInt8.self)[0] = 7
    let address = large.start
    pool.give(small)
    pool.give(large)
    let again = try pool.take(150)
    XCTAssertEqual(again.start, address)
    XCTAssertEqual(again.elements(as: UInt8.self)[0], 7)
    // One that is too small is let go for a larger one.
    XCTAssertGreaterThanOrEqual(try pool.take(1000).byteCount, 1000)
  }

  /// Sums of mixed types take copies of what is in half precision.
  func testASumThatIsTooLargeIsAnErrorAndAddsNothing() throws {
    var sum = try GradientAccumulator<Float>(ParameterLayout([("a", [1]), ("b", [1])]))
    let one = UnsafeMutablePointer<Float>.allocate(capacity: 1)
    defer { one.deallocate() }
    one.pointee = 1
    let half = UnsafeRawPointer(one).assumingMemoryBound(to: BFloat16.self)
    // Nobody reads what there is no memory for.
    let gradients = [
      TensorBuffer(UnsafeBufferPointer(start: one, count: 1)),
      TensorBuffer(UnsafeBufferPointer(start: half, count: Self.tooMany)),
    ]
    assertNoMemory(4 * Self.tooMany) { try Float.add(.mixed(gradients), weight: 1, to: &sum) }
    try Float.add(
      .mixed([gradients[0], TensorBuffer(UnsafeBufferPointer(start: half + 1, count: 1))]), weight: 1, to: &sum)
    XCTAssertEqual(sum.count, 1)
  }
}
