import Foundation
import Momentum
import MomentumFiles
import MomentumTestSupport
import XCTest

/// Files that hold tensors of both types: each keeps its type, and there is one norm over all.
final class MixedTypesTests: XCTestCase {
  private func json(_ run: CommandRun) throws -> [String: Any] {
    assertSucceeds(run)
    return try XCTUnwrap(JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
  }

  // MARK: The norm

  func testTheNormIsThatOfAllElements() throws {
    var random = SeededGenerator(seed: 51)
    let floats: [Float] = random.numbers(5000)
    let doubles: [Double] = random.numbers(7000)
    let all = floats.map(Double.init) + doubles
    try withScratchFolder { url in
      let folder = TensorFolder<Double>(url: url)
      try folder.write("g", floats: ["a": floats], ["b": doubles])
      for (name, type) in [("2", NormType.l2), ("1", .l1), ("inf", .infinity), ("0", .p(0)), ("3", .p(3))] {
        let expected = try all.withUnsafeBufferPointer { try Gradients.norm(of: $0, type: type).norm }
        // The dot products of `Float` round as their type does.
        for (algorithm, accuracy) in [("portable", 1e-14), ("blas", 1e-7)] {
          let run = try folder.run(["norm", "g", "--json", "--norm-type", name, "--algorithm", algorithm])
          let found = try XCTUnwrap(json(run)["totalNorm"] as? Double)
          XCTAssertEqual(found, expected, accuracy: accuracy * expected, "\(name), \(algorithm)")
        }
      }
      // Of one scale although the largest element is in the other tensor.
      try folder.write("h", floats: ["a": [3]], ["b": [4e150, 0]])
      let third = try XCTUnwrap(json(folder.run(["norm", "h", "--json", "--norm-type", "3"]))["totalNorm"] as? Double)
      XCTAssertEqual(third, 4e150)
    }
  }

  func testTensorsAreListedInTheOrderOfTheFile() throws {
    try withScratchFolder { url in
      let folder = TensorFolder<Double>(url: url)
      try folder.write("g", floats: ["a": [3, 0]], ["b": [4]])
      XCTAssertEqual(
        try folder.run(["norm", "g", "--per-tensor"]).output,
        "b  1 elements  norm 4.0\na  2 elements  norm 3.0\nnorm 5.0  0x1.4p+2\n")
      try folder.write("bad", floats: ["a": [.nan, 0]], ["b": [4, .infinity]])
      XCTAssertEqual(
        try folder.run(["norm", "bad"]).output.split(separator: "\n").suffix(3),
        [
          "2 elements are not finite",
          "tensor 'b': 0 NaN, 1 infinite; the first, inf, at index 1",
          "tensor 'a': 1 NaN, 0 infinite; the first, nan, at index 0",
        ])
    }
  }
}
