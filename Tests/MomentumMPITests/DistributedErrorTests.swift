import Momentum
import XCTest

@testable import MomentumMPI

final class DistributedErrorTests: XCTestCase {
  /// What one rank throws, all throw, after it has travelled as words.
  func testErrorsTravelAsWords() {
    let errors: [DistributedError] = [
      .refused(.unknownTensor(name: "w")), .failed(rank: 3, message: "größer"), .differs(what: "the settings", rank: 1),
      .microBatch(rank: 2, expected: 4, found: nil), .microBatch(rank: 0, expected: nil, found: 7),
      .tensor(name: "größer", microBatch: -1, count: 2, rank: 5),
      .tensor(name: "w", microBatch: 1 << 40, count: 0, rank: 0),
      .mpi(routine: "MPI_Bcast", message: "two\nlines"), .setup("not started"),
      .placement(tensor: "größer", rank: 3, found: "held", expected: "two\nlines"),
    ]
    for error in errors { XCTAssertEqual(DistributedError(words: error.words), error) }
    XCTAssertNil(DistributedError(words: [9, 0]))
    XCTAssertNil(DistributedError(words: []))
  }

  func testSaysWhichTensorIsMissing() {
    XCTAssertEqual(
      "\(DistributedError.tensor(name: "w", microBatch: 3, count: 0, rank: 1))",
      "rank 1 added the gradient of tensor 'w' in micro-batch 3 0 times; expected once")
  }
}
