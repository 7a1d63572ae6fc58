import MomentumTestSupport
import XCTest

/// `momentum step` with several files of gradients: micro-batches, or the shards of one gradient.
final class StepShardsTests: XCTestCase {
  private static let readings =
    "expected --shards, if these files are parts of one gradient, or the same tensors in each, if they are micro-batches "
    + "to be added up as --accumulate says"

  private func withFiles(_ body: (TensorFolder<Double>) throws -> Void) throws {
    try withScratchFolder { url in
      let folder = TensorFolder<Double>(url: url)
      try folder.write("p", ["a": [0], "b": [0], "c": [7]])
      try folder.write("a", ["a": [3]])
      try folder.write("b", ["b": [4]])
      try folder.write("ab", ["a": [1], "b": [2]])
      try folder.write("none", [:])
      try body(folder)
    }
  }

  private func step(_ folder: TensorFolder<Double>, _ arguments: [String]) throws -> CommandRun {
    try folder.run(["step", "--parameters", "p", "--output-parameters", "out", "--learning-rate", "1"] + arguments)
  }

  func testShardsAreOneGradient() throws {
    try withFiles { folder in
      for order in [["a", "b"], ["b", "a"]] {
        let run = try step(folder, ["--gradients"] + order + ["--shards", "--clip-global-norm", "2.5"])
        assertSucceeds(run)
        XCTAssertTrue(run.output.contains("norm 5.0, clipped by 0.5"), run.output)
        XCTAssertEqual(try folder.read("out"), ["a": [-1.5], "b": [-2], "c": [7]])
      }
      assertSucceeds(try step(folder, ["--gradients", "a", "--shards"]))
      XCTAssertEqual(try folder.read("out"), ["a": [-3], "b": [0], "c": [7]])
    }
  }

  func testFilesOfOtherTensorsAreRefusedWithBothReadings() throws {
    let table: [(arguments: [String], text: String)] = [
      (["--gradients", "a", "b"], "b: has no tensor 'a', which a has; " + Self.readings),
      (["--gradients", "a", "ab"], "a: has no tensor 'b', which ab has; " + Self.readings),
      (
        ["--gradients", "ab", "a", "--accumulate", "mean"],
        "a: has no tensor 'b', which ab has; expected the same tensors in every micro-batch"
      ),
      (
        ["--gradients", "a", "b", "--weights", "1", "2"],
        "b: has no tensor 'a', which a has; expected the same tensors in every micro-batch"
      ),
      (
        ["--gradients", "a", "ab", "--shards"],
        "ab: tensor 'a' is in a too; expected each name once in a set of files"
      ),
      (["--gradients", "none"], "none: has no tensor; expected at least one"),
      (["--gradients", "ab", "none", "--shards"], "none: has no tensor; expected gradients of tensors in p"),
    ]
    try withFiles { folder in
      for row in table {
        let run = try step(folder, row.arguments)
        assertFails(run, 1, row.text)
        XCTAssertFalse(folder.has("out"))
      }
      for option in [["--accumulate", "sum"], ["--weights", "1", "2"]] {
        let run = try step(folder, ["--gradients", "a", "b", "--shards"] + option)
        assertFails(run, 64, "\(option[0]) adds up micro-batches; it cannot be given with --shards")
      }
    }
  }
}
