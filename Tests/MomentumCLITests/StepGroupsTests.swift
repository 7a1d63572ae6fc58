import Momentum
import MomentumFiles
import MomentumTestSupport
import XCTest

/// `momentum step` of files whose tensors are stepped group by group.
final class StepGroupsTests: XCTestCase {
  private static let rule = ["--learning-rate", "0.1", "--momentum", "0.9", "--weight-decay", "0.01"]
  private static let outputs = ["--output-parameters", "p", "--output-state", "s"]

  /// A file with tensors that are stepped, one without a gradient, and integers; with gradients of several sizes.
  private func write(_ folder: CheckpointFolder, halves: Bool) throws {
    var random = SeededGenerator(seed: 5)
    func tensor(_ name: String, _ count: Int, _ half: Bool) -> StoredTensor {
      let numbers: [Float] = random.numbers(count)
      return half ? StoredTensor(name, numbers.map { BFloat16($0) }) : StoredTensor(name, numbers)
    }
    let counts = [("a", 900), ("b", 20), ("left", 10), ("c", 7), ("empty", 0), ("d", 2000), ("e", 1)]
    try folder.write(
      "model", counts.map { tensor($0, $1, halves && $0 != "c") } + [StoredTensor("ids", .i64, Array(0..<64))],
      metadata: ["format": "pt"])
    try folder.write("g", counts.filter { $0.0 != "left" }.map { tensor($0, $1, true) })
    try folder.write(
      "bad",
      counts.filter { $0.0 != "left" }.map { StoredTensor($0, [Float](repeating: $0 == "d" ? .nan : 1, count: $1)) })
  }

  /// Takes two steps in groups and at once, the second from the state that the first has left.
  private func check(_ first: [String], _ second: [String], halves: Bool = false) throws {
    try CheckpointFolder.with { folder in
      try write(folder, halves: halves)
      var runs: [String: [String]] = [:]
      for (name, limit) in [("whole", "1000000"), ("groups", "25")] {
        for (number, options) in [first, second].enumerated() {
          let (from, to) = ("\(name)\(number - 1)", "\(name)\(number)")
          let arguments = options.map { option in
            // Files of a step are told by a letter.
            option.count == 1 && option != "g" ? to + option : option.replacing("<", with: from)
          }
          let run = try folder.run(
            ["step", "--parameters", number == 0 ? "model" : from + "p", "--elements-at-once", limit] + arguments)
          assertSucceeds(run)
          runs[name, default: []].append(run.output)
        }
      }
      XCTAssertEqual(runs["whole"], runs["groups"])
      for (number, options) in [first, second].enumerated() {
        let files = options.filter { $0.count == 1 && $0 != "g" }
        XCTAssertGreaterThan(files.count, 1)
        for file in files {
          XCTAssertEqual(
            try folder.bytes("groups\(number)\(file)"), try folder.bytes("whole\(number)\(file)"), "\(number)\(file)")
        }
      }
      XCTAssertNotEqual(try folder.bytes("whole0p"), try folder.bytes("model"))
    }
  }

  func testGroupsOfParametersOfFloats() throws {
    let options = ["--gradients", "g", "--clip-global-norm", "2.5", "--clip-norm", "30", "--ema", "0.9"] + Self.rule
    try check(Self.outputs + options, Self.outputs + options + ["--state", "<s"])
  }

  func testGroupsWithMastersAndASkippedStep() throws {
    let outputs = Self.outputs + ["--output-master", "m", "--velocity-type", "bf16"] + Self.rule
    try check(
      outputs + ["--gradients", "g", "--agc", "0.1"],
      outputs + ["--gradients", "bad", "--non-finite", "skip", "--state", "<s", "--master", "<m"], halves: true)
  }

  func testGroupsWithVelocityAndAverageApart() throws {
    let outputs = ["--output-parameters", "p", "--output-velocity", "v", "--output-average", "a", "--gradients", "g"]
    let options = outputs + Self.rule + ["--ema", "0.5", "--rounding", "stochastic"]
    try check(options, options + ["--velocity", "<v", "--average", "<a"], halves: true)
  }

  /// Norms of all tensors are measured once for all groups, by all threads.
  func testTheNumberOfThreadsLeavesTheBitsAlone() throws {
    try CheckpointFolder.with { folder in
      var random = SeededGenerator(seed: 31)
      let counts = [("a", 50_000), ("b", 70_001), ("c", 3)]
      func halves(_ count: Int) -> [BFloat16] { (random.numbers(count) as [Float]).map { BFloat16($0) } }
      func tensors() -> [StoredTensor] { counts.map { StoredTensor($0, halves($1)) } }
      let (model, gradients) = (tensors(), tensors())
      try folder.write("p", shards: [Array(model.prefix(2)), [model[2]]])
      try folder.write("g", gradients)
      let options = [
        "step", "--parameters", "p", "--gradients", "g", "--clip-global-norm", "1.5", "--clip-norm", "100", "--agc",
        "0.1",
        "--elements-at-once", "60000", "--json",
      ]
      var runs: [String] = []
      for threads in ["1", "2", "3", "7"] {
        let outputs = ["p", "m", "s"].map { $0 + threads }
        let run = try folder.run(
          options + Self.rule + [
            "--threads", threads, "--output-parameters", outputs[0], "--output-master", outputs[1], "--output-state",
            outputs[2],
          ])
        assertSucceeds(run)
        runs.append(run.output)
        for (output, first) in zip(outputs, ["p1", "m1", "s1"]) {
          for name in try folder.names(output) {
            XCTAssertEqual(
              try folder.bytes("\(output)/\(name)"), try folder.bytes("\(first)/\(name)"), "\(output)/\(name)")
          }
        }
      }
      XCTAssertEqual(Set(runs).count, 1)
      XCTAssertNotEqual(try folder.read("p1"), try folder.read("p"))
    }
  }

  func testAFailureInALaterGroupWritesNothing() throws {
    try CheckpointFolder.with { folder in
      try write(folder, halves: false)
      let arguments = ["step", "--parameters", "model", "--gradients", "g", "--elements-at-once", "25"] + Self.rule
      assertSucceeds(try folder.run(arguments + ["--output-parameters", "p", "--output-velocity", "v"]))
      var velocities = try SafetensorsFile(path: folder.path("v")).tensors.map(\.name).map { try folder.read("v")[$0]! }
      // In one of the last groups of the file.
      let last = try XCTUnwrap(velocities.firstIndex { $0.name == "e" })
      velocities[last].bytes.replaceSubrange((velocities[last].bytes.count - 4)..., with: [0, 0, 0x80, 0x7f])
      try folder.write("v", velocities)
      let run = try folder.run(arguments + ["--output-parameters", "q", "--velocity", "v", "--output-velocity", "w"])
      assertFails(run, 1, "v: velocity of tensor 'e' is inf at index 0; expected finite values")
      XCTAssertFalse(folder.has("q") || folder.has("w"))
      assertFails(
        try folder.run(arguments + ["--output-parameters", "q", "--elements-at-once", "0"]), 64,
        "--elements-at-once is 0; expected at least 1")
    }
  }
}
