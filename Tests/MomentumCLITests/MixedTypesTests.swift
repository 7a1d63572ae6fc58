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

  // MARK: Clips

  private func withGradients(_ body: (TensorFolder<Double>) throws -> Void) throws {
    try withScratchFolder { url in
      let folder = TensorFolder<Double>(url: url)
      try folder.write("g", floats: ["a": [3, 0]], ["b": [0, 4]])
      try folder.write("p", floats: ["a": [1, 1]], ["b": [2, 2]])
      try body(folder)
    }
  }

  func testClipsGoByTheNormOfAll() throws {
    let tables: [(arguments: [String], a: [Float], b: [Double])] = [
      (["--clip-global-norm", "2.5"], [1.5, 0], [0, 2]),
      (["--clip-global-norm", "3.5", "--norm-type", "1"], [1.5, 0], [0, 2]),
      (["--clip-global-norm", "2", "--norm-type", "inf"], [1.5, 0], [0, 2]),
      (["--clip-value", "3.5", "--clip-norm", "2"], [2, 0], [0, 2]),
      (["--clip-global-norm", "5", "--total-norm", "10"], [1.5, 0], [0, 2]),
      (["--clip-global-norm", "5"], [3, 0], [0, 4]),
    ]
    try withGradients { folder in
      for table in tables {
        let run = try folder.run(["clip", "--gradients", "g", "--output", "out"] + table.arguments)
        assertSucceeds(run)
        XCTAssertEqual(try folder.readFloats("out"), ["a": table.a], "\(table.arguments)")
        XCTAssertEqual(try folder.readDoubles("out"), ["b": table.b], "\(table.arguments)")
      }
      let run = try folder.run(["clip", "--gradients", "g", "--output", "out", "--clip-global-norm", "2.5"])
      XCTAssertEqual(run.output, "norm 5.0, clipped by 0.5\n")
      let cubes = try folder.run([
        "clip", "--gradients", "g", "--output", "out", "--clip-global-norm", "1", "--norm-type", "3",
      ])
      assertSucceeds(cubes)
      let coefficient = Foundation.pow(27.0 + 64, -1 / 3.0)
      XCTAssertEqual(try XCTUnwrap(folder.readDoubles("out")["b"])[1], 4 * coefficient, accuracy: 1e-14)
      XCTAssertEqual(try XCTUnwrap(folder.readFloats("out")["a"])[0], Float(3 * coefficient), accuracy: 1e-6)
    }
  }

  func testAClipThatFailsWritesNothing() throws {
    try withGradients { folder in
      try folder.write("bad", floats: ["a": [3, .nan]], ["b": [0, 4]])
      assertFails(
        try folder.run(["clip", "--gradients", "bad", "--output", "out", "--clip-norm", "1"]), 1,
        "gradient of tensor 'a' is nan at index 1; expected finite values")
      assertFails(
        try folder.run([
          "clip", "--gradients", "g", "--output", "out", "--per-example", "--clip-global-norm", "1",
        ]), 1,
        "tensor 'a' is of type F32; expected F64 as of the first tensor, since --per-example takes tensors of one type")
      XCTAssertFalse(folder.has("out"))
      assertSucceeds(
        try folder.run(["clip", "--gradients", "bad", "--output", "out", "--clip-norm", "1", "--non-finite", "zero"]))
      XCTAssertEqual(try folder.readFloats("out"), ["a": [1, 0]])
      XCTAssertEqual(try folder.readDoubles("out"), ["b": [0, 1]])
    }
  }

  // MARK: Steps

  private func step(_ folder: TensorFolder<Double>, _ arguments: String...) throws -> CommandRun {
    try folder.run(["step", "--parameters", "p", "--output-parameters", "out"] + arguments)
  }

  func testStepsGoByTheNormOfAll() throws {
    try withGradients { folder in
      let run = try step(
        folder, "--gradients", "g", "--learning-rate", "1", "--momentum", "0.5", "--clip-global-norm", "2.5", "--steps",
        "2")
      assertSucceeds(run)
      XCTAssertEqual(run.output, "step 1: norm 5.0, clipped by 0.5\nstep 2: norm 5.0, clipped by 0.5\n")
      XCTAssertEqual(try folder.readFloats("out"), ["a": [1 - 1.5 - 2.25, 1]])
      XCTAssertEqual(try folder.readDoubles("out"), ["b": [2, 2 - 2 - 3]])
      // Micro-batches, of which the mean is taken; and parts of one gradient, each of one type.
      try folder.write("h", floats: ["a": [0, 0]], ["b": [0, 0]])
      assertSucceeds(try step(folder, "--gradients", "g", "h", "--learning-rate", "1", "--clip-global-norm", "1.25"))
      XCTAssertEqual(try folder.readFloats("out"), ["a": [1 - 0.75, 1]])
      XCTAssertEqual(try folder.readDoubles("out"), ["b": [2, 2 - 1]])
      try folder.write("floats", floats: ["a": [3, 0]], [:])
      try folder.write("doubles", floats: [:], ["b": [0, 4]])
      assertSucceeds(
        try step(
          folder, "--gradients", "floats", "doubles", "--shards", "--learning-rate", "1", "--clip-global-norm", "2.5"))
      XCTAssertEqual(try folder.readFloats("out"), ["a": [1 - 1.5, 1]])
      XCTAssertEqual(try folder.readDoubles("out"), ["b": [2, 0]])
      // A type without gradients is left alone.
      assertSucceeds(
        try step(folder, "--gradients", "floats", "--learning-rate", "1", "--weight-decay", "0.5"))
      XCTAssertEqual(try folder.readFloats("out"), ["a": [1 - 3.5, 0.5]])
      XCTAssertEqual(try folder.readDoubles("out"), ["b": [2, 2]])
    }
  }

  func testSettingsInAFileHoldForBothTypes() throws {
    try withGradients { folder in
      // Each group has tensors of one type only, or of both.
      try folder.write(
        "c",
        json: #"""
          {"rule": {"learningRate": 1}, "lossScale": 2, "adaptiveLimit": {"spikeSkipping": {"limit": 100}},
           "groups": [{"name": "one", "patterns": ["a"], "rule": {"learningRate": 2}},
                      {"name": "other", "patterns": ["b"], "clipping": {"globalNorm": 1}}],
           "clipping": {"globalNorm": 0.9013878188659973}}
          """#)
      let run = try step(folder, "--gradients", "g", "--config", "c")
      assertSucceeds(run)
      // (1.5, 2), then (1.5, 1) of norm √3.25, then half of that.
      XCTAssertEqual(run.output, "step 1: norm 2.5, clipped by 0.5\n")
      XCTAssertEqual(try folder.readFloats("out"), ["a": [1 - 1.5, 1]])
      XCTAssertEqual(try folder.readDoubles("out"), ["b": [2, 1.5]])
      try folder.write(
        "c", json: #"{"rule": {"learningRate": 1}, "groups": [{"name": "none", "patterns": ["x"]}]}"#)
      assertFails(
        try step(folder, "--gradients", "g", "--config", "c"), 1, "group 'none' is [\"x\"]; expected patterns")
    }
  }

  func testStepsThatAreRefusedWriteNothing() throws {
    try withGradients { folder in
      let text = "tensor 'a' is of type F32; expected F64 as of the first tensor, since"
      for option in ["--state", "--velocity", "--output-state", "--output-velocity"] {
        assertFails(
          try step(folder, "--gradients", "g", "--learning-rate", "1", option, "s"), 1,
          "\(text) \(option) takes tensors of one type")
      }
      assertFails(
        try step(folder, "--gradients", "g", "--learning-rate", "1", "--ema", "0.5", "--output-average", "s"), 1,
        "\(text) --output-average takes tensors of one type")
      assertFails(
        try step(folder, "--gradients", "g", "--learning-rate", "1", "--one-pass", "--non-finite", "propagate"), 1,
        "\(text) the one-pass mode takes tensors of one type")
      try folder.write("bad", floats: ["a": [3, 0]], ["b": [.infinity, 4]])
      assertFails(
        try step(folder, "--gradients", "bad", "--learning-rate", "1"), 1,
        "bad: gradient of tensor 'b' is inf at index 0; expected finite values")
      try folder.write("other", floats: ["b": [3, 0]], ["a": [0, 4]])
      assertFails(
        try step(folder, "--gradients", "other", "--learning-rate", "1"), 1, "is of type")
      XCTAssertFalse(folder.has("out"))
      let skipped = try step(folder, "--gradients", "bad", "--learning-rate", "1", "--non-finite", "skip")
      XCTAssertEqual(skipped.output, "step 0: norm inf, 1 elements not finite: SKIPPED\n")
      XCTAssertEqual(try folder.readFloats("out"), ["a": [1, 1]])
      XCTAssertEqual(try folder.readDoubles("out"), ["b": [2, 2]])
    }
  }
}
