import Foundation
import Momentum
import MomentumFiles
import MomentumTestSupport
import XCTest

/// `momentum clip` with all that the library's clips can do.
final class ClipCommandTests: XCTestCase {
  private func withFiles(_ body: (TensorFolder<Double>) throws -> Void) throws {
    try withScratchFolder { url in
      let folder = TensorFolder<Double>(url: url)
      try folder.write("g", ["weight": [3, -4], "bias": [0, 12]])
      try body(folder)
    }
  }

  private func clip(_ folder: TensorFolder<Double>, _ arguments: [String]) throws -> CommandRun {
    try folder.run(["clip", "--gradients", "g", "--output", "out"] + arguments)
  }

  // MARK: Bounds

  func testBounds() throws {
    let table: [(arguments: [String], weight: [Double], bias: [Double])] = [
      (["--clip-value", "2"], [2, -2], [0, 2]),
      (["--clip-value=-0.5,2"], [2, -0.5], [0, 2]),
      (["--clip-value", "-0.5,2"], [2, -0.5], [0, 2]),
      (["--clip-value", "1,2"], [2, 1], [1, 2]),
      (["--clip-value", "-inf,2"], [2, -4], [0, 2]),
      (["--clip-value=-3,inf", "--clip-global-norm", "0"], [0, 0], [0, 0]),
    ]
    try withFiles { folder in
      for row in table {
        assertSucceeds(try clip(folder, row.arguments))
        XCTAssertEqual(try folder.read("out"), ["weight": row.weight, "bias": row.bias], "\(row.arguments)")
      }
      try folder.write("p", ["weight": [0, 0], "bias": [0, 0]])
      assertSucceeds(
        try folder.run([
          "step", "--parameters", "p", "--gradients", "g", "--learning-rate", "1", "--clip-value", "-0.5,2",
          "--output-parameters", "out",
        ]))
      XCTAssertEqual(try folder.read("out"), ["weight": [-2, 0.5], "bias": [0, -2]])
    }
  }

  func testBoundsThatAreRefused() throws {
    try withFiles { folder in
      assertFails(
        try clip(folder, ["--clip-value", "2,-0.5"]), 64,
        "--clip-value is 2.0,-0.5; expected a lower and an upper bound, in this order")
      assertFails(try clip(folder, ["--clip-value", "nan,1"]), 64, "--clip-value is nan,1.0; expected")
      assertFails(try clip(folder, ["--clip-value", "-1"]), 64, "--clip-value is -1.0; expected a number >= 0")
      assertFails(try clip(folder, ["--clip-norm=-1"]), 64, "--clip-norm is -1.0; expected a number >= 0")
      assertFails(try clip(folder, ["--norm-type=-1"]), 64, "--norm-type is -1.0; expected")
      for text in ["1,2,3", "a", "1,", ""] {
        assertFails(try clip(folder, ["--clip-value", text]), 64, "--clip-value")
      }
      XCTAssertFalse(folder.has("out"))
    }
  }

  // MARK: A known norm

  func testAKnownNorm() throws {
    try withFiles { folder in
      let run = try clip(folder, ["--clip-global-norm", "13", "--total-norm", "26"])
      assertSucceeds(run)
      XCTAssertEqual(run.output, "norm 26.0, clipped by 0.5\n")
      XCTAssertEqual(try folder.read("out"), ["weight": [1.5, -2], "bias": [0, 6]])
      assertSucceeds(try clip(folder, ["--clip-global-norm", "2", "--total-norm", "1"]))
      XCTAssertEqual(try folder.read("out"), try folder.read("g"))
      assertSucceeds(try clip(folder, ["--clip-global-norm", "1", "--total-norm", "1", "--convention", "pytorch"]))
      XCTAssertEqual(try folder.read("out")["bias"], [0, 12 * (1 / (1 + 1e-6))])
    }
  }

  func testAKnownNormThatIsRefused() throws {
    let table: [(arguments: [String], text: String)] = [
      (["--total-norm", "1"], "--total-norm needs --clip-global-norm"),
      (["--total-norm", "1", "--clip-norm", "1"], "--total-norm needs --clip-global-norm"),
      (
        ["--total-norm", "1", "--clip-global-norm", "1", "--clip-value", "1"],
        "--clip-value cannot be given with --total-"
      ),
      (
        ["--total-norm", "1", "--clip-global-norm", "1", "--norm-type", "1"],
        "--norm-type cannot be given with --total-"
      ),
      (["--total-norm", "1", "--clip-global-norm", "1", "--non-finite", "zero"], "--non-finite cannot be given with"),
      (["--total-norm", "inf", "--clip-global-norm", "1"], "--total-norm is inf; expected a finite number >= 0"),
      (["--total-norm=-1", "--clip-global-norm", "1"], "--total-norm is -1.0; expected a finite number >= 0"),
    ]
    try withFiles { folder in
      for row in table { assertFails(try clip(folder, row.arguments), 64, row.text) }
      XCTAssertFalse(folder.has("out"))
    }
  }

  // MARK: A file of settings

  func testAFileOfSettings() throws {
    let table: [(json: String, options: [String])] = [
      (#""clipping": {"value": [-0.5, 2]}"#, ["--clip-value=-0.5,2"]),
      (
        #""convention": "pytorch", "clipping": {"globalNorm": 6.5}"#,
        ["--convention", "pytorch", "--clip-global-norm", "6.5"]
      ),
      (#""clipping": {"norm": 2, "normType": 1}, "mode": "twoPass""#, ["--clip-norm", "2", "--norm-type", "1"]),
      (#""averaging": {"kind": "mean"}, "groups": [{"name": "a", "patterns": ["w*"], "rule": {"momentum": 0}}]"#, []),
    ]
    try withFiles { folder in
      for row in table {
        try folder.write("config", json: #"{"rule": {"learningRate": 1}, \#(row.json)}"#)
        let ours = try clip(folder, ["--config", "config", "--json"])
        assertSucceeds(ours)
        let clipped = try folder.read("out")
        let theirs = try clip(folder, row.options + ["--json"])
        XCTAssertEqual(ours.output, theirs.output, row.json)
        XCTAssertEqual(clipped, try folder.read("out"), row.json)
      }
      try folder.write("config", json: #"{"rule": {"learningRate": 1}, "clipping": {"targetNorm": 26}}"#)
      assertSucceeds(try clip(folder, ["--config", "config"]))
      XCTAssertEqual(try folder.read("out"), ["weight": [6, -8], "bias": [0, 24]])
      try folder.write("g", ["weight": [3, .nan], "bias": [0, 4]])
      try folder.write("config", json: #"{"rule": {"learningRate": 1}, "nonFinitePolicy": "zero"}"#)
      assertSucceeds(try clip(folder, ["--config", "config"]))
      XCTAssertEqual(try folder.read("out"), ["weight": [3, 0], "bias": [0, 4]])
    }
  }

  func testAFileOfSettingsThatIsRefused() throws {
    let table: [(json: String, text: String)] = [
      (
        #""groups": [{"name": "a", "patterns": ["*"], "clipping": {"norm": 1}}]"#,
        "config: 'groups.clipping' is given; expected none, since only a step can follow it"
      ),
      (#""adaptiveLimit": {"zClip": {}}"#, "config: 'adaptiveLimit' is given"),
      (#""lossScale": 8"#, "config: 'lossScale' is given"),
      (#""clipping": {"norm": -1}"#, "config: clipping: "),
    ]
    try withFiles { folder in
      for row in table {
        try folder.write("config", json: #"{"rule": {"learningRate": 1}, \#(row.json)}"#)
        assertFails(try clip(folder, ["--config", "config"]), 1, row.text)
      }
      try folder.write("config", json: #"{"rule": {"learningRate": 1, "adaptiveGradientClipping": true}}"#)
      assertFails(try clip(folder, ["--config", "config"]), 1, "config: 'rule.adaptiveGradientClipping' is given")
      for option in [
        ["--clip-value", "1"], ["--convention", "keras"], ["--total-norm", "1"], ["--per-example"],
      ] {
        assertFails(
          try clip(folder, ["--config", "config"] + option), 64, "\(option[0]) cannot be given with --config")
      }
      XCTAssertFalse(folder.has("out"))
    }
  }

  // MARK: Complex numbers

  func testComplexTensorsAreRefusedWithAWayOut() throws {
    try withScratchFolder { url in
      let folder = TensorFolder<Double>(url: url)
      let values: [Float] = [3, 4]
      try values.withUnsafeBytes { bytes in
        var writer = SafetensorsWriter(path: folder.path("z"))
        try writer.add("z", dtype: .c64, shape: [1], bytes: bytes)
        try writer.write()
      }
      assertFails(
        try folder.run(["norm", "z"]), 1,
        "tensor 'z' is of type C64; expected F32, F64, BF16 or F16; as F32 with one more axis, of the two parts, a complex tensor has "
          + "the same 2-norm and the same steps")
    }
  }
}
