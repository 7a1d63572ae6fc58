import Foundation
import Momentum
import MomentumFiles
import MomentumTestSupport
import XCTest

/// `momentum step` with its state in one file, and with velocities of other libraries.
final class StepStateTests: XCTestCase {
  private struct Files {
    let folder: URL
    func path(_ name: String) -> String { folder.appendingPathComponent(name).path }
    func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path(name)) }
    func bytes(_ name: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: path(name))) }
    func write(_ name: String, json: String) throws { try Data(json.utf8).write(to: URL(fileURLWithPath: path(name))) }

    func write(_ name: String, _ tensors: [String: [Double]]) throws {
      var writer = SafetensorsWriter(path: path(name))
      for (tensor, values) in tensors {
        try values.withUnsafeBufferPointer { try writer.add(tensor, shape: [values.count], values: $0) }
      }
      try writer.write()
    }

    func read(_ name: String) throws -> [String: [Double]] {
      let file = try SafetensorsFile(path: path(name))
      return try Dictionary(
        uniqueKeysWithValues: file.tensors.map { tensor in
          (tensor.name, try file.withUnsafeBuffer(of: tensor.name, as: Double.self) { Array($0) })
        })
    }

    func step(_ arguments: String...) throws -> CommandRun {
      let parameters = arguments.contains("--parameters") ? [] : ["--parameters", "p"]
      return try CommandRun(
        ["step", "--gradients", "g", "--output-parameters", "out"] + parameters + arguments, in: folder)
    }
  }

  private func withFiles(_ body: (Files) throws -> Void) throws {
    try withScratchFolder { folder in
      let files = Files(folder: folder)
      try files.write("p", ["weight": [1, 2], "bias": [3]])
      try files.write("g", ["weight": [3, 4], "bias": [0.3]])
      try body(files)
    }
  }

  private func succeed(_ run: CommandRun, line: UInt = #line) {
    XCTAssertEqual(run.status, 0, run.errors, line: line)
    XCTAssertEqual(run.errors, "", line: line)
  }

  private static let adapting = """
    {"rule": {"learningRate": {"cosine": {"initial": 0.1, "steps": 20}}, "momentum": 0.7},
     "lossScale": {"initial": 4, "growthInterval": 2}, "nonFinitePolicy": "skipStep",
     "adaptiveClipping": {"autoClip": {"percentile": 50, "window": 8}},
     "averaging": {"kind": "exponential", "decay": 0.9}}
    """

  func testManyRunsAreAsOne() throws {
    try withFiles { files in
      try files.write("config", json: Self.adapting)
      succeed(try files.step("--config", "config", "--steps", "5", "--output-state", "once"))
      let atOnce = (try files.bytes("out"), try files.bytes("once"))
      for index in 0..<5 {
        if index == 0 {
          succeed(try files.step("--config", "config", "--output-state", "s"))
        } else {
          succeed(
            try files.step("--config", "config", "--parameters", "out", "--state", "s", "--output-state", "s"))
        }
      }
      XCTAssertEqual(try files.bytes("out"), atOnce.0)
      XCTAssertEqual(try files.bytes("s"), atOnce.1)
      let file = try SafetensorsFile(path: files.path("s"))
      XCTAssertEqual(
        file.tensors.map(\.name), ["average/bias", "average/weight", "velocity/bias", "velocity/weight"])
      XCTAssertEqual(file.metadata["momentum.step"], "5")

      // The settings of what adapts must be the same.
      for (config, what) in [
        (
          #"{"rule": {"learningRate": 1}, "adaptiveClipping": {"autoClip": {"percentile": 50, "window": 8}}}"#,
          "loss scale"
        ),
        (#"{"rule": {"learningRate": 1}, "lossScale": {"initial": 9, "growthInterval": 2}}"#, "adaptive clipping"),
      ] {
        try files.write("other", json: config)
        let run = try files.step("--config", "other", "--state", "s", "--output-state", "no")
        XCTAssertEqual(run.status, 1)
        XCTAssertTrue(run.errors.contains("s: its \(what) has other settings than this run"), run.errors)
        XCTAssertFalse(files.exists("no"))
      }
    }
  }

  func testVelocityAndAverageApartAreAsAStateUpToRounding() throws {
    try withFiles { files in
      try files.write("config", json: Self.adapting)
      succeed(try files.step("--config", "config", "--output-state", "s"))
      succeed(try files.step("--config", "config", "--output-velocity", "v", "--output-average", "a"))
      let start = try files.bytes("out")
      for _ in 0..<4 {
        succeed(
          try files.step("--config", "config", "--parameters", "out", "--state", "s", "--output-state", "s"))
      }
      let whole = try files.read("out")
      try start.write(to: URL(fileURLWithPath: files.path("out")))
      for _ in 0..<4 {
        succeed(
          try files.step(
            "--config", "config", "--parameters", "out", "--velocity", "v", "--average", "a", "--output-velocity", "v",
            "--output-average", "a"))
      }
      for (name, values) in try files.read("out") { assertClose(values, whole[name]!, ulps: 4) }
      // A state will do for each of its parts, and a file of one part holds true values: in the state they have scales.
      succeed(
        try files.step(
          "--config", "config", "--velocity", "s", "--average", "s", "--steps", "0", "--output-velocity", "v2",
          "--output-average", "a2"))
      XCTAssertNotEqual(try files.read("v2")["weight"], try files.read("s")["velocity/weight"])
      for (name, values) in try files.read("v2") { assertClose(values, try files.read("v")[name]!, ulps: 4) }
      for (name, values) in try files.read("a2") { assertClose(values, try files.read("a")[name]!, ulps: 4) }
      let metadata = try SafetensorsFile(path: files.path("v")).metadata
      XCTAssertEqual(metadata["momentum.velocities"], "2 withoutLearningRate 0x1p+0")
      XCTAssertEqual(try files.read("a").keys.sorted(), ["bias", "weight"])
      XCTAssertEqual(try files.read("v").keys.sorted(), ["bias", "weight"])
      // What a run does not adapt is no concern of its.
      try files.write("plain", json: #"{"rule": {"learningRate": 1, "momentum": 0.7}}"#)
      succeed(try files.step("--config", "plain", "--velocity", "v", "--output-velocity", "v3"))
      let plain = try SafetensorsFile(path: files.path("v3")).metadata
      XCTAssertEqual(plain["momentum.step"], "6")
      XCTAssertNil(plain["momentum.lossScale"])
      XCTAssertNil(plain["momentum.adaptiveClipping"])
    }
  }

  private func floats(_ path: String) throws -> [String: [Float]] {
    let file = try SafetensorsFile(path: path)
    return try Dictionary(
      uniqueKeysWithValues: file.tensors.map { tensor in
        (tensor.name, try file.withUnsafeBuffer(of: tensor.name, as: Float.self) { Array($0) })
      })
  }

  func testFilesOfEarlierVersionsGoOn() throws {
    let fixtures = Checkout.fixture("state-0.1")
    func fixture(_ name: String) -> String { fixtures.appendingPathComponent("\(name)").path }
    try withFiles { files in
      for state in [
        ["--state", fixture("state.safetensors")],
        ["--velocity", fixture("velocity.safetensors"), "--average", fixture("average.safetensors")],
      ] {
        succeed(
          try CommandRun(
            [
              "step", "--parameters", fixture("parameters.safetensors"), "--gradients",
              fixture("gradients.safetensors"),
              "--config", fixture("config.json"), "--steps", "2", "--output-parameters", "out",
            ] + state, in: files.folder))
        // The command of 0.1 rounded the velocity after each step.
        let (found, expected) = (try floats(files.path("out")), try floats(fixture("after.safetensors")))
        XCTAssertEqual(found.keys.sorted(), expected.keys.sorted())
        for (name, values) in expected { assertClose(values.map { Double($0) }, found[name]!, ulps: 2) }
      }
    }
  }

  func testTwoSpellingsOfANameAreTwoTensors() throws {
    let names = ["caf\u{e9}", "cafe\u{301}"]
    func read(_ file: String, _ prefix: String, _ files: Files) throws -> [[Double]] {
      let file = try SafetensorsFile(path: files.path(file))
      return try names.map { try file.withUnsafeBuffer(of: prefix + $0, as: Double.self) { Array($0) } }
    }
    try withFiles { files in
      for (file, values) in [("p", [[1.0], [2]]), ("g", [[8], [-4]])] {
        var writer = SafetensorsWriter(path: files.path(file))
        for (name, values) in zip(names, values) {
          try writer.add(name, dtype: .f64, shape: [1]) { emit throws(SafetensorsError) in
            try values.withUnsafeBufferPointer { values throws(SafetensorsError) in
              try emit(UnsafeRawBufferPointer(values))
            }
          }
        }
        try writer.write()
      }
      let rule = ["--learning-rate", "0.5", "--momentum", "0.5"]
      func step(_ arguments: [String]) throws {
        succeed(
          try CommandRun(
            ["step", "--gradients", "g", "--output-parameters", "out"] + rule + arguments, in: files.folder))
      }
      try step(["--parameters", "p", "--output-state", "s"])
      XCTAssertEqual(try read("out", "", files), [[-3], [4]])
      XCTAssertEqual(try read("s", "velocity/", files), [[8 / 4096], [-4 / 4096]])
      try step(["--parameters", "out", "--state", "s", "--output-state", "s"])
      XCTAssertEqual(try read("out", "", files), [[-9], [7]])
      try step(["--parameters", "out", "--velocity", "s", "--output-velocity", "v"])
      XCTAssertEqual(try read("v", "", files), [[14], [-7]])
    }
  }

  func testMisuseOfStates() throws {
    try withFiles { files in
      for (arguments, text) in [
        (["--state", "s", "--velocity", "v"], "--velocity cannot be given with --state"),
        (["--state", "s", "--average", "v", "--ema", "0.5"], "--average cannot be given with --state"),
        (["--state", "s", "--output-velocity", "v"], "--output-velocity cannot be given with --state"),
        (
          ["--output-state", "s", "--output-average", "v", "--ema", "0.5"],
          "--output-average cannot be given with --output-state"
        ),
        (["--output-state", "s", "--velocity", "v"], "--velocity cannot be given with --output-state"),
        (["--output-state", "out"], "--output-parameters and --output-state name the same file"),
        (["--velocity-convention", "keras"], "--velocity-convention needs --velocity"),
        (["--velocity", "v", "--velocity-convention", "jax"], "--velocity-convention"),
      ] {
        let run = try CommandRun(
          ["step", "--parameters", "p", "--gradients", "g", "--output-parameters", "out", "--learning-rate", "1"]
            + arguments, in: files.folder)
        XCTAssertEqual(run.status, 64, run.errors)
        XCTAssertTrue(run.errors.contains(text), run.errors)
      }
      // A velocity is no state.
      succeed(try files.step("--learning-rate", "1", "--momentum", "0.5", "--output-velocity", "v"))
      let run = try files.step("--learning-rate", "1", "--state", "v", "--output-parameters", "no")
      XCTAssertEqual(run.status, 1)
      XCTAssertTrue(
        run.errors.contains("v: holds the velocity of an optimizer only; expected the velocity and average"), run.errors
      )
      XCTAssertEqual(run.errors.split(separator: "\n").count, 1, run.errors)
      XCTAssertFalse(files.exists("no"))
    }
  }

  func testVelocitiesFromElsewhere() throws {
    try withFiles { files in
      try files.write("torch", ["weight": [8, -4]])
      try files.write("keras", ["weight": [-4, 2]])
      let common = ["--learning-rate", "0.5", "--momentum", "0.5"]
      func step(_ convention: String, _ velocity: String, _ of: String) throws -> [String: [Double]] {
        let run = try CommandRun(
          [
            "step", "--parameters", "p", "--gradients", "g", "--output-parameters", "out", "--convention", convention,
            "--velocity", velocity, "--velocity-convention", of, "--output-velocity", "v",
          ] + common, in: files.folder)
        succeed(run)
        return try files.read("v")
      }
      // v ← 0.5·v + g, and lr = 0.5; the bias starts at zero.
      for (name, of) in [("torch", "pytorch"), ("torch", "mlx"), ("torch", "optax"), ("keras", "keras")] {
        XCTAssertEqual(try step("pytorch", name, of), ["weight": [7, 2], "bias": [0.3]], of)
        XCTAssertEqual(try files.read("out"), ["weight": [1 - 3.5, 2 - 1], "bias": [3 - 0.15]])
        XCTAssertEqual(try step("keras", name, of), ["weight": [-3.5, -1], "bias": [-0.15]], of)
        XCTAssertEqual(try files.read("out"), ["weight": [1 - 3.5, 2 - 1], "bias": [3 - 0.15]])
      }
      // One of this command says what it is.
      let own = try files.step(
        "--learning-rate", "1", "--momentum", "0.5", "--velocity", "v", "--velocity-convention", "keras")
      XCTAssertEqual(own.status, 1)
      XCTAssertTrue(own.errors.contains("v: has momentum.lastStepClipped in its metadata"), own.errors)
      let zero = try files.step(
        "--learning-rate", "0", "--momentum", "0.5", "--velocity", "keras", "--velocity-convention", "keras")
      XCTAssertEqual(zero.status, 1)
      XCTAssertTrue(zero.errors.contains("keras: learningRate is 0.0; expected a finite number > 0"), zero.errors)
    }
  }

  func testTheHelpNamesThem() throws {
    let help = try CommandRun(["step", "--help"]).output
    for option in ["--state <path>", "--output-state <path>", "--velocity-convention <velocity-convention>"] {
      XCTAssertTrue(help.contains(option), help)
    }
  }
}
