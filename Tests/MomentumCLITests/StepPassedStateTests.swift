import Foundation
import Momentum
import MomentumFiles
import MomentumTestSupport
import XCTest

/// Files of state where `momentum step` passes tensors by: what they hold of these goes on unchanged.
final class StepPassedStateTests: XCTestCase {
  /// The options for files that a step reads and writes, by the letters of the files.
  private struct Files {
    var inputs: [(option: String, letter: String)]
    var outputs: [(option: String, letter: String)]

    static let state = Files(inputs: [("--state", "s")], outputs: [("--output-state", "s")])
    static let apart = Files(
      inputs: [("--velocity", "v"), ("--average", "a")],
      outputs: [("--output-velocity", "v"), ("--output-average", "a")])

    /// The options of a step that goes on from `from` to `to`.
    func options(from: String?, to: String) -> [String] {
      (from.map { from in inputs.flatMap { [$0.option, from + $0.letter] } } ?? [])
        + outputs.flatMap { [$0.option, to + $0.letter] }
    }
  }

  /// The bytes of all files of a checkpoint.
  private func contents(_ name: String, in folder: CheckpointFolder) throws -> [String: [UInt8]] {
    var isFolder: ObjCBool = false
    XCTAssertTrue(FileManager.default.fileExists(atPath: folder.path(name), isDirectory: &isFolder), name)
    guard isFolder.boolValue else { return ["": try folder.bytes(name)] }
    return try Dictionary(uniqueKeysWithValues: folder.names(name).map { ($0, try folder.bytes("\(name)/\($0)")) })
  }

  /// A tensor that is passed by is left as one without a gradient is, and so is all that is remembered of it. Steps whose patterns
  /// name one tensor are compared with steps by its gradient alone; the steps before and behind take all.
  ///
  /// - Parameter passesFirst: Whether it is the first step that passes tensors by.
  private func check(_ files: Files, _ options: [String], passesFirst: Bool = false, settings: String? = nil) throws {
    try CheckpointFolder.with { folder in
      let model = SteppedModel()
      try model.write(in: folder)
      try folder.write("only-a", [model.gradients[0]])
      if let settings { try folder.write("settings", settings) }
      let patterned = passesFirst ? 1 : 2
      for (from, limit) in [("whole", "1000000"), ("whole", "100"), ("model", "1000000"), ("model", "100")] {
        for way in ["patterns", "gradients"] {
          for number in 1...3 {
            let (last, next) = ("\(way)\(number - 1)", "\(way)\(number)")
            let isPassing = number == patterned
            let gradients = isPassing && way == "gradients" ? "only-a" : "g"
            let run = try folder.step(
              number == 1 ? from : last + "p", next + "p",
              ["--gradients", gradients, "--elements-at-once", limit] + options
                + files.options(from: number == 1 ? nil : last, to: next)
                + (isPassing && way == "patterns" ? ["--only", "a"] : []))
            assertSucceeds(run)
          }
        }
        for number in 1...3 {
          for letter in ["p"] + files.outputs.map(\.letter) {
            XCTAssertEqual(
              try contents("patterns\(number)\(letter)", in: folder),
              try contents("gradients\(number)\(letter)", in: folder), "\(from) \(limit) \(number)\(letter)")
          }
        }
        let states = files.outputs[0].letter
        XCTAssertNotEqual(
          try contents("patterns2\(states)", in: folder), try contents("patterns3\(states)", in: folder))
        for number in 1...3 {
          for letter in ["p"] + files.outputs.map(\.letter) {
            for way in ["patterns", "gradients"] {
              try FileManager.default.removeItem(atPath: folder.path("\(way)\(number)\(letter)"))
            }
          }
        }
      }
    }
  }

  func testAStateGoesOn() throws {
    try check(.state, SteppedModel.rule + SteppedModel.clips + ["--ema", "0.9"])
  }

  func testTheFirstStepMayPassBy() throws {
    try check(.state, SteppedModel.rule + ["--velocity-type", "bf16"], passesFirst: true)
    try check(.apart, SteppedModel.rule + ["--ema", "0.5"], passesFirst: true)
  }

  func testVelocityAndAverageApartGoOn() throws {
    try check(.apart, SteppedModel.rule + ["--ema", "0.5"])
  }

  func testSecondMomentsGoOn() throws {
    try check(
      .state, ["--config", "settings"],
      settings: #"{"rule": {"kind": "adamw", "learningRate": 0.01, "weightDecay": 0.1}}"#)
  }

  /// Of a state with scales a file of one part holds true values, also of what is passed by.
  func testAPartOfAStateIsMultipliedByItsScale() throws {
    try CheckpointFolder.with { folder in
      let model = SteppedModel()
      try model.write(in: folder)
      let rule = ["--gradients", "g", "--velocity-type", "bf16"] + SteppedModel.rule
      assertSucceeds(try folder.step("whole", "p", rule + ["--output-state", "s"]))
      assertSucceeds(
        try folder.step("whole", "p", rule + ["--steps", "0", "--velocity", "s", "--output-velocity", "v"]))
      assertSucceeds(
        try folder.step("whole", "p", rule + ["--only", "a", "--velocity", "s", "--output-velocity", "w"]))
      let (before, after, stored) = (try folder.read("v"), try folder.read("w"), try folder.read("s"))
      XCTAssertEqual(after["b"], before["b"])
      XCTAssertEqual(after["b"]?.dtype, .f32)
      XCTAssertNotEqual(after["a"], before["a"])
      XCTAssertNotEqual(
        after["b"]?.values(as: Float.self), stored["velocity/b"]?.values(as: BFloat16.self).map { Float($0) })
    }
  }

  /// Also of a file all of whose tensors are passed by, in the type that they are computed with in.
  func testAFileThatIsPassedByKeepsItsState() throws {
    try CheckpointFolder.with { folder in
      try folder.write("p", shards: [[StoredTensor("a", [1.0])], [StoredTensor("b", [2.0])]])
      try folder.write("g", [StoredTensor("a", [1.0]), StoredTensor("b", [3.0])])
      let rule = ["--gradients", "g", "--learning-rate", "0.5", "--momentum", "0.5"]
      assertSucceeds(try folder.step("p", "p1", rule + ["--output-state", "s1"]))
      assertSucceeds(
        try folder.step("p1", "p2", rule + ["--skip", "b", "--state", "s1", "--output-state", "s2"]))
      let (old, new) = ("s1/m-2.safetensors", "s2/m-2.safetensors")
      XCTAssertEqual(try folder.read(new), try folder.read(old))
      XCTAssertEqual(try SafetensorsFile(path: folder.path(new)).metadata["momentum.step"], "2")
      XCTAssertEqual(try folder.read("p2")["b"], try folder.read("p1")["b"])
      assertSucceeds(try folder.step("p2", "p3", rule + ["--state", "s2", "--output-state", "s3"]))
      XCTAssertEqual(try folder.read("p3")["b"]?.values(as: Double.self), [2 - 1.5 - 2.25])
    }
  }

  func testFilesOfEarlierVersionsGoOn() throws {
    let settings = """
      {"convention": "pytorch", "nonFinitePolicy": "skipStep", "rule": {"learningRate": 0.1, "momentum": 0.7},
       "lossScale": {"initial": 4, "growthInterval": 2},
       "adaptiveClipping": {"autoClip": {"percentile": 50, "window": 8}},
       "averaging": {"kind": "exponential", "decay": 0.9}}
      """
    try CheckpointFolder.with { folder in
      try folder.write("settings", settings)
      for name in ["parameters", "gradients", "state", "plain"] {
        try FileManager.default.copyItem(
          at: Checkout.fixture("state-0.1").appendingPathComponent("\(name).safetensors"),
          to: folder.url.appendingPathComponent(name))
      }
      func step(_ arguments: [String]) throws {
        assertSucceeds(
          try folder.step("parameters", "p", ["--gradients", "gradients", "--config", "settings"] + arguments))
      }
      let old = try folder.read("state")
      try step(["--only", "weight", "--state", "state", "--output-state", "s"])
      let new = try folder.read("s")
      XCTAssertEqual(new["velocity/bias"], old["velocity/bias"])
      XCTAssertEqual(new["average/bias"], old["average/bias"])
      XCTAssertNotEqual(new["velocity/weight"], old["velocity/weight"])
      // Of LARS, whose velocity has the learning rate.
      let velocities = try XCTUnwrap(SafetensorsFile(path: folder.path("s")).metadata["momentum.velocities"])
      XCTAssertTrue(velocities.hasPrefix("1 withLearningRate 0x1p+0, 1 withoutLearningRate "), velocities)

      // Tensors without metadata.
      try step(["--only", "bias", "--velocity", "plain", "--output-velocity", "v"])
      XCTAssertEqual(try folder.read("v")["weight"], try folder.read("plain")["weight"])
    }
  }

  func testWhatDoesNotBelongIsRefused() throws {
    try CheckpointFolder.with { folder in
      let (a, b) = (StoredTensor("a", [Float(1)]), StoredTensor("b", [Float(1), 2]))
      try folder.write("p", [a, b])
      try folder.write("other", [a, StoredTensor("b", [Float(1)])])
      try folder.write("small", [a])
      try folder.write("momenta", [a, b])
      let rule = ["--gradients", "p", "--learning-rate", "1", "--momentum", "0.5"]
      assertSucceeds(try folder.step("p", "out", rule + ["--output-state", "s"]))
      let table: [(from: String, options: [String], text: String)] = [
        ("other", ["--state", "s"], "s: tensor 'velocity/b' has shape [2]; expected [1]"),
        (
          "small", ["--state", "s"],
          "s: tensor 'velocity/b' is unknown; expected only what the optimizer and the metadata have"
        ),
        (
          "p", ["--velocity", "momenta", "--velocity-convention", "pytorch"],
          "momenta: has tensor 'b', which is passed by; expected velocities of what is stepped alone"
        ),
      ]
      for row in table {
        assertFails(
          try folder.step(
            row.from, "no",
            rule
              + ["--only", "a", "--output-velocity", "v"].filter { option in
                // A state goes into a state.
                row.options[0] != "--state" || !["--output-velocity", "v"].contains(option)
              } + row.options), 1, row.text)
        XCTAssertFalse(folder.has("no") || folder.has("v"))
      }
      // All velocities can be converted at once.
      assertSucceeds(
        try folder.step(
          "p", "no",
          rule + [
            "--steps", "0", "--velocity", "momenta", "--velocity-convention", "pytorch", "--output-velocity", "v",
          ]))
      assertSucceeds(
        try folder.step("p", "no", rule + ["--only", "a", "--velocity", "v", "--output-velocity", "w"]))
      XCTAssertEqual(try folder.read("w")["b"], b)
    }
  }
}
