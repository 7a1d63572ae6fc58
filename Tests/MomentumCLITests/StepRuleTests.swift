import Foundation
import Momentum
import MomentumFiles
import MomentumTestSupport
import XCTest

/// `momentum step --config` with the rules that keep more than a velocity or look at whole matrices.
final class StepRuleTests: XCTestCase {
  private static let settings = """
    {"rule": {"kind": "muon", "learningRate": 0.1, "method": "polarExpress", "weightDecay": 0.1},
     "groups": [
       {"name": "biases", "patterns": ["*.bias"], "rule": {"kind": "adamw", "weightDecay": 0.01}},
       {"name": "table", "patterns": ["table"], "rule": {"kind": "lion", "learningRate": 0.01}, "exemptFromWhole": true}],
     "clipping": {"globalNorm": 1}}
    """

  private func write(_ folder: URL, _ name: String, seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    var tensors: [String: [Float]] = [:]
    let shapes = ["a.weight": [3, 4], "a.bias": [3], "table": [5, 2]]
    for tensor in shapes.keys.sorted() { tensors[tensor] = random.numbers(shapes[tensor]!.reduce(1, *)) }
    try TensorFolder<Float>(url: folder).write(name, tensors, shapes: shapes)
  }

  private func step(_ folder: URL, _ arguments: String...) throws -> CommandRun {
    try CommandRun(["step", "--gradients", "g", "--config", "settings.json"] + arguments, in: folder)
  }

  private func withFiles(_ settings: String, _ body: (URL) throws -> Void) throws {
    try withScratchFolder { folder in
      try write(folder, "p", seed: 1)
      try write(folder, "g", seed: 2)
      try Data(settings.utf8).write(to: folder.appendingPathComponent("settings.json"))
      try body(folder)
    }
  }

  func testManyRunsAreAsOne() throws {
    try withFiles(Self.settings) { folder in
      let once = try step(
        folder, "--parameters", "p", "--steps", "3", "--output-parameters", "whole", "--output-state", "whole-state")
      XCTAssertEqual(once.status, 0, once.errors)
      var parameters = "p"
      for number in 1...3 {
        var arguments = [
          "--parameters", parameters, "--output-parameters", "p\(number)", "--output-state", "s\(number)",
        ]
        if number > 1 { arguments += ["--state", "s\(number - 1)"] }
        let run = try CommandRun(["step", "--gradients", "g", "--config", "settings.json"] + arguments, in: folder)
        XCTAssertEqual(run.status, 0, run.errors)
        parameters = "p\(number)"
      }
      func bytes(_ name: String) throws -> Data { try Data(contentsOf: folder.appendingPathComponent(name)) }
      XCTAssertEqual(try bytes("p3"), try bytes("whole"))
      XCTAssertEqual(try bytes("s3"), try bytes("whole-state"))
      XCTAssertNotEqual(try bytes("p2"), try bytes("p3"))
      let state = try SafetensorsFile(path: folder.appendingPathComponent("s3").path)
      XCTAssertEqual(
        Set(state.tensors.map(\.name)),
        ["velocity/a.weight", "velocity/a.bias", "velocity/table", "secondMoment/a.bias"])
    }
  }

  /// Of LAPACK, which the command has.
  func testPolarFactors() throws {
    let settings =
      #"{"rule": {"kind": "muon", "learningRate": 0.5, "method": "polar", "scale": "none"}, "groups": "#
      + #"[{"name": "biases", "patterns": ["*.bias"], "rule": {"kind": "sgd"}}]}"#
    try withFiles(settings) { folder in
      func values(_ name: String) throws -> [Float] {
        try XCTUnwrap(TensorFolder<Float>(url: folder).read(name)["a.weight"])
      }
      for threads in ["1", "3"] {
        let run = try step(folder, "--parameters", "p", "--output-parameters", threads, "--threads", threads)
        XCTAssertEqual(run.status, 0, run.errors)
      }
      let found = try values("3")
      XCTAssertEqual(found, try values("1"))
      // The rows of the step are at right angles, of length 0.5.
      let way = zip(found, try values("p")).map { Double($0) - Double($1) }
      for i in 0..<3 {
        for j in 0...i {
          let product = (0..<4).reduce(0.0) { $0 + way[4 * i + $1] * way[4 * j + $1] }
          XCTAssertEqual(product, i == j ? 0.25 : 0, accuracy: 1e-6)
        }
      }
    }
  }

  /// Steps whose tensors are not in memory together meet in an exchange, where every rule and average must do the same.
  func testHoweverManyParametersAreInMemory() throws {
    let rules = [
      #"{"kind": "muon", "learningRate": 0.5}"#, #"{"kind": "muon", "learningRate": 0.1, "weightDecay": 0.1}"#,
      #"{"kind": "adamw", "learningRate": 0.1}"#, #"{"kind": "lion", "learningRate": 0.1}"#,
      #"{"learningRate": 0.1, "momentum": 0.9, "nesterov": true}"#,
    ]
    let averages = [#"{"kind": "exponential", "decay": 0.9}"#, #"{"kind": "mean"}"#, "null"]
    for (number, rule) in rules.enumerated() {
      for (kind, average) in averages.enumerated() {
        let settings = #"""
          {"rule": \#(rule), "clipping": {"globalNorm": 1}, "averaging": \#(average),
           "groups": [{"name": "biases", "patterns": ["*.bias"], "rule": {"kind": "sgd", "learningRate": 0.1, "momentum": 0.5}}]}
          """#
        try withFiles(settings) { folder in
          var expected: [Data] = []
          for elements in ["1000000", "4", "13"] {
            let run = try step(
              folder, "--parameters", "p", "--elements-at-once", elements, "--output-parameters", "o",
              "--output-state", "s")
            XCTAssertEqual(run.status, 0, run.errors)
            let found = try ["o", "s"].map { try Data(contentsOf: folder.appendingPathComponent($0)) }
            XCTAssertNotEqual(found[0], try Data(contentsOf: folder.appendingPathComponent("p")))
            if expected.isEmpty { expected = found }
            XCTAssertEqual(found, expected, "rule \(number), average \(kind), \(elements) elements at once")
          }
        }
      }
    }
  }

  func testATensorThatIsNoMatrixIsNamed() throws {
    try withFiles(#"{"rule": {"kind": "muon", "learningRate": 0.1}}"#) { folder in
      let run = try step(folder, "--parameters", "p", "--output-parameters", "out")
      XCTAssertNotEqual(run.status, 0)
      XCTAssertTrue(
        run.errors.contains(
          "view of tensor 'a.bias' is firstAxis of the shape [3]; expected a tensor of at least 2 axes"),
        run.errors)
      XCTAssertFalse(FileManager.default.fileExists(atPath: folder.appendingPathComponent("out").path))
    }
  }

  func testAnUnknownKindIsRefused() throws {
    try withFiles(#"{"rule": {"kind": "adam", "learningRate": 0.1}}"#) { folder in
      let run = try step(folder, "--parameters", "p", "--output-parameters", "out")
      XCTAssertNotEqual(run.status, 0)
      XCTAssertTrue(run.errors.contains("adam"), run.errors)
    }
  }
}
