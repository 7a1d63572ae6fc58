import Foundation
import MomentumTestSupport
import XCTest

@testable import MomentumCLI

/// `momentum norm --norm-type spectral`, and singular values.
final class NormSpectralTests: XCTestCase {
  private func json(_ arguments: [String], in folder: TensorFolder<Float>) throws -> [String: Any] {
    let run = try folder.run(["norm", "--json"] + arguments)
    XCTAssertEqual(run.status, 0, run.errors)
    return try XCTUnwrap(JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
  }

  private func withMatrices(_ body: (TensorFolder<Float>) throws -> Void) throws {
    try TensorFolder<Float>.with { folder in
      // Singular values 5 and 2; 13 alone; 3 and 1, and 4 and 0.
      try folder.write(
        "s",
        [
          "a": [3, 4, -1.6, 1.2], "b": [5, 12], "c": [3, 0, 0, -1, 0, 4, 0, 0],
        ], shapes: ["a": [2, 2], "c": [2, 2, 2]])
      try body(folder)
    }
  }

  func testTheSpectralNormIsThatOfTheLargestMatrix() throws {
    try withMatrices { folder in
      let output = try json(["s", "--norm-type", "spectral", "--per-tensor", "--view", "last-two-axes"], in: folder)
      XCTAssertEqual(try XCTUnwrap(output["totalNorm"] as? Double), 13, accuracy: 1e-10)
      XCTAssertEqual(output["nonFiniteCount"] as? Int, 0)
      XCTAssertNil(output["tensors"])
      let matrices = try XCTUnwrap(output["matrices"] as? [[String: Any]])
      XCTAssertEqual(matrices.map { $0["tensor"] as? String }, ["a", "b", "c", "c"])
      XCTAssertEqual(matrices.map { $0["matrix"] as? Int }, [nil, nil, 0, 1])
      XCTAssertEqual(matrices.map { $0["rows"] as? Int }, [2, 1, 2, 2])
      XCTAssertEqual(matrices.map { $0["columns"] as? Int }, [2, 2, 2, 2])
      for (matrix, norm) in zip(matrices, [5.0, 13, 3, 4]) {
        XCTAssertEqual(try XCTUnwrap(matrix["spectralNorm"] as? Double), norm, accuracy: 1e-6)
        // -1.6 and 1.2 are rounded.
        XCTAssertLessThan(try XCTUnwrap(matrix["lowerBound"] as? Double), norm + 1e-7)
        XCTAssertGreaterThan(try XCTUnwrap(matrix["upperBound"] as? Double), norm - 1e-7)
        XCTAssertNil(matrix["singularValues"])
      }
      // Without --per-tensor the total only; by the first axis c is a matrix of rows 3 0 0 -1 and 0 4 0 0.
      let text = try folder.run(["norm", "s", "--norm-type", "spectral"])
      XCTAssertEqual(text.output.split(separator: "\n").count, 1)
      XCTAssertTrue(text.output.hasPrefix("norm 12.99999999") || text.output.hasPrefix("norm 13.0"), text.output)
    }
  }

  func testSingularValues() throws {
    try withMatrices { folder in
      for norm in ["2", "spectral"] {
        let output = try json(["s", "--norm-type", norm, "--per-tensor", "--spectrum", "2"], in: folder)
        let matrices = try XCTUnwrap(output["matrices"] as? [[String: Any]])
        XCTAssertEqual(matrices.map { $0["columns"] as? Int }, [2, 2, 4])
        for (matrix, expected) in zip(matrices, [[5.0, 2.0], [13.0], [4.0, 10.0.squareRoot()]]) {
          let values = try XCTUnwrap(matrix["singularValues"] as? [Double])
          XCTAssertEqual(values.count, expected.count)
          for (found, value) in zip(values, expected) { XCTAssertEqual(found, value, accuracy: 1e-6) }
        }
      }
      let one = try folder.run(["norm", "s", "--per-tensor", "--spectrum", "1"])
      XCTAssertTrue(one.output.contains("\nb  1 x 2  singular values 13.0"), one.output)
    }
  }

  func testElementsThatAreNotFinite() throws {
    try TensorFolder<Float>.with { folder in
      try folder.write("s", ["a": [1, .nan, 2, 3], "b": [.infinity, 1]], shapes: ["a": [2, 2]])
      let output = try json(["s", "--norm-type", "spectral", "--per-tensor", "--spectrum", "3"], in: folder)
      XCTAssertEqual(output["totalNorm"] as? String, "nan")
      XCTAssertEqual(output["nonFiniteCount"] as? Int, 2)
      let list = try XCTUnwrap(output["nonFiniteTensors"] as? [[String: Any]])
      XCTAssertEqual(list.map { $0["name"] as? String }, ["a", "b"])
      let matrices = try XCTUnwrap(output["matrices"] as? [[String: Any]])
      XCTAssertEqual(matrices.map { $0["spectralNorm"] as? String }, ["nan", "inf"])
      XCTAssertTrue(matrices.allSatisfy { $0["singularValues"] == nil })
    }
  }

  /// A matrix without elements has the norm 0, however long its other side is.
  func testTensorsWithoutElements() throws {
    try TensorFolder<Float>.with { folder in
      try folder.write(
        "s", ["a": [3, 4], "b": [], "c": [], "d": []],
        shapes: ["a": [1, 2], "b": [0, 3], "c": [1 << 40, 0], "d": [1 << 40, 0, 7]])
      for view in ["first-axis", "last-two-axes"] {
        let output = try json(
          ["s", "--norm-type", "spectral", "--per-tensor", "--spectrum", "2", "--view", view], in: folder)
        XCTAssertEqual(try XCTUnwrap(output["totalNorm"] as? Double), 5, accuracy: 1e-10)
        let matrices = try XCTUnwrap(output["matrices"] as? [[String: Any]])
        // There is no end to the matrices of d.
        let names = view == "first-axis" ? ["a", "b", "c", "d"] : ["a", "b", "c"]
        XCTAssertEqual(matrices.map { $0["tensor"] as? String }, names)
        for matrix in matrices.dropFirst() {
          XCTAssertEqual(matrix["spectralNorm"] as? Double, 0)
          XCTAssertEqual(matrix["singularValues"] as? [Double], [])
        }
        let clipped = try folder.run(
          ["clip", "--gradients", "s", "--output", "o", "--clip-spectral-norm", "1", "--view", view])
        assertSucceeds(clipped)
        XCTAssertEqual(try XCTUnwrap(folder.read("o")["a"]?[0]), 0.6, accuracy: 1e-6)
      }
    }
  }

  func testRefusals() throws {
    try withMatrices { folder in
      for (arguments, message) in [
        (["--norm-type", "frobenius"], "expected a number or 'spectral'"),
        (["--spectrum", "2"], "--spectrum is for --per-tensor"),
        (["--per-tensor", "--spectrum", "0"], "--spectrum is 0; expected at least 1"),
        (["--view", "first-axis"], "--view is for --norm-type spectral and --spectrum"),
      ] {
        let run = try folder.run(["norm", "s"] + arguments)
        XCTAssertEqual(run.status, 64, "\(arguments)")
        XCTAssertTrue(run.errors.contains(message), run.errors)
      }
    }
  }
}
