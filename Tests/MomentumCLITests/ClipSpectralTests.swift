import Foundation
import Momentum
import MomentumFiles
import MomentumTestSupport
import XCTest

/// `momentum clip --clip-spectral-norm`.
final class ClipSpectralTests: XCTestCase {
  /// Singular values 5 and 2; 13 alone; 3 and 1, and 4 and 0.
  private let tensors: [String: [Double]] = [
    "a": [3, 4, -1.6, 1.2], "b": [5, 12], "c": [3, 0, 0, -1, 0, 4, 0, 0],
  ]

  private func withMatrices(_ body: (TensorFolder<Double>) throws -> Void) throws {
    try TensorFolder<Double>.with { folder in
      try folder.write("g", tensors, shapes: ["a": [2, 2], "c": [2, 2, 2]])
      try body(folder)
    }
  }

  private func clip(_ folder: TensorFolder<Double>, _ arguments: [String]) throws -> CommandRun {
    try folder.run(["clip", "--gradients", "g", "--output", "out"] + arguments)
  }

  private func object(_ run: CommandRun) throws -> [String: Any] {
    assertSucceeds(run)
    return try XCTUnwrap(JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
  }

  private func assertClose(_ found: [Double]?, _ expected: [Double], line: UInt = #line) throws {
    let found = try XCTUnwrap(found, line: line)
    XCTAssertEqual(found.count, expected.count, line: line)
    for (x, y) in zip(found, expected) { XCTAssertEqual(x, y, accuracy: 2e-6 * y.magnitude, line: line) }
  }

  func testEveryMatrixIsBroughtWithinTheLimit() throws {
    try withMatrices { folder in
      let output = try object(
        clip(folder, ["--clip-spectral-norm", "4.5", "--view", "last-two-axes", "--json"]))
      let found = try folder.read("out")
      try assertClose(found["a"], tensors["a"]!.map { $0 * 0.9 })
      try assertClose(found["b"], tensors["b"]!.map { $0 * 4.5 / 13 })
      XCTAssertEqual(found["c"], tensors["c"])
      let step = try XCTUnwrap((output["steps"] as? [[String: Any]])?.first)
      XCTAssertEqual(step["wasClipped"] as? Bool, true)
      XCTAssertEqual(step["clipCoefficient"] as? Double, 1)
      XCTAssertEqual(try XCTUnwrap(step["totalNorm"] as? Double), 224.0.squareRoot(), accuracy: 1e-12)
      let matrices = try XCTUnwrap(output["matrices"] as? [[String: Any]])
      XCTAssertEqual(matrices.map { $0["tensor"] as? String }, ["a", "b", "c", "c"])
      XCTAssertEqual(matrices.map { $0["matrix"] as? Int }, [nil, nil, 0, 1])
      for (matrix, (norm, coefficient)) in zip(matrices, [(5.0, 0.9), (13, 4.5 / 13), (3, 1), (4, 1)]) {
        XCTAssertEqual(try XCTUnwrap(matrix["spectralNorm"] as? Double), norm, accuracy: 1e-6)
        XCTAssertEqual(try XCTUnwrap(matrix["clipCoefficient"] as? Double), coefficient, accuracy: 2e-6)
      }
      // Within the limit, also after rounding here.
      let norms = try folder.run(["norm", "out", "--norm-type", "spectral", "--view", "last-two-axes", "--json"])
      XCTAssertLessThanOrEqual(try XCTUnwrap(object(norms)["totalNorm"] as? Double), 4.5)
    }
  }

  /// The limit is one of what is rounded then: the nearest BF16 to 0.3 lies above it. Help, article and list of changes say
  /// so.
  func testAResultIsRoundedToItsTypeAfterwards() throws {
    try TensorFolder<BFloat16>.with { folder in
      try folder.write("g", ["w": [3]])
      let run = try folder.run(
        ["clip", "--gradients", "g", "--output", "out", "--clip-spectral-norm", "0.3", "--json"])
      let matrix = try XCTUnwrap((object(run)["matrices"] as? [[String: Any]])?.first)
      XCTAssertLessThanOrEqual(3 * (try XCTUnwrap(matrix["clipCoefficient"] as? Double)), 0.3)
      XCTAssertEqual(try folder.read("out")["w"].map { $0.map(Float.init) }, [0.30078125])
    }
    let words = "before the result is rounded to the type of its tensor"
    let help = try CommandRun(["clip", "--help"]).output.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    XCTAssertTrue(help.contains(words), help)
    let changes = try String(
      contentsOf: Checkout.root.appendingPathComponent("Sources/Momentum/Documentation.docc/Versions.md"),
      encoding: .utf8)
    XCTAssertTrue(changes.contains("at most X, \(words)"))
  }

  /// By the first axis c is a matrix of rows 3 0 0 -1 and 0 4 0 0, which has the norm 4.
  func testAnotherView() throws {
    try withMatrices { folder in
      let run = try clip(folder, ["--clip-spectral-norm", "2"])
      assertSucceeds(run)
      XCTAssertEqual(
        run.output, "norm 14.966629547095765, tensors clipped\n3 of 3 matrices clipped by their spectral norms\n")
      try assertClose(folder.read("out")["c"], tensors["c"]!.map { $0 / 2 })
      let measured = try clip(folder, ["--clip-spectral-norm", "inf"])
      XCTAssertEqual(
        measured.output, "norm 14.966629547095765\n0 of 3 matrices clipped by their spectral norms\n")
      XCTAssertEqual(try folder.read("out"), tensors)
    }
  }

  func testValuesAreClippedBefore() throws {
    try withMatrices { folder in
      let run = try clip(folder, ["--clip-value", "3", "--clip-spectral-norm", "1", "--only", "b"])
      assertSucceeds(run)
      let found = try folder.read("out")
      let root = sqrt(0.5)
      try assertClose(found["b"], [root, root])
      XCTAssertEqual(found["a"], tensors["a"])
    }
  }

  func testElementsThatAreNotFinite() throws {
    try withMatrices { folder in
      try folder.write("g", ["a": [1, .nan, 2, 3], "b": [3, 4]], shapes: ["a": [2, 2]])
      let arguments = ["--clip-spectral-norm", "1", "--non-finite"]
      assertFails(try clip(folder, Array(arguments.dropLast())), 1, "tensor 'a' is nan at index 1")
      XCTAssertFalse(folder.has("out"))
      assertSucceeds(try clip(folder, arguments + ["propagate"]))
      XCTAssertTrue(try XCTUnwrap(folder.read("out")["a"]).allSatisfy(\.isNaN))
      try assertClose(folder.read("out")["b"], [0.6, 0.8])
      assertSucceeds(try clip(folder, arguments + ["skip"]))
      XCTAssertEqual(try folder.read("out")["b"], [3, 4])
      assertSucceeds(try clip(folder, arguments + ["zero"]))
      let zeroed = try XCTUnwrap(folder.read("out")["a"])
      XCTAssertTrue(zeroed[1] == 0 && zeroed.allSatisfy { $0.magnitude < 1 })
    }
  }

  /// Tensors of any type; the bits do not depend on how the checkpoint is cut.
  func testTypesAndShards() throws {
    try CheckpointFolder.with { folder in
      var random = SeededGenerator(seed: 1530)
      let (a, b, c): ([Float], [Float], [Double]) = (random.numbers(3000), random.numbers(2000), random.numbers(10))
      let shards = [
        [StoredTensor("a", a.map { BFloat16($0) }), StoredTensor("ids", .i64, Array(0..<64))],
        [StoredTensor("b", b), StoredTensor("c", c)],
      ]
      try folder.write("model", shards: shards)
      try folder.write("whole.safetensors", Array(shards.joined()))
      let arguments = ["--clip-spectral-norm", "1", "--json"]
      func matrices(_ output: [String: Any]) throws -> [NSDictionary] {
        try XCTUnwrap(output["matrices"] as? [NSDictionary])
      }
      let whole = try object(
        folder.run(["clip", "--gradients", "whole.safetensors", "--output", "one.safetensors"] + arguments))
      let expected = try folder.read("one.safetensors")
      let cut = try object(folder.run(["clip", "--gradients", "model", "--output", "out"] + arguments))
      XCTAssertEqual(cut["steps"] as? NSArray, whole["steps"] as? NSArray)
      XCTAssertEqual(try matrices(cut), try matrices(whole))
      // Files have an order of their own, by types.
      XCTAssertEqual(try matrices(whole).map { $0["tensor"] as? String }, ["a", "b", "c"])
      XCTAssertEqual(
        try SafetensorsFile(path: folder.path("whole.safetensors")).tensors.map(\.name), ["ids", "c", "b", "a"])
      for norm in ["2", "spectral"] {
        let norms = ["--norm-type", norm, "--per-tensor", "--spectrum", "2", "--json"]
        let measured = try ["whole.safetensors", "model"].map { path in
          try matrices(object(folder.run(["norm", path] + norms)))
        }
        XCTAssertEqual(measured[0], measured[1])
        XCTAssertEqual(measured[0].map { $0["tensor"] as? String }, ["a", "b", "c"])
      }
      for file in ["m-1", "m-2"] {
        for (name, tensor) in try folder.read("out/\(file).safetensors") { XCTAssertEqual(tensor, expected[name]) }
      }
      let coefficient = try XCTUnwrap(matrices(whole)[0]["clipCoefficient"] as? Double)
      let wide = a.map { Double(Float(BFloat16($0))) * coefficient }
      let halves = try XCTUnwrap(expected["a"]).values(as: BFloat16.self)
      XCTAssertEqual(halves, wide.map { BFloat16(Float($0)) })
      let run = try folder.run(
        ["clip", "--gradients", "model", "--output", "wide", "--output-type", "f32"] + arguments)
      XCTAssertEqual(try matrices(object(run)), try matrices(whole))
      let floats = try XCTUnwrap(folder.read("wide/m-1.safetensors")["a"]).values(as: Float.self)
      for (found, value) in zip(floats, wide) {
        XCTAssertEqual(Double(found), value, accuracy: value.magnitude * Double(Float.ulpOfOne))
      }
    }
  }

  func testRefusals() throws {
    try withMatrices { folder in
      try folder.write("settings", json: #"{"rule": {"learningRate": 1}}"#)
      for (arguments, message) in [
        (["--clip-spectral-norm=-1"], "--clip-spectral-norm is -1.0; expected a number >= 0"),
        (["--clip-spectral-norm", "nan"], "--clip-spectral-norm is nan; expected a number >= 0"),
        (["--view", "first-axis"], "--view needs --clip-spectral-norm"),
        (
          ["--clip-spectral-norm", "1", "--clip-norm", "1"],
          "--clip-norm cannot be given with --clip-spectral-norm"
        ),
        (
          ["--clip-spectral-norm", "1", "--clip-global-norm", "1"],
          "--clip-global-norm cannot be given with --clip-spectral-norm"
        ),
        (
          ["--clip-global-norm", "1", "--total-norm", "1", "--clip-spectral-norm", "1"],
          "--clip-spectral-norm cannot be given with --total-norm"
        ),
        (["--config", "settings", "--clip-spectral-norm", "1"], "--clip-spectral-norm cannot be given with --config"),
      ] {
        assertFails(try clip(folder, arguments), 64, message)
      }
      XCTAssertFalse(folder.has("out"))
    }
  }
}
