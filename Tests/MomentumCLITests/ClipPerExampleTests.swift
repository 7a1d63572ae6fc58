import Foundation
import Momentum
import MomentumTestSupport
import XCTest

/// `momentum clip --per-example`: gradients of examples, clipped one by one and averaged.
final class ClipPerExampleTests: XCTestCase {
  /// Two examples with the norms 5 and 0.5.
  private func withFiles(_ body: (TensorFolder<Double>) throws -> Void) throws {
    try withScratchFolder { url in
      let folder = TensorFolder<Double>(url: url)
      try folder.write(
        "g", ["weight": [3, 0, 0.3, 0], "bias": [4, 0.4]], shapes: ["weight": [2, 1, 2], "bias": [2]])
      try body(folder)
    }
  }

  private func clip(_ folder: TensorFolder<Double>, _ arguments: [String]) throws -> CommandRun {
    try folder.run(["clip", "--gradients", "g", "--output", "out", "--per-example"] + arguments)
  }

  private func check(_ folder: TensorFolder<Double>, weight: [Double], bias: Double, line: UInt = #line) throws {
    let clipped = try folder.read("out")
    XCTAssertEqual(try folder.shapes("out"), ["weight": [1, 2], "bias": []], line: line)
    for (x, y) in zip(weight + [bias], clipped["weight"]! + clipped["bias"]!) {
      XCTAssertEqual(x, y, accuracy: 1e-15, line: line)
    }
  }

  func testTheAverageOfClippedExamples() throws {
    try withFiles { folder in
      let run = try clip(folder, ["--clip-global-norm", "1"])
      assertSucceeds(run)
      XCTAssertEqual(run.output, "2 examples, norms 0.5 to 5.0, 1 clipped\n")
      try check(folder, weight: [0.45, 0], bias: 0.6)
      assertSucceeds(try clip(folder, ["--clip-global-norm", "1", "--batch-size", "4"]))
      try check(folder, weight: [0.225, 0], bias: 0.3)
      assertSucceeds(try clip(folder, ["--clip-global-norm", "inf"]))
      try check(folder, weight: [1.65, 0], bias: 2.2)
      // Limits of 1 for each of both tensors.
      let layers = try clip(folder, ["--clip-global-norm", "\(2.0.squareRoot())", "--scope", "uniformLayers"])
      assertSucceeds(layers)
      XCTAssertTrue(layers.output.contains("clipped in each tensor: [1, 1]"), layers.output)
      try check(folder, weight: [0.65, 0], bias: 0.7)
      assertSucceeds(try clip(folder, ["--clip-global-norm", "1", "--noise-multiplier", "0.5"]))
      XCTAssertNotEqual(try folder.read("out")["weight"]?[1], 0)
    }
  }

  func testTheReport() throws {
    try withFiles { folder in
      let run = try clip(folder, ["--clip-global-norm", "1", "--json"])
      assertSucceeds(run)
      let report = try JSONDecoder().decode(PerExampleReport.self, from: Data(run.output.utf8))
      assertClose([5, 0.5], report.norms, ulps: 1)
      XCTAssertEqual(report.clippedCounts, [1])
      XCTAssertFalse(report.wasSkipped)
    }
  }

  func testExamplesThatAreNotFinite() throws {
    try withFiles { folder in
      try folder.write("g", ["w": [3, 4, .nan, 4]], shapes: ["w": [2, 2]])
      assertFails(try clip(folder, ["--clip-global-norm", "inf"]), 1, "example 1")
      let skipped = try clip(folder, ["--clip-global-norm", "1", "--non-finite", "skip"])
      assertSucceeds(skipped)
      XCTAssertTrue(skipped.output.contains("1 not finite, SKIPPED, nothing written"), skipped.output)
      XCTAssertFalse(folder.has("out"))
      assertSucceeds(try clip(folder, ["--clip-global-norm", "10", "--non-finite", "zero"]))
      XCTAssertEqual(try folder.read("out"), ["w": [1.5, 4]])
    }
  }

  func testWhatIsRefused() throws {
    let usage: [(arguments: [String], text: String)] = [
      ([], "--per-example needs --clip-global-norm"),
      (["--clip-global-norm", "1", "--clip-norm", "1"], "--clip-norm cannot be given with --per-example"),
      (["--clip-global-norm", "1", "--total-norm", "1"], "--total-norm"),
      (["--clip-global-norm", "1", "--convention", "keras"], "--convention cannot be given with --per-example"),
      (["--clip-global-norm", "1", "--batch-size", "0"], "--batch-size is 0.0; expected"),
      (
        ["--clip-global-norm", "inf", "--noise-multiplier", "1"], "--clip-global-norm is inf; expected a finite number"
      ),
    ]
    try withFiles { folder in
      for row in usage { assertFails(try clip(folder, row.arguments), 64, row.text) }
      assertFails(
        try folder.run(["clip", "--gradients", "g", "--output", "out", "--scope", "example"]), 64,
        "--scope needs --per-example")
      let files: [(shapes: [String: [Int]], text: String)] = [
        (["a": [2, 2], "b": [4]], "tensor 'b' has 4 examples; expected 2 as before"),
        (["a": [2, 2], "b": [1, 4]], "tensor 'b' has 1 examples; expected 2 as before"),
      ]
      for row in files {
        try folder.write("g", ["a": [1, 2, 3, 4], "b": [1, 2, 3, 4]], shapes: row.shapes)
        assertFails(try clip(folder, ["--clip-global-norm", "1"]), 1, row.text)
      }
      try folder.write("g", ["a": [1]], shapes: ["a": []])
      assertFails(
        try clip(folder, ["--clip-global-norm", "1"]), 1, "tensor 'a' has no axis; expected examples along the first")
      try folder.write("g", ["a": []], shapes: ["a": [0, 2]])
      assertFails(try clip(folder, ["--clip-global-norm", "1"]), 1, "has no examples")
      XCTAssertFalse(folder.has("out"))
    }
  }
}
