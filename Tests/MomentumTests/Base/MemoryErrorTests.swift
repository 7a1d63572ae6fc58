import MomentumTestSupport
import XCTest

@testable import Momentum

/// What no memory can hold, and what no address can reach, is refused; a trap would end the process.
final class MemoryErrorTests: XCTestCase {
  func testVectorsAndLayoutsBeyondMemory() throws {
    // Half of what 64 bits can address: no system maps it, so these do not depend on a limit.
    for count in [1 << 58, 1 << 60] {
      let layout = try ParameterLayout(count: count)
      expectNoMemory { _ = try ParameterVector<Float>(layout) }
      expectNoMemory { _ = try GradientAccumulator<Double>(layout) }
    }
    let layout = try ParameterLayout(count: 1 << 48)
    expect(
      "could not allocate \(1 << 51) bytes"
    ) { _ = try Optimizer<Double>(layout, rule: SGD(learningRate: 1)) }
  }

  func testStridesBeyondEveryAddress() throws {
    var x: [Float] = [1]
    x.withUnsafeMutableBufferPointer { x in
      let (from, into) = (x.baseAddress!, x.baseAddress!)
      for (count, stride) in [(1 << 62, 1 << 30), (1 << 40, 1 << 30), (Int.max, 1), (1 << 61, 2)] {
        let most = (Int.max / 4 - 1) / stride
        let text = "x has count \(count); expected \(most)"
        let (v, w) = (
          BLAS.Vector<Float>(from, count: count, stride: stride), BLAS.MutableVector(into, count: count, stride: stride)
        )
        expect(text) { try BLAS.axpy(2, v, into: w) }
        expect(text) { try BLAS.copy(v, to: w) }
        expect(text) { _ = try BLAS.dot(v, v) }
        expect(text) { _ = try BLAS.nrm2(v) }
        expect(text) { _ = try BLAS.asum(v) }
        expect(text) { _ = try BLAS.iamax(v) }
      }
    }
  }

  func testBatchesOfExamplesBeyondMemory() throws {
    let clipping = try PerExampleClipping(norm: 1)
    var gradient: [Float] = [0, 0]
    gradient.withUnsafeMutableBufferPointer { gradient in
      let base = UnsafePointer(gradient.baseAddress!) + 100
      expectNoMemory {
        _ = try clipping.average(BLAS.Matrix(base, rows: 1 << 58, columns: 2), into: gradient)
      } orCount: {
        XCTAssertEqual($0, 1 << 58)
      }
      expect("examples has count \(Int.max); expected \(Int.max / 4 / 2)") {
        _ = try clipping.average(BLAS.Matrix(base, rows: .max, columns: 2), into: gradient)
      }
    }
  }

  private func expectNoMemory(
    line: UInt = #line, _ body: () throws -> Void, orCount: ((Int) -> Void)? = nil
  ) {
    do {
      try body()
      XCTFail("not refused", line: line)
    } catch MomentumError.allocationFailed(let bytes) {
      XCTAssertGreaterThan(bytes, 1 << 40, line: line)
    } catch MomentumError.countMismatch(_, let count, _) where orCount != nil {
      orCount?(count)
    } catch {
      XCTFail("\(error)", line: line)
    }
  }
}
