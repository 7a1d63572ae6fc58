import Foundation
import Momentum
import MomentumFiles
import MomentumTestSupport
import XCTest

/// Files of state that go on with parameters that are cut in another way than those they were written for.
final class StepStateCutTests: XCTestCase {
  /// Nine parameters and their gradients: one is of F32, one has no gradient, one no elements.
  private struct Model {
    var parameters: [StoredTensor] = []
    var gradients: [StoredTensor] = []

    init(halves: Bool) {
      var random = SeededGenerator(seed: 23)
      for (name, count) in [
        ("a", 90), ("b", 20), ("left", 10), ("c", 7), ("empty", 0), ("d", 200), ("e", 1), ("f", 33), ("h", 4),
      ] {
        let numbers: [Float] = random.numbers(count)
        let isHalf = halves && name != "b"
        parameters.append(
          isHalf ? StoredTensor(name, numbers.map { BFloat16($0) }) : StoredTensor(name, numbers))
        if name != "left" {
          gradients.append(StoredTensor(name, (random.numbers(count) as [Float]).map { BFloat16($0) }))
        }
      }
    }
  }

  /// Writes tensors as one file, or as so many shards, which have them in turns.
  private func write(_ name: String, _ tensors: [StoredTensor], files: Int, in folder: CheckpointFolder) throws {
    guard files > 1 else { return try folder.write(name, tensors) }
    var shards = [[StoredTensor]](repeating: [], count: files)
    for (index, tensor) in tensors.enumerated() { shards[index % files].insert(tensor, at: 0) }
    try folder.write(name, shards: shards)
  }

  /// The bytes of a file, or of all files of a folder.
  private func contents(_ name: String, in folder: CheckpointFolder) throws -> [String: [UInt8]] {
    var isFolder: ObjCBool = false
    XCTAssertTrue(FileManager.default.fileExists(atPath: folder.path(name), isDirectory: &isFolder), name)
    guard isFolder.boolValue else { return ["": try folder.bytes(name)] }
    return try Dictionary(uniqueKeysWithValues: folder.names(name).map { ($0, try folder.bytes("\(name)/\($0)")) })
  }

  /// Takes four steps of parameters that are cut in another way before each, and the same steps of parameters that are always
  /// cut so, and compares all files.
  ///
  /// - Parameters:
  ///   - files: The options of what is remembered, and the letters of their files.
  ///   - third: The options of the third step alone.
  private func check(
    _ options: [String], files: [(option: String, letter: String)], third: [String] = [], halves: Bool = true,
    settings: String? = nil
  ) throws {
    let cuts = [1, 3, 7, 1]
    let model = Model(halves: halves)
    let letters = ["p"] + files.map(\.letter) + (halves ? ["m"] : [])
    try CheckpointFolder.with { folder in
      try folder.write("g", model.gradients)
      if let settings { try folder.write("settings", settings) }
      func step(_ run: String, _ number: Int, from parameters: String, groupsOf limit: String) throws {
        let (last, next) = ("\(run)\(number - 1)", "\(run)\(number)")
        var arguments = ["--gradients", "g", "--elements-at-once", limit] + options + (number == 3 ? third : [])
        for (option, letter) in files {
          arguments += ["--output-\(option)", next + letter] + (number > 1 ? ["--\(option)", last + letter] : [])
        }
        if halves { arguments += ["--output-master", next + "m"] + (number > 1 ? ["--master", last + "m"] : []) }
        assertSucceeds(try folder.step(parameters, next + "p", arguments))
      }
      for files in Set(cuts) {
        try write("same\(files)-0p", model.parameters, files: files, in: folder)
        for number in 1...cuts.lastIndex(of: files)! + 1 {
          try step("same\(files)-", number, from: "same\(files)-\(number - 1)p", groupsOf: "1000000")
        }
      }
      var parameters = model.parameters
      for (number, files) in zip(1..., cuts) {
        try write("in\(number)", parameters, files: files, in: folder)
        try step("cut", number, from: "in\(number)", groupsOf: number == 2 ? "1000000" : "25")
        for letter in letters {
          XCTAssertEqual(
            try contents("cut\(number)\(letter)", in: folder),
            try contents("same\(files)-\(number)\(letter)", in: folder), "\(number)\(letter)")
        }
        let next = try folder.read("cut\(number)p")
        XCTAssertNotEqual(next["d"], parameters.first { $0.name == "d" })
        parameters = parameters.map { next[$0.name]! }
      }
    }
  }

  func testAStateWithMastersAndAnAverageGoesOn() throws {
    try check(
      SteppedModel.rule + ["--clip-global-norm", "2.5", "--ema", "0.9"], files: [("state", "s")],
      third: ["--only", "d", "--only", "e", "--only", "left"])
  }

  func testVelocityAndAverageApartGoOn() throws {
    try check(
      SteppedModel.rule + ["--velocity-type", "bf16", "--ema", "0.5"],
      files: [("velocity", "v"), ("average", "a")], third: ["--skip", "a", "--skip", "c"])
  }

  /// With what adapts, which every file of a state says.
  func testSecondMomentsGoOn() throws {
    try check(
      ["--config", "settings"], files: [("state", "s")], third: ["--only", "d", "--only", "b"], halves: false,
      settings: """
        {"rule": {"kind": "adamw", "learningRate": 0.01, "weightDecay": 0.1},
         "lossScale": {"initial": 4, "growthInterval": 2}, "nonFinitePolicy": "skipStep",
         "adaptiveClipping": {"autoClip": {"percentile": 50, "window": 8}}}
        """)
  }

  // MARK: Paths

  private static let rule = ["--learning-rate", "0.5", "--momentum", "0.5"]

  /// Writes parameters of three tensors as three files and as one, with gradients, and the state of a step of the three.
  private func withState(_ body: (CheckpointFolder) throws -> Void) throws {
    try CheckpointFolder.with { folder in
      let tensors = [StoredTensor("a", [Float(1)]), StoredTensor("b", [Float(2), 3]), StoredTensor("c", [Float(4)])]
      try folder.write("p", shards: tensors.map { [$0] })
      try folder.write("whole", tensors)
      // Without one for c, so that this is named in a state, and has no velocity.
      try folder.write("g", Array(tensors.prefix(2)))
      assertSucceeds(
        try folder.step("p", "p1", ["--gradients", "g", "--output-state", "s"] + Self.rule))
      try body(folder)
    }
  }

  func testAStateIsFilesOrAFolderOrAnIndex() throws {
    try withState { folder in
      let map = ["a", "b"].enumerated().map { "\"velocity/\($1)\": \"m-\($0 + 1).safetensors\"" }
      let files = [1, 2, 3].map { "s/m-\($0).safetensors" }
      let arguments = ["--gradients", "g"] + Self.rule
      assertSucceeds(try folder.step("whole", "q1", arguments + ["--output-state", "one"]))
      assertSucceeds(try folder.step("q1", "expected", arguments + ["--state", "one", "--output-state", "t"]))
      for state in [["s"], files.reversed(), ["one"]] {
        assertSucceeds(try folder.step("q1", "out", arguments + ["--output-state", "u", "--state"] + state))
        XCTAssertEqual(try folder.bytes("out"), try folder.bytes("expected"))
        XCTAssertEqual(try folder.bytes("u"), try folder.bytes("t"))
      }
      // An index names files with vectors alone: what has none is in the file behind it.
      try folder.write("s/index.json", #"{"weight_map": {\#(map.joined(separator: ", "))}}"#)
      let run = try folder.step(
        "q1", "out", arguments + ["--output-state", "u", "--state", "s/index.json", files[2]])
      XCTAssertEqual(run.errors, "Warning: s/index.json: does not give the size of all tensors ('total_size')\n")
      XCTAssertEqual(try folder.bytes("u"), try folder.bytes("t"))
    }
  }

  func testFilesOfNoSuffixAreFoundByTheParametersNames() throws {
    try CheckpointFolder.with { folder in
      let (a, b) = (StoredTensor("a", [Float(1)]), StoredTensor("b", [Float(2)]))
      for (name, tensors) in [("x", [a]), ("y", [b]), ("whole", [a, b]), ("g", [a, b])] {
        try folder.write(name, tensors)
      }
      func step(_ from: [String], _ others: [String]) throws {
        assertSucceeds(try folder.run(["step", "--gradients", "g", "--parameters"] + from + Self.rule + others))
      }
      try step(["x", "y"], ["--output-parameters", "p", "--output-state", "s"])
      try folder.write("s/notes", "")
      try step(["p/x", "p/y"], ["--output-parameters", "p2", "--state", "s", "--output-state", "s2"])
      try step(["whole"], ["--steps", "2", "--output-parameters", "expected"])
      XCTAssertEqual(try folder.read("p2/x")["a"], try folder.read("expected")["a"])
      XCTAssertEqual(try folder.read("p2/y")["b"], try folder.read("expected")["b"])
    }
  }

  func testVelocitiesOfAnotherLibraryMayBeCutInAnotherWay() throws {
    try withState { folder in
      let momenta = [StoredTensor("a", [BFloat16(8)]), StoredTensor("b", [BFloat16(-4), 2])]
      try folder.write("one", momenta)
      try folder.write("two", shards: momenta.map { [$0] })
      let arguments = ["--gradients", "g", "--velocity-convention", "pytorch"] + Self.rule
      for (number, velocity) in ["one", "two"].enumerated() {
        assertSucceeds(
          try folder.step(
            "p", "many\(number)", arguments + ["--velocity", velocity, "--output-velocity", "v\(number)"]))
        assertSucceeds(try folder.step("whole", "out\(number)", arguments + ["--velocity", velocity]))
        // v ← 0.5·v + g, p ← p − 0.5·v
        XCTAssertEqual(try folder.read("out\(number)")["b"]?.values(as: Float.self), [2, 1])
        XCTAssertEqual(try folder.read("many\(number)"), try folder.read("out\(number)"))
        XCTAssertEqual(
          try folder.read("v\(number)/m-1.safetensors"), ["a": StoredTensor("a", [Float(5)])])
      }
    }
  }

  /// A state of tensors in two types is in files of one type each.
  func testFilesOfFloatsAndOfDoublesGoOn() throws {
    try CheckpointFolder.with { folder in
      let floats = [StoredTensor("a", [Float(1)]), StoredTensor("b", [Float(2), 3])]
      let doubles = [StoredTensor("x", [4.0]), StoredTensor("y", [5.0])]
      try folder.write("g", floats + doubles)
      try folder.write("two", shards: [floats, doubles])
      try folder.write("four", shards: (doubles + floats).map { [$0] })
      let arguments = ["--gradients", "g", "--clip-global-norm", "2"] + Self.rule
      assertSucceeds(try folder.step("two", "two1", arguments + ["--output-state", "s1"]))
      assertSucceeds(try folder.step("four", "four1", arguments + ["--output-state", "t1"]))
      for patterns in [[], ["--only", "a", "--only", "b"]] {
        let goOn = arguments + patterns
        assertSucceeds(try folder.step("two1", "two2", goOn + ["--state", "s1", "--output-state", "s2"]))
        assertSucceeds(try folder.step("four1", "four2", goOn + ["--state", "t1", "--output-state", "t2"]))
        assertSucceeds(try folder.step("two1", "two3", goOn + ["--state", "t1", "--output-state", "s3"]))
        assertSucceeds(try folder.step("four1", "four3", goOn + ["--state", "s1", "--output-state", "t3"]))
        for (found, expected) in [("two3", "two2"), ("four3", "four2"), ("s3", "s2"), ("t3", "t2")] {
          XCTAssertEqual(try contents(found, in: folder), try contents(expected, in: folder))
        }
        XCTAssertEqual(try folder.read("two2"), try folder.read("four2"))
      }
    }
  }

  // MARK: Errors

  func testFilesThatAreNoStateOfTheParametersAreRefused() throws {
    try withState { folder in
      assertSucceeds(
        try folder.step("p1", "p2", ["--gradients", "g", "--state", "s", "--output-state", "s2"] + Self.rule))
      let a = StoredTensor("a", [Float(1)])
      try folder.write("one", [a])
      try folder.write("small", [a, StoredTensor("c", [Float(4)])])
      try folder.write("other", [a, StoredTensor("b", [Float(2)]), StoredTensor("c", [Float(4)])])
      let (first, second, third) = ("s/m-1.safetensors", "s/m-2.safetensors", "s/m-3.safetensors")
      let table: [(from: String, gradients: String, state: [String], text: String)] = [
        (
          "whole", "g", [first, "s2/m-2.safetensors", third],
          "s2/m-2.safetensors: metadata 'momentum.step' are '2'; expected '1' as in s/m-1.safetensors, since they are files "
            + "of one state"
        ),
        (
          "whole", "g", ["s", second],
          "s/m-2.safetensors: tensor 'velocity/b' is in s/m-2.safetensors too; expected each name once in a set of files"
        ),
        (
          "whole", "g", ["s", third],
          "s/m-3.safetensors: tensor 'c' is in s/m-3.safetensors too; expected each name once in a set of files"
        ),
        (
          "whole", "g", [first, third],
          "s/m-1.safetensors, s/m-3.safetensors: tensor 'b' is missing; expected it as the optimizer and the metadata have it"
        ),
        ("p", "g", [first], "s/m-1.safetensors: tensor 'b' is missing; expected it as the optimizer"),
        ("small", "one", ["s"], "s/m-2.safetensors: tensor 'velocity/b' is unknown; expected only what the optimizer"),
        ("other", "one", ["s"], "s/m-2.safetensors: tensor 'velocity/b' has shape [2]; expected [1]"),
        ("whole", "g", ["p"], "p/m-1.safetensors: metadata 'momentum.stateFormat' are missing; expected '3'"),
        ("whole", "g", ["nothing"], "nothing: could not open it"),
      ]
      for row in table {
        let run = try folder.step(
          row.from, "no",
          ["--gradients", row.gradients, "--output-state", "no-state", "--state"] + row.state + Self.rule)
        assertFails(run, 1, row.text)
        XCTAssertFalse(folder.has("no") || folder.has("no-state"))
      }
    }
  }

  func testAnElementThatIsNotFiniteIsFoundInItsFile() throws {
    try withState { folder in
      let arguments = ["--gradients", "g"] + Self.rule
      assertSucceeds(try folder.step("p", "p1", arguments + ["--output-velocity", "v"]))
      let name = "v/m-2.safetensors"
      let metadata = try SafetensorsFile(path: folder.path(name)).metadata
      try folder.write(name, [StoredTensor("b", [Float(1), .infinity])], metadata: metadata)
      let run = try folder.step("whole", "no", arguments + ["--velocity", "v", "--output-velocity", "w"])
      assertFails(run, 1, "v/m-2.safetensors: velocity of tensor 'b' is inf at index 1; expected finite values")
      XCTAssertFalse(folder.has("no") || folder.has("w"))
    }
  }
}
