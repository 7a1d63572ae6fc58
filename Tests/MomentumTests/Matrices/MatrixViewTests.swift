import MomentumTestSupport
import XCTest

@testable import Momentum

/// How tensors are read as matrices, against the indices themselves.
final class MatrixViewTests: XCTestCase {
  /// The places of all elements of all matrices, matrix by matrix, row by row.
  private func places(_ view: MatrixView, _ shape: [Int]) throws -> [[[Int]]] {
    let matrices = try view.matrices(of: shape, tensor: "w")
    return (0..<matrices.count).map { index in
      let matrix = matrices[index]
      return (0..<matrix.rows).map { row in
        (0..<matrix.columns).map { matrix.rowOffset(row) + matrix.columnOffset($0) }
      }
    }
  }

  func testFirstAxis() throws {
    XCTAssertEqual(try places(.firstAxis, [2, 3]), [[[0, 1, 2], [3, 4, 5]]])
    XCTAssertEqual(try places(.firstAxis, [2, 1, 2, 2]), [[[0, 1, 2, 3], [4, 5, 6, 7]]])
    XCTAssertEqual(try places(.firstAxis, [1, 1]), [[[0]]])
    XCTAssertEqual(try places(.firstAxis, [3, 0]), [[[], [], []]])
  }

  func testLastTwoAxes() throws {
    XCTAssertEqual(try places(.lastTwoAxes, [2, 3]), [[[0, 1, 2], [3, 4, 5]]])
    XCTAssertEqual(
      try places(.lastTwoAxes, [2, 2, 1, 2]), [[[0, 1]], [[2, 3]], [[4, 5]], [[6, 7]]])
    XCTAssertEqual(try places(.lastTwoAxes, [0, 2, 2]), [])
  }

  func testNamedAxes() throws {
    // Stored inputs × outputs: rows are the outputs.
    XCTAssertEqual(try places(.axes(inputs: [0], outputs: [1]), [2, 3]), [[[0, 3], [1, 4], [2, 5]]])
    XCTAssertEqual(try places(.axes(inputs: [-1], outputs: [0]), [2, 3]), [[[0, 1, 2], [3, 4, 5]]])
    // Every element (i, j) of every matrix, for all ways to name axes of a tensor.
    let shape = [2, 3, 4, 5]
    let strides = [60, 20, 5, 1]
    for inputs in [[0], [2, 0], [1, 2], [3, 1], [0, 1, 3]] {
      for outputs in [[1], [3], [3, 2], [2]] where Set(inputs).isDisjoint(with: outputs) {
        let batches = (0..<4).filter { !inputs.contains($0) && !outputs.contains($0) }
        func offsets(_ axes: [Int]) -> [Int] {
          axes.reduce([0]) { known, axis in
            known.flatMap { start in (0..<shape[axis]).map { start + $0 * strides[axis] } }
          }
        }
        let expected = offsets(batches).map { batch in
          offsets(outputs).map { row in offsets(inputs).map { batch + row + $0 } }
        }
        XCTAssertEqual(try places(.axes(inputs: inputs, outputs: outputs), shape), expected, "\(inputs), \(outputs)")
      }
    }
  }

  func testRowBlocks() throws {
    XCTAssertEqual(
      try places(.rowBlocks([1, 2], of: .firstAxis), [3, 2]), [[[0, 1]], [[2, 3], [4, 5]]])
    XCTAssertEqual(
      try places(.rowBlocks([1, 1], of: .lastTwoAxes), [2, 2, 1]), [[[0]], [[1]], [[2]], [[3]]])
    XCTAssertEqual(
      try places(.rowBlocks([2, 2], of: .axes(inputs: [0], outputs: [1])), [2, 4]),
      [[[0, 4], [1, 5]], [[2, 6], [3, 7]]])
    XCTAssertEqual(
      try places(.rowBlocks([1, 1], of: .rowBlocks([2, 2], of: .firstAxis)), [4, 1]), [[[0]], [[1]], [[2]], [[3]]])
  }

  func testRefusals() {
    func expect(_ view: MatrixView, _ shape: [Int], _ text: String, line: UInt = #line) {
      XCTAssertThrowsError(try view.matrices(of: shape, tensor: "w"), line: line) {
        XCTAssertEqual("\($0)", "view of tensor 'w' is \(text)", line: line)
      }
    }
    expect(.firstAxis, [3], "firstAxis of the shape [3]; expected a tensor of at least 2 axes")
    expect(.lastTwoAxes, [], "lastTwoAxes of the shape []; expected a tensor of at least 2 axes")
    let axes = "expected one axis or more for each, in -2..<2, each at most once"
    expect(.axes(inputs: [0], outputs: [0]), [3, 4], "inputs [0] and outputs [0] of the shape [3, 4]; \(axes)")
    expect(.axes(inputs: [0], outputs: [-2]), [3, 4], "inputs [0] and outputs [-2] of the shape [3, 4]; \(axes)")
    expect(.axes(inputs: [], outputs: [1]), [3, 4], "inputs [] and outputs [1] of the shape [3, 4]; \(axes)")
    expect(.axes(inputs: [2], outputs: [1]), [3, 4], "inputs [2] and outputs [1] of the shape [3, 4]; \(axes)")
    let rows = "expected positive numbers of rows that add up to 3"
    expect(.rowBlocks([1, 1], of: .firstAxis), [3, 4], "row blocks [1, 1] of the shape [3, 4]; \(rows)")
    expect(.rowBlocks([2, 2], of: .firstAxis), [3, 4], "row blocks [2, 2] of the shape [3, 4]; \(rows)")
    expect(.rowBlocks([3, 0], of: .firstAxis), [3, 4], "row blocks [3, 0] of the shape [3, 4]; \(rows)")
    expect(.rowBlocks([], of: .firstAxis), [3, 4], "row blocks [] of the shape [3, 4]; \(rows)")
  }
}
