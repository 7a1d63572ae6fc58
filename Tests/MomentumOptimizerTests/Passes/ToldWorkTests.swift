import MomentumTestSupport
import XCTest

@testable import Momentum

/// Long work whose caller is told how far it has come: told of every element once, in order, with the same results.
final class ToldWorkTests: XCTestCase {
  /// Slices that are no multiple of a tile, and smaller than the tensors.
  private static let slice = 3000
  private static let counts = [5000, 0, 1, 4096, 9000]

  func testEverySliceIsToldAfterItsWork() {
    ToldWork.$sliceCount.withValue(4) {
      var calls: [String] = []
      ToldWork.run(10, tell: { calls.append("told \($0)") }) { calls.append("\($0)") }
      XCTAssertEqual(calls, ["0..<4", "told 4", "4..<8", "told 4", "8..<10", "told 2"])
      calls = []
      ToldWork.run(10, tell: nil) { calls.append("\($0)") }
      XCTAssertEqual(calls, ["0..<10"])
      ToldWork.run(0, tell: { _ in XCTFail("nothing is to be told") }) { _ in }
    }
  }

  private func sliced<R>(_ body: () throws -> R) rethrows -> R {
    try ToldWork.$sliceCount.withValue(Self.slice) { try ThreadTeam.withWorthwhileCount(1, body) }
  }

  func testNorms() throws {
    var random = SeededGenerator(seed: 1640)
    let tensors: [[Float]] = Self.counts.map { random.numbers($0) }
    try withBuffers(tensors) { buffers in
      let buffers = buffers.map { TensorBuffer($0!) }
      for type in [NormType.l2, .l1, .infinity, .p(3)] {
        for threads in [1, 3] {
          var told: [Int] = []
          let report = try sliced {
            try Gradients.norm(of: buffers, type: type, algorithm: .blas, threads: threads) { told.append($0) }
          }
          XCTAssertEqual(report, try Gradients.norm(of: buffers, type: type, algorithm: .blas))
          XCTAssertEqual(told, Array(repeating: Self.slice, count: 6) + [97])
        }
      }
    }
  }

  func testClips() throws { try clips(Float.self) { $0 } }

  func testClipsOfHalves() throws { try clips(BFloat16.self) { BFloat16($0) } }

  private func clips<Scalar: StoredScalar & Equatable>(_: Scalar.Type, _ make: (Float) -> Scalar) throws {
    var random = SeededGenerator(seed: 1641)
    let tensors = Self.counts.map { (random.numbers($0) as [Float]).map(make) }
    let clippings = try [
      GradientClipping.byGlobalNorm(3), .byGlobalNorm(3, type: .p(3)),
      GradientClipping(value: -0.5...0.25, whole: .norm(2)),
    ]
    for clipping in clippings {
      for threads in [1, 3] {
        func run(_ tell: ((Int) -> Void)?) throws -> ([[Scalar]], ClipReport) {
          try withBuffers(tensors) { buffers in
            let buffers = buffers.map { UnsafeMutableBufferPointer(mutating: $0!) }
            let report = try Gradients.clip(
              buffers, by: clipping, names: nil, shapes: nil, convention: .native, nonFinitePolicy: nil,
              overflowPolicy: .infinity, threads: threads, exchange: nil, tell: tell)
            return (buffers.map(Array.init), report)
          }
        }
        var told: [Int] = []
        let found = try sliced { try run { told.append($0) } }
        let expected = try run(nil)
        XCTAssertEqual(found.0, expected.0, "\(clipping)")
        XCTAssertEqual(found.1, expected.1, "\(clipping)")
        XCTAssertTrue(found.1.wasClipped)
        XCTAssertEqual(told, Array(repeating: Self.slice, count: 6) + [97], "\(clipping)")
      }
    }
  }

  func testSteps() throws {
    let layout = try ParameterLayout(Self.counts.enumerated().map { ("\($0)", [$1]) })
    var random = SeededGenerator(seed: 1642)
    let gradients = try ParameterVector<Float>(random.numbers(layout.count))
    let rule = try SGD(learningRate: 0.1, momentum: 0.9)
    var usual = try Optimizer<Float>(layout, rule: rule, clipping: .byGlobalNorm(3))
    var telling = try Optimizer<Float>(layout, rule: rule, clipping: .byGlobalNorm(3), threads: 3)
    var told: [Int] = []
    telling.tell = { told.append($0) }
    var expected = try ParameterVector<Float>(layout)
    var found = try ParameterVector<Float>(layout)
    for step in 1...2 {
      let report = try usual.step(&expected, gradients: gradients)
      XCTAssertEqual(try sliced { try telling.step(&found, gradients: gradients) }, report)
      XCTAssertEqual(told.reduce(0, +), step * layout.count)
    }
    assertSameBits((0..<layout.count).map { expected[$0] }, (0..<layout.count).map { found[$0] })
  }
}
