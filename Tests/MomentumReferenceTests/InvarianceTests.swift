import Momentum
import XCTest

@testable import MomentumReference

/// The rows themselves are part of every reference report; here, that they can fail.
final class InvarianceTests: XCTestCase {
  func testEveryWayIsCompared() throws {
    let rows = try Invariance<Float>(count: 70_000).rows
    XCTAssertEqual(rows.map(\.cases), [30, 63, 32, 32])
    XCTAssertTrue(rows.allSatisfy(\.passed), "\(rows)")
  }

  func testPlainSumsAreRejected() throws {
    XCTAssertFalse(try Invariance<Float>.controlRow().passed)
    XCTAssertFalse(try Invariance<Double>.controlRow().passed)
  }

  func testANormThatDependsOnTheAddressIsRejected() throws {
    let rows = try Invariance<Double>(count: 20_000) { tensors in
      // The bits of the address, as far as they tell 64 elements apart.
      let address = UInt(bitPattern: tensors[0].baseAddress) % 512
      return Double(address)
    }.rows
    XCTAssertEqual(rows.map(\.passed), [true, false, false, false])
  }
}
