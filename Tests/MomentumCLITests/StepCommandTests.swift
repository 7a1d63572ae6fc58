import Foundation
import Momentum
import MomentumFiles
import MomentumTestSupport
import XCTest

@testable import MomentumCLI

/// `momentum step` with its settings in a file, and with averages.
final class StepCommandTests: XCTestCase {
  /// Paths in a scratch folder.
  private struct Files {
    let folder: URL
    func path(_ name: String) -> String { folder.appendingPathComponent(name).path }

    func write(_ name: String, _ tensors: [String: [Double]]) throws {
      var writer = SafetensorsWriter(path: path(name))
      for (tensor, values) in tensors {
        try values.withUnsafeBufferPointer { try writer.add(tensor, shape: [values.count], values: $0) }
      }
      try writer.write()
    }

    func write(_ name: String, json: String) throws { try Data(json.utf8).write(to: URL(fileURLWithPath: path(name))) }

    func read(_ name: String) throws -> [String: [Double]] {
      let file = try SafetensorsFile(path: path(name))
      return try withExtendedLifetime(file) {
        try Dictionary(
          uniqueKeysWithValues: file.tensors.map {
            ($0.name, Array(try file.unsafeBuffer(of: $0.name, as: Double.self)))
          })
      }
    }
  }

  private func withFiles(_ body: (Files) throws -> Void) throws {
    try withScratchFolder { folder in
      let files = Files(folder: folder)
      try files.write("p", ["weight": [1, 2], "bias": [3]])
      try files.write("g", ["weight": [3, 4], "bias": [0]])
      try body(files)
    }
  }

  @discardableResult
  private func step(_ files: Files, _ arguments: String...) throws -> CommandRun {
    try CommandRun(
      ["step", "--parameters", "p", "--gradients", "g", "--output-parameters", "out"] + arguments, in: files.folder)
  }

  private func succeed(_ run: CommandRun, line: UInt = #line) {
    XCTAssertEqual(run.status, 0, run.errors, line: line)
    XCTAssertEqual(run.errors, "", line: line)
  }

  // MARK: Settings in a file

  func testTheExampleOfTheHelp() throws {
    let configuration = try JSONDecoder().decode(
      OptimizerConfiguration.self, from: Data(StepCommand.exampleConfiguration.utf8))
    XCTAssertEqual(configuration.groups.map(\.name), ["biases"])
    let help = try CommandRun(["step", "--help"])
    XCTAssertTrue(help.output.contains(#""averaging": {"kind": "exponential", "decay": 0.999}"#), help.output)
  }

  func testAFileSaysTheSameAsOptions() throws {
    try withFiles { files in
      try files.write(
        "config",
        json: """
          {"convention": "pytorch", "clipping": {"globalNorm": 2.5},
           "rule": {"learningRate": 0.5, "momentum": 0.9, "weightDecay": 0.1, "nesterov": true}}
          """)
      let options = [
        "--convention", "pytorch", "--clip-global-norm", "2.5", "--learning-rate", "0.5", "--momentum", "0.9",
        "--weight-decay", "0.1", "--nesterov",
      ]
      let common = ["step", "--parameters", "p", "--gradients", "g", "--steps", "3", "--json"]
      let first = try CommandRun(
        common + options + ["--output-parameters", "o1", "--output-velocity", "v1"], in: files.folder)
      let second = try CommandRun(
        common + ["--config", "config", "--output-parameters", "o2", "--output-velocity", "v2"], in: files.folder)
      succeed(first)
      succeed(second)
      XCTAssertEqual(first.output, second.output)
      for (a, b) in [("o1", "o2"), ("v1", "v2")] {
        XCTAssertEqual(
          try Data(contentsOf: URL(fileURLWithPath: files.path(a))),
          try Data(contentsOf: URL(fileURLWithPath: files.path(b))))
      }
    }
  }

  func testSchedulesGoOnFromRunToRun() throws {
    try withFiles { files in
      try files.write(
        "config",
        json: """
          {"rule": {"learningRate": {"piecewise": {"boundaries": [1, 2], "values": [1, 0.5, 0.25]}}, "momentum": 0.5},
           "groups": [{"name": "biases", "patterns": ["bias"], "rule": {"learningRate": 0}}]}
          """)
      succeed(try step(files, "--config", "config", "--steps", "3", "--output-velocity", "v"))
      let atOnce = (try files.read("out"), try files.read("v"))
      // Weight: velocities 3, 4.5, 5.25 and 4, 6, 7.
      XCTAssertEqual(atOnce.0, ["weight": [1 - 3 - 2.25 - 1.3125, 2 - 4 - 3 - 1.75], "bias": [3]])
      for index in 0..<3 {
        let more = index == 0 ? [] : ["--velocity", "v"]
        let run = try CommandRun(
          [
            "step", "--parameters", index == 0 ? "p" : "out", "--gradients", "g", "--output-parameters", "out",
            "--config", "config", "--output-velocity", "v",
          ] + more, in: files.folder)
        succeed(run)
      }
      XCTAssertEqual(try files.read("out"), atOnce.0)
      XCTAssertEqual(try files.read("v"), atOnce.1)
    }
  }

  func testTheNormIsReportedWhateverTheFileClips() throws {
    try withFiles { files in
      for clipping in ["", #", "clipping": {"value": 9}"#, #", "clipping": {"norm": 9, "normType": 2}"#] {
        try files.write("config", json: #"{"rule": {"learningRate": 1}"# + clipping + "}")
        let run = try step(files, "--config", "config")
        succeed(run)
        XCTAssertTrue(run.output.contains("norm 5.0"), run.output)
      }
    }
  }

  func testOptionsThatStateSettingsAreRefusedBesideAFile() throws {
    try withFiles { files in
      try files.write("config", json: #"{"rule": {"learningRate": 1}}"#)
      let table: [[String]] = [
        ["--learning-rate", "1"], ["--momentum", "0.5"], ["--dampening", "0"], ["--weight-decay", "0"],
        ["--decoupled-weight-decay"], ["--nesterov"], ["--maximize"], ["--agc", "0.1"], ["--loss-scale", "1"],
        ["--ema", "0.9"],
        ["--one-pass"], ["--clip-block-rms", "1"],
        ["--clip-norm-axes", "0"],
        ["--clip-value", "1"], ["--clip-norm", "1"], ["--clip-global-norm", "1"], ["--norm-type", "2"],
        ["--convention", "native"], ["--non-finite", "throw"],
      ]
      for option in table {
        let run = try CommandRun(
          ["step", "--parameters", "p", "--gradients", "g", "--output-parameters", "out", "--config", "config"]
            + option,
          in: files.folder)
        XCTAssertEqual(run.status, 64, "\(option)")
        XCTAssertTrue(
          run.errors.contains("\(option[0]) states a setting; with --config, settings come from its file"), run.errors)
      }
      let two = try step(files, "--config", "config", "--nesterov", "--clip-norm", "1")
      XCTAssertTrue(two.errors.contains("--clip-norm, --nesterov state settings"), two.errors)
      XCTAssertFalse(FileManager.default.fileExists(atPath: files.path("out")))
    }
  }

  func testAFileThatIsWrongIsNamedWithThePlace() throws {
    let table: [(json: String, text: String)] = [
      (#"{"rule": {"learningRate": -1}}"#, "config: rule.learningRate: value of a constant schedule is -1.0; expected"),
      (#"{"rule": {"learningRate": 1}, "clip": {}}"#, "config: unknown key 'clip'; expected some of"),
      (#"{}"#, "config: key 'rule' is missing"),
      (#"{"rule": {"learningRate": 1, "momentum": true}}"#, "config: rule.momentum: "),
      (
        #"{"rule": {"learningRate": 1}, "groups": [{"name": "a", "patterns": ["*"], "rule": {"lr": 1}}]}"#,
        "config: groups[0].rule: unknown key 'lr'"
      ),
      (
        #"{"rule": {"learningRate": 1}, "groups": [{"name": "a", "patterns": ["x*"]}]}"#,
        #"config: group 'a' is ["x*"]; expected patterns"#
      ),
      (#"{"rule": }"#, "config: "),
      (
        #"{"rule": {"learningRate": {"exponential": {"initial": 1, "rate": 1e300}}}}"#,
        "config: scheduled learningRate after 2 steps is inf"
      ),
    ]
    try withFiles { files in
      for row in table {
        try files.write("config", json: row.json)
        let run = try step(files, "--config", "config", "--steps", "3")
        XCTAssertEqual(run.status, 1, row.json)
        XCTAssertTrue(run.errors.contains(row.text), run.errors)
        XCTAssertEqual(run.errors.split(separator: "\n").count, 1, run.errors)
        XCTAssertFalse(FileManager.default.fileExists(atPath: files.path("out")))
      }
      let missing = try step(files, "--config", "nowhere")
      XCTAssertEqual(missing.status, 1)
      XCTAssertTrue(missing.errors.contains("nowhere"), missing.errors)
    }
  }

  // MARK: What adapts from step to step

  func testLossScale() throws {
    try withFiles { files in
      let run = try step(files, "--learning-rate", "1", "--loss-scale", "8", "--json")
      succeed(run)
      XCTAssertEqual(try files.read("out"), ["weight": [1 - 3.0 / 8, 2 - 4.0 / 8], "bias": [3]])
      XCTAssertTrue(run.output.contains("0.625"), "the norm is that of the gradient after unscaling: \(run.output)")
    }
  }

  /// What an option states is refused by its name.
  func testNumbersOutOfRangeNameTheirOption() throws {
    try withFiles { files in
      for (arguments, text) in [
        (["--learning-rate", "-1"], "--learning-rate is -1.0; expected a finite number >= 0"),
        (["--learning-rate", "1", "--momentum", "-1"], "--momentum is -1.0; expected a finite number >= 0"),
        (["--learning-rate", "1", "--dampening", "-1"], "--dampening is -1.0; expected a number in 0...1"),
        (["--learning-rate", "1", "--weight-decay", "-1"], "--weight-decay is -1.0; expected a finite number >= 0"),
        (["--learning-rate", "1", "--agc", "-1"], "--agc is -1.0; expected a finite number >= 0"),
        (["--learning-rate", "1", "--loss-scale", "0"], "--loss-scale is 0.0; expected a positive finite number"),
        (["--learning-rate", "1", "--clip-norm", "-1"], "--clip-norm is -1.0; expected a number >= 0"),
        (["--learning-rate", "1", "--steps", "-1"], "--steps is -1; expected at least 0"),
      ] {
        let run = try CommandRun(
          ["step", "--parameters", "p", "--gradients", "g", "--output-parameters", "out"] + arguments, in: files.folder)
        XCTAssertEqual(run.status, 64, text)
        XCTAssertTrue(run.errors.contains(text), run.errors)
      }
    }
  }

  func testWhatIsLearntGoesOnFromRunToRun() throws {
    try withFiles { files in
      try files.write(
        "config",
        json: """
          {"rule": {"learningRate": 1, "momentum": 0.5}, "lossScale": {"initial": 4, "growthInterval": 2},
           "adaptiveClipping": {"autoClip": {"percentile": 50, "window": 8}}, "nonFinitePolicy": "skipStep"}
          """)
      succeed(try step(files, "--config", "config", "--steps", "5", "--output-velocity", "v"))
      let atOnce = try Data(contentsOf: URL(fileURLWithPath: files.path("v")))
      let metadata = try SafetensorsFile(path: files.path("v")).metadata
      let scale = try JSONDecoder().decode(LossScale.self, from: Data(metadata["momentum.lossScale"]!.utf8))
      XCTAssertEqual(scale.current, 16, "doubled after two and four steps")
      XCTAssertEqual(scale.finiteSteps, 1)
      for index in 0..<5 {
        succeed(
          try CommandRun(
            [
              "step", "--parameters", index == 0 ? "p" : "out", "--gradients", "g", "--output-parameters", "out",
              "--config", "config", "--output-velocity", "v",
            ] + (index == 0 ? [] : ["--velocity", "v"]), in: files.folder))
      }
      XCTAssertEqual(try Data(contentsOf: URL(fileURLWithPath: files.path("v"))), atOnce)

      try files.write(
        "other", json: #"{"rule": {"learningRate": 1}, "adaptiveClipping": {"autoClip": {"percentile": 10}}}"#)
      let run = try step(files, "--config", "other", "--velocity", "v")
      XCTAssertEqual(run.status, 1)
      XCTAssertTrue(run.errors.contains("v: its adaptive clipping has other settings than this run"), run.errors)
    }
  }

  // MARK: Averages

  func testAveragesGoOnFromRunToRun() throws {
    try withFiles { files in
      let rule = ["--learning-rate", "0.5", "--momentum", "0.5", "--ema", "0.75", "--ema-overwrite", "3"]
      let common = ["step", "--gradients", "g", "--output-velocity", "v", "--output-average", "a"] + rule
      succeed(
        try CommandRun(common + ["--parameters", "p", "--output-parameters", "out", "--steps", "4"], in: files.folder))
      let atOnce = try ["out", "v", "a"].map(files.read)

      // By hand: overwritten after the third step.
      var (p, v, a) = (1.0, 0.0, 0.0)
      for step in 1...4 {
        v = 0.5 * v + 3
        p -= 0.5 * v
        a = step == 1 ? p : 0.75 * a + 0.25 * p
        if step == 3 { p = a }
      }
      XCTAssertEqual(atOnce[0]["weight"]![0], p, accuracy: 1e-15)
      XCTAssertEqual(atOnce[2]["weight"]![0], a, accuracy: 1e-15)

      for step in 0..<4 {
        let more = step == 0 ? ["--parameters", "p"] : ["--parameters", "out", "--velocity", "v", "--average", "a"]
        succeed(try CommandRun(common + ["--output-parameters", "out"] + more, in: files.folder))
      }
      XCTAssertEqual(try ["out", "v", "a"].map(files.read), atOnce)
    }
  }

  func testAMeanOfTheParameters() throws {
    try withFiles { files in
      try files.write("config", json: #"{"rule": {"learningRate": 1}, "averaging": {"kind": "mean"}}"#)
      succeed(try step(files, "--config", "config", "--output-average", "a", "--steps", "3"))
      // The weight goes 1 - 3, 1 - 6, 1 - 9.
      assertClose([-5, -6], try files.read("a")["weight"]!, ulps: 4)
    }
  }

  func testMisuseOfAverages() throws {
    try withFiles { files in
      for (arguments, text) in [
        (
          ["--learning-rate", "1", "--output-average", "a"], "--output-average needs --ema, or a --config that averages"
        ),
        (["--learning-rate", "1", "--average", "a"], "--average needs --ema, or a --config that averages"),
        (["--learning-rate", "1", "--ema-overwrite", "2"], "--ema-overwrite needs --ema"),
        (["--learning-rate", "1", "--ema", "2"], "--ema is 2.0; expected a number in 0...1"),
        (["--learning-rate", "1", "--ema", "0", "--ema-overwrite", "0"], "--ema-overwrite is 0; expected at least 1"),
        (
          ["--learning-rate", "1", "--ema", "0", "--output-average", "out"],
          "--output-parameters and --output-average name the same file"
        ),
        ([], "expected --learning-rate, or --config with all settings"),
      ] {
        let run = try CommandRun(
          ["step", "--parameters", "p", "--gradients", "g", "--output-parameters", "out"] + arguments, in: files.folder)
        XCTAssertEqual(run.status, 64, text)
        XCTAssertTrue(run.errors.contains(text), run.errors)
      }
      try files.write("config", json: #"{"rule": {"learningRate": 1}}"#)
      let run = try step(files, "--config", "config", "--output-average", "a")
      XCTAssertEqual(run.status, 1)
      XCTAssertTrue(
        run.errors.contains("config: 'averaging' is missing; expected it with --output-average"), run.errors)
      // A file of parameters is no file of averages.
      let other = try step(files, "--learning-rate", "1", "--ema", "0.5", "--average", "p")
      XCTAssertEqual(other.status, 1)
      XCTAssertTrue(
        other.errors.contains("p: tensor 'bias': metadata 'momentum.stepsAveraged.bias' are missing"), other.errors)
    }
  }

  // MARK: Units

  func testClipsOfUnits() throws {
    try withFiles { files in
      // A matrix of rows [3 4] and [0 12]; the columns have the norms 3 and √160.
      for (name, values) in [("p2", [0.0, 0, 0, 0]), ("g2", [3, 4, 0, 12])] {
        var writer = SafetensorsWriter(path: files.path(name))
        try values.withUnsafeBufferPointer { try writer.add("weight", shape: [2, 2], values: $0) }
        try writer.write()
      }
      let columns = 5 / 160.0.squareRoot()
      for (arguments, expected) in [
        (["--clip-norm", "5", "--clip-norm-axes", "1"], [3, 4, 0, 5]),
        (["--clip-norm", "5", "--clip-norm-axes", "-2"], [3, 4 * columns, 0, 12 * columns]),
        (["--clip-norm", "6.5", "--clip-norm-axes", "0,1"], [1.5, 2, 0, 6]),
        (["--clip-block-rms", "3.25"], [1.5, 2, 0, 6]),
      ] {
        let step = try CommandRun(
          ["step", "--parameters", "p2", "--gradients", "g2", "--learning-rate", "1", "--output-parameters", "out"]
            + arguments, in: files.folder)
        succeed(step)
        assertClose(expected.map { -$0 }, try files.read("out")["weight"]!, ulps: 4, "\(arguments)")
        let clip = try CommandRun(["clip", "--gradients", "g2", "--output", "clipped"] + arguments, in: files.folder)
        succeed(clip)
        assertClose(expected, try files.read("clipped")["weight"]!, ulps: 4, "\(arguments)")
      }
      for (arguments, text) in [
        (["--clip-norm-axes", "1"], "--clip-norm-axes needs --clip-norm"),
        (["--clip-norm", "1", "--clip-norm-axes", "x"], "clip-norm-axes"),
        (
          ["--clip-norm", "1", "--clip-norm-axes", "2"],
          "g2: --clip-norm-axes of tensor 'weight' is axes [2] of the shape [2, 2]; expected axes in"
        ),
        (["--clip-norm", "1", "--clip-block-rms", "2"], "--clip-block-rms is 2.0"),
      ] {
        let run = try CommandRun(
          ["step", "--parameters", "p2", "--gradients", "g2", "--learning-rate", "1", "--output-parameters", "no"]
            + arguments, in: files.folder)
        XCTAssertEqual(run.status, 64, run.errors)
        XCTAssertTrue(run.errors.contains(text), run.errors)
        XCTAssertFalse(FileManager.default.fileExists(atPath: files.path("no")))
      }
    }
  }

  func testAdaptiveGradientClipping() throws {
    try withFiles { files in
      // ‖weight‖ = √5, ‖g‖ = 5.
      let run = try step(files, "--learning-rate", "1", "--agc", "0.5")
      succeed(run)
      let factor = 0.5 * 5.0.squareRoot() / 5
      assertClose([1 - 3 * factor, 2 - 4 * factor], try files.read("out")["weight"]!, ulps: 8)
      XCTAssertEqual(try files.read("out")["bias"], [3])
    }
  }

  func testAVelocityOfAnotherKindOfRuleIsRefused() throws {
    try withFiles { files in
      try files.write("lars", json: #"{"rule": {"kind": "lars", "learningRate": 1}}"#)
      succeed(try step(files, "--config", "lars", "--output-velocity", "v"))
      let run = try CommandRun(
        [
          "step", "--parameters", "p", "--gradients", "g", "--output-parameters", "no", "--velocity", "v",
          "--learning-rate", "1", "--momentum", "0.9",
        ], in: files.folder)
      XCTAssertEqual(run.status, 1)
      XCTAssertTrue(run.errors.contains("holds the learning rate; that of this rule does not"), run.errors)
      succeed(try step(files, "--config", "lars", "--velocity", "v"))
    }
  }

  // MARK: Micro-batches

  func testGradientsOfSeveralFilesAreAddedUp() throws {
    try withFiles { files in
      try files.write("g2", ["weight": [1, 0], "bias": [0]])
      try files.write("g3", ["weight": [2, 2], "bias": [6]])
      for (name, divisor) in [("mean", 3.0), ("sum", 1)] {
        let run = try CommandRun(
          [
            "step", "--parameters", "p", "--gradients", "g", "g2", "--gradients", "g3", "--accumulate", name,
            "--learning-rate", "0.5", "--clip-global-norm", "1", "--output-parameters", "out",
          ], in: files.folder)
        succeed(run)
        let sum = [6 / divisor, 6 / divisor, 6 / divisor]
        let norm = sum.map { $0 * $0 }.reduce(0, +).squareRoot()
        XCTAssertTrue(run.output.contains("norm \(norm), clipped by \(1 / norm)"), run.output)
        let out = try files.read("out")
        assertClose([1, 2].map { $0 - 0.5 * sum[0] / norm }, out["weight"]!, ulps: 4)
        assertClose([3 - 0.5 * sum[2] / norm], out["bias"]!, ulps: 4)
      }
      // The mean is that of three by default, over two steps too.
      let steps = try CommandRun(
        [
          "step", "--parameters", "p", "--gradients", "g", "g2", "g3", "--learning-rate", "1", "--steps", "2",
          "--output-parameters", "out",
        ], in: files.folder)
      succeed(steps)
      let out = try files.read("out")
      assertClose([-3, -2], out["weight"]!, ulps: 4)
      assertClose([-1], out["bias"]!, ulps: 4)
    }
  }

  func testGradientsThatDoNotFit() throws {
    try withFiles { files in
      try files.write("other", ["weigth": [1, 0]])
      try files.write("bad", ["weight": [.nan, 0], "bias": [0]])
      for (file, text) in [
        ("other", "other: tensor 'weigth' is not in p"), ("nowhere", "nowhere"),
        ("bad", "g, bad: gradient of tensor 'weight' is nan at index 0"),
      ] {
        let run = try CommandRun(
          [
            "step", "--parameters", "p", "--gradients", "g", file, "--learning-rate", "1", "--output-parameters", "out",
          ],
          in: files.folder)
        XCTAssertEqual(run.status, 1, file)
        XCTAssertTrue(run.errors.contains(text), run.errors)
        XCTAssertFalse(FileManager.default.fileExists(atPath: files.path("out")))
      }
    }
  }
}
