import Foundation
import Momentum
import MomentumFiles
import MomentumTestSupport
import XCTest

/// `momentum step` of checkpoints whose parameters are in half precision: with masters, and alone.
final class StepHalfCheckpointTests: XCTestCase {
  private func halves(_ shards: [[StoredTensor]]) -> [[StoredTensor]] {
    shards.map { tensors in
      tensors.map { tensor in
        tensor.dtype == .f32 && tensor.name != "b"
          ? StoredTensor(tensor.name, tensor.values(as: Float.self).map { BFloat16($0) }) : tensor
      }
    }
  }

  func testMastersMoveAsF32AndParametersAreTheirCopies() throws { try mastersMove([]) }

  func testMastersWithVelocitiesInHalfPrecisionMoveAsF32() throws { try mastersMove(["--velocity-type", "bf16"]) }

  private func mastersMove(_ options: [String]) throws {
    try CheckpointFolder.with { folder in
      var model = SteppedModel()
      model.parameters = halves(model.parameters)
      try model.write(in: folder)
      // The masters alone, as parameters of F32.
      try folder.write(
        "wide",
        model.parameters.joined().map { tensor in
          tensor.dtype == .bf16 ? StoredTensor(tensor.name, tensor.values(as: BFloat16.self).map { Float($0) }) : tensor
        })
      let common = ["--gradients", "grads"] + SteppedModel.rule + SteppedModel.clips + options
      var (wide, one, many, masters) = ("wide", "whole", "model", [[String]](repeating: [], count: 2))
      for number in 1...2 {
        let next = (wide: "w\(number)", one: "one\(number)", many: "many\(number)")
        let state = { (name: String) in
          ["--output-state", "\(name)\(number)"] + (number > 1 ? ["--state", "\(name)\(number - 1)"] : [])
        }
        assertSucceeds(try folder.step(wide, next.wide, common + state("sw")))
        assertSucceeds(
          try folder.step(one, next.one, common + state("so") + masters[0] + ["--output-master", "mo\(number)"]))
        assertSucceeds(
          try folder.step(many, next.many, common + state("sm") + masters[1] + ["--output-master", "mm\(number)"]))
        XCTAssertEqual(try folder.read(next.many), try folder.read(next.one))
        let (expected, found) = (try folder.read(next.wide), try folder.read(next.many))
        let master = try folder.read("mm\(number)")
        XCTAssertEqual(master, try folder.read("mo\(number)"))
        XCTAssertEqual(Set(master.keys), ["a", "c", "left"])
        for (name, tensor) in found {
          guard let own = master[name] else {
            XCTAssertEqual(tensor, expected[name])
            continue
          }
          XCTAssertEqual(own, expected[name], name)
          XCTAssertEqual(tensor, StoredTensor(name, own.values(as: Float.self).map { BFloat16($0) }), name)
        }
        XCTAssertEqual(
          try SafetensorsIndex(path: folder.path("mm\(number)/model.safetensors.index.json")).totalSize, 4 * 4010)
        (wide, one, many) = next
        masters = [["--master", "mo\(number)"], ["--master", "mm\(number)"]]
      }
      // Masters may be cut in another way than the parameters.
      try folder.write(
        "pieces",
        shards: [
          [try XCTUnwrap(folder.read("mo1")["c"])], Array(try folder.read("mo1").values.filter { $0.name != "c" }),
        ])
      assertSucceeds(
        try folder.step(
          "many1", "again",
          common + ["--state", "sm1", "--master", "pieces", "--output-master", "pieces2"]))
      XCTAssertEqual(try folder.read("again"), try folder.read("many2"))
      XCTAssertEqual(try folder.read("pieces2"), try folder.read("mm2"))
    }
  }

  /// Norms of a model that has gradients in half precision are measured in one way, whichever clip asks for them, and
  /// however the model is cut.
  func testClipsOfGroupsAndUnitsHoweverACheckpointIsCut() throws {
    try CheckpointFolder.with { folder in
      let model = SteppedModel()
      try model.write(in: folder)
      func configure(_ name: String, _ clipping: String, group: String) throws {
        try folder.write(
          name,
          #"""
          {"rule": {"learningRate": 0.1, "momentum": 0.9}, "clipping": \#(clipping),
           "groups": [{"name": "g", "patterns": ["[ab]"], "clipping": \#(group)}]}
          """#)
      }
      try configure("both", #"{"globalNorm": 12.5}"#, group: #"{"globalNorm": 3}"#)
      try configure("group", "{}", group: #"{"globalNorm": 3, "norm": 2}"#)
      try configure("values", #"{"value": 1}"#, group: #"{"value": 2, "globalNorm": 3}"#)
      let options = [["--config", "both"], ["--config", "group"], ["--config", "values"]]
      for (number, settings)
        in (options + [SteppedModel.rule + ["--clip-norm", "0.5", "--clip-norm-axes", "0", "--clip-global-norm", "1"]])
        .enumerated()
      {
        let whole = try folder.step("whole", "one\(number)", ["--gradients", "g", "--json"] + settings)
        assertSucceeds(whole)
        for (cut, arguments) in [
          ["whole", "--elements-at-once", "1"], ["model"], ["model", "--elements-at-once", "1"],
        ].enumerated() {
          let output = "o\(number)-\(cut)"
          let run = try folder.step(
            arguments[0], output, ["--gradients", "grads", "--json"] + settings + arguments.dropFirst())
          assertSucceeds(run)
          XCTAssertEqual(run.output, whole.output)
          XCTAssertEqual(try folder.read(output), try folder.read("one\(number)"), "\(settings), \(arguments)")
        }
      }
    }
  }

  func testMastersTakeSumsOfMicroBatchesAsParametersOfFloatsDo() throws {
    try CheckpointFolder.with { folder in
      let numbers: [Float] = [1, -2, 0.5, 3]
      try folder.write(
        "p", shards: [[StoredTensor("a", numbers.map { BFloat16($0) })], [StoredTensor("b", [BFloat16(8)])]])
      try folder.write("wide", shards: [[StoredTensor("a", numbers)], [StoredTensor("b", [Float(8)])]])
      for (name, factor) in [("g", Float(1.7)), ("h", -0.3)] {
        try folder.write(
          name, [StoredTensor("a", numbers.map { BFloat16(factor * $0) }), StoredTensor("b", [BFloat16(factor)])])
      }
      let common = ["--gradients", "g", "h", "--weights", "3", "1", "--clip-global-norm", "1.5"] + SteppedModel.rule
      let wide = try folder.step("wide", "expected", common)
      let run = try folder.step("p", "out", common + ["--output-master", "m"])
      assertSucceeds(run)
      XCTAssertEqual(run.output, wide.output)
      XCTAssertEqual(try folder.read("m"), try folder.read("expected"))
      XCTAssertEqual(
        try folder.read("out")["a"],
        StoredTensor("a", try XCTUnwrap(folder.read("m")["a"]).values(as: Float.self).map { BFloat16($0) }))
      XCTAssertNotEqual(try folder.read("m")["a"], StoredTensor("a", numbers))
    }
  }

  /// A run of PyTorch's whose momenta are of the parameters' type goes on with masters.
  func testMomentaOfPyTorchInHalfPrecisionGoOnWithMasters() throws {
    try CheckpointFolder.with { folder in
      try folder.write("p", shards: [[StoredTensor("a", [BFloat16(1), 2])], [StoredTensor("b", [BFloat16(3)])]])
      try folder.write("m", [StoredTensor("a", [Float(1.001), 2]), StoredTensor("b", [Float(3)])])
      try folder.write("g", [StoredTensor("a", [BFloat16(3), 4]), StoredTensor("b", [BFloat16(1)])])
      try folder.write("momenta/m-1.safetensors", [StoredTensor("a", [BFloat16(8), -4])])
      // Of a tensor that has not been stepped yet.
      try folder.write("momenta/m-2.safetensors", [StoredTensor("b", [BFloat16(0)])])
      assertSucceeds(
        try folder.step(
          "p", "out",
          [
            "--gradients", "g", "--learning-rate", "0.5", "--momentum", "0.5", "--master", "m", "--output-master", "m2",
            "--velocity", "momenta", "--velocity-convention", "pytorch", "--output-velocity", "v",
          ]))
      // v ← 0.5·v + g, p ← p − 0.5·v
      XCTAssertEqual(try folder.read("v/m-1.safetensors"), ["a": StoredTensor("a", [Float(7), 2])])
      XCTAssertEqual(try folder.read("v/m-2.safetensors"), ["b": StoredTensor("b", [Float(1)])])
      let masters = [Float(1.001) - 3.5, 1]
      XCTAssertEqual(
        try folder.read("m2"), ["a": StoredTensor("a", masters), "b": StoredTensor("b", [Float(2.5)])])
      XCTAssertEqual(
        try folder.read("out"),
        ["a": StoredTensor("a", masters.map { BFloat16($0) }), "b": StoredTensor("b", [BFloat16(2.5)])])
    }
  }

  /// DeepSpeed's script widens every tensor of a model: tied weights under both of their names, and buffers of integers.
  func testMastersThatNoParameterHasAreSkipped() throws {
    try CheckpointFolder.with { folder in
      let others = [StoredTensor("mean", [Float(2)]), StoredTensor("steps", .i64, Array(1...8))]
      try folder.write("p", [StoredTensor("a", [BFloat16(1)])] + others)
      try folder.write(
        "masters",
        shards: [
          [StoredTensor("a", [Float(1.25)]), others[0]],
          [StoredTensor("tied", [Float(1)]), StoredTensor("steps", [Float(3)])],
        ])
      try folder.write("g", [StoredTensor("a", [Float(1)])])
      let arguments = ["--gradients", "g", "--learning-rate", "1", "--master", "masters", "--output-master", "m"]
      for (skipped, refused) in [("tied", "steps"), ("steps", "tied")] {
        assertFails(
          try folder.step("p", "out", arguments + ["--skip", skipped]), 1,
          "masters/m-2.safetensors: tensor '\(refused)' is not of BF16, F16 or F32 in p")
      }
      assertFails(
        try folder.step("p", "out", arguments + ["--skip", "none"]), 1,
        "p, masters: have no tensor that the pattern 'none' matches")
      assertSucceeds(try folder.step("p", "out", arguments + ["--skip", "steps", "--skip", "tied"]))
      XCTAssertEqual(
        try folder.read("out"), ["a": StoredTensor("a", [BFloat16(0.25)]), "mean": others[0], "steps": others[1]])
      XCTAssertEqual(try folder.read("m"), ["a": StoredTensor("a", [Float(0.25)]), "mean": others[0]])
    }
  }

  /// Of the masters of tensors that are passed by, the files that are written over may be the only ones.
  func testMastersOfWhatIsPassedByAreCopied() throws {
    try CheckpointFolder.with { folder in
      let halves = [StoredTensor("a", [BFloat16(1), 2]), StoredTensor("b", [BFloat16(3)])]
      let masters = [StoredTensor("a", [Float(1.001), 2.001]), StoredTensor("b", [Float(3.001)])]
      let rest = StoredTensor("c", [BFloat16(4)])
      try folder.write("g", halves)
      for limit in ["1", "1000"] {
        try folder.write("p", shards: [halves, [rest]])
        try folder.write("m", shards: [masters, [StoredTensor("c", [Float(4.001)])]])
        try folder.write("one", halves)
        try folder.write("own", masters)
        for (from, master, tensors) in [("p", "m", halves + [rest]), ("one", "own", halves)] {
          assertSucceeds(
            try folder.step(
              from, from,
              [
                "--gradients", "g", "--only", "a", "--learning-rate", "1", "--elements-at-once", limit, "--master",
                master,
                "--output-master", master,
              ]))
          let (stepped, moved) = (try folder.read(from), try folder.read(master))
          XCTAssertEqual(moved["a"], StoredTensor("a", [Float(1.001) - 1, Float(2.001) - 2]), limit)
          XCTAssertEqual(moved["b"], masters[1], limit)
          XCTAssertEqual(moved["c"], from == "p" ? StoredTensor("c", [Float(4.001)]) : nil, limit)
          XCTAssertEqual(moved.count, tensors.count, limit)
          for tensor in tensors where tensor.name != "a" { XCTAssertEqual(stepped[tensor.name], tensor, limit) }
        }
      }
      try folder.write("wrong", [masters[0], StoredTensor("b", [Float(3), 3])])
      assertFails(
        try folder.step(
          "one", "out",
          ["--gradients", "g", "--only", "a", "--learning-rate", "1", "--master", "wrong", "--output-master", "m2"]), 1,
        "wrong: tensor 'b' has shape [2]; expected [1] as in one")
    }
  }

  func testWhatOverflowsIsTold() throws {
    try CheckpointFolder.with { folder in
      try folder.write("g", [StoredTensor("a", [Float(-1e36), 0, -1e36])])
      try folder.write("p", [StoredTensor("a", [BFloat16.greatestFiniteMagnitude, 1, .greatestFiniteMagnitude])])
      for options in [["--rounding", "nearest"], ["--rounding", "stochastic"], ["--output-master", "m"]] {
        let common = ["--gradients", "g", "--learning-rate", "1"] + options
        let run = try folder.step("p", "out", common)
        assertSucceeds(run)
        XCTAssertTrue(run.output.hasSuffix(": 2 elements overflowed half precision\n"), run.output)
        XCTAssertEqual(try folder.read("out")["a"], StoredTensor("a", [BFloat16.infinity, 1, .infinity]))
        let saturated = try folder.step("p", "largest", common + ["--overflow", "saturate"])
        XCTAssertEqual(saturated.output, run.output)
        XCTAssertEqual(
          try folder.read("largest")["a"],
          StoredTensor("a", [BFloat16.greatestFiniteMagnitude, 1, .greatestFiniteMagnitude]))
        let json = try folder.step("p", "out", common + ["--json"])
        XCTAssertTrue(json.output.contains("\"overflowedElements\" : 2,"), json.output)
      }
      let usual = try folder.step("p", "out", ["--gradients", "g", "--learning-rate", "0", "--rounding", "nearest"])
      XCTAssertFalse(usual.output.contains("overflowed"), usual.output)
    }
  }

  func testSumsOfMicroBatchesAreRoundedAtRandomAsTheirSumIs() throws {
    try CheckpointFolder.with { folder in
      var random = SeededGenerator(seed: 23)
      let numbers: [[Float]] = (0..<3).map { _ in random.numbers(3000) }
      func halves(_ numbers: [Float]) -> [BFloat16] { numbers.map { BFloat16($0) } }
      let tensors = [StoredTensor("a", halves(numbers[0])), StoredTensor("b", halves(Array(numbers[0].prefix(500))))]
      try folder.write("whole", tensors)
      try folder.write("p", shards: [[tensors[0]], [tensors[1]]])
      for (name, own) in [("g", numbers[1]), ("h", numbers[2])] {
        try folder.write(
          name, [StoredTensor("a", halves(own)), StoredTensor("b", halves(Array(own.prefix(500))))])
      }
      let sum = zip(halves(numbers[1]), halves(numbers[2])).map { Float($0) + Float($1) }
      try folder.write("sum", [StoredTensor("a", sum), StoredTensor("b", Array(sum.prefix(500)))])
      let rule = ["--learning-rate", "0.001", "--rounding", "stochastic", "--seed", "7"]
      let parts = ["--gradients", "g", "h", "--accumulate", "sum"] + rule
      assertSucceeds(try folder.step("whole", "expected", ["--gradients", "sum"] + rule))
      let expected = try folder.read("expected")
      XCTAssertNotEqual(expected["a"], tensors[0])
      for (from, options) in [
        ("whole", []), ("p", []), ("whole", ["--elements-at-once", "1", "--threads", "1"]),
        ("p", ["--elements-at-once", "1", "--threads", "3"]),
      ] as [(String, [String])] {
        let run = try folder.step(from, "out-" + from, parts + options)
        assertSucceeds(run)
        XCTAssertEqual(try folder.read("out-" + from), expected, "\(from) \(options)")
      }
      let other = parts.map { $0 == "7" ? "8" : $0 }
      assertSucceeds(try folder.step("whole", "other", other))
      XCTAssertNotEqual(try folder.read("other"), expected)
    }
  }

  /// In each micro-batch every tensor may have its own type.
  func testSumsOfMixedMicroBatchesAreThoseOfFloats() throws {
    try CheckpointFolder.with { folder in
      var random = SeededGenerator(seed: 29)
      func halves(_ numbers: [Float]) -> [BFloat16] { numbers.map { BFloat16($0) } }
      let numbers: [[Float]] = (0..<4).map { _ in halves(random.numbers(2000)).map { Float($0) } }
      let norm = StoredTensor("n", Array(numbers[3].prefix(20)))
      try folder.write("p", [StoredTensor("a", halves(numbers[0])), norm])
      try folder.write("wide", [StoredTensor("a", numbers[0]), norm])
      for (name, own) in [("g", numbers[1]), ("h", numbers[2])] {
        try folder.write(name, [StoredTensor("a", halves(own)), norm])
        try folder.write("wide-" + name, [StoredTensor("a", own), norm])
      }
      let common = ["--weights", "2", "1"] + SteppedModel.rule
      let masters = ["--output-master", "m"]
      for (from, expected, options) in [("p", "m", masters), ("wide", "out", [])] {
        for limit in ["1", "100000"] {
          assertSucceeds(
            try folder.step(
              from, "out", ["--gradients", "g", "h", "--elements-at-once", limit] + common + options))
          assertSucceeds(try folder.step("wide", "all", ["--gradients", "wide-g", "wide-h"] + common))
          XCTAssertEqual(try folder.read(expected)["a"], try folder.read("all")["a"], from + limit)
          XCTAssertEqual(try folder.read("out")["n"], try folder.read("all")["n"], from + limit)
        }
      }
    }
  }

  func testParametersAloneAreRounded() throws {
    try CheckpointFolder.with { folder in
      let (one, small) = ([BFloat16](repeating: 1, count: 4096), [BFloat16](repeating: 0.01, count: 4096))
      try folder.write("p", shards: [[StoredTensor("a", one)], [StoredTensor("b", one)]])
      try folder.write("whole", [StoredTensor("a", one), StoredTensor("b", one)])
      try folder.write("g", [StoredTensor("a", small), StoredTensor("b", small)])
      let common = ["--gradients", "g", "--learning-rate", "0.01"]
      let stuck = try folder.step("p", "stuck", common + ["--rounding", "nearest"])
      assertSucceeds(stuck)
      XCTAssertTrue(stuck.output.hasSuffix(": 8192 updates lost to rounding\n"), stuck.output)
      XCTAssertEqual(try folder.read("stuck"), try folder.read("p"))
      for seed in ["1", "2"] {
        let stochastic = common + ["--rounding", "stochastic", "--seed", seed]
        assertSucceeds(try folder.step("p", "out\(seed)", stochastic))
        assertSucceeds(try folder.step("whole", "one\(seed)", stochastic))
        XCTAssertEqual(try folder.read("out\(seed)"), try folder.read("one\(seed)"))
        let moved = try XCTUnwrap(folder.read("out\(seed)")["a"]).values(as: BFloat16.self).count { $0 != 1 }
        // Each moves by 2⁻⁸ with a probability of 0.0001 / 2⁻⁸.
        XCTAssertTrue((50...160).contains(moved), "\(moved)")
      }
      XCTAssertNotEqual(try folder.read("out1"), try folder.read("out2"))
    }
  }

  func testWhatHalfParametersRefuse() throws {
    try CheckpointFolder.with { folder in
      try folder.write("p", [StoredTensor("a", [BFloat16(1)]), StoredTensor("b", [Float(1)])])
      try folder.write("f16", [StoredTensor("a", .f16, [0, 0x3c])])
      try folder.write("wide", [StoredTensor("a", [Float(1)]), StoredTensor("b", [Float(1)])])
      try folder.write("g", [StoredTensor("a", [Float(1)])])
      let table: [(from: String, arguments: [String], status: Int32, text: String)] = [
        (
          "p", [], 1,
          "p: tensor 'a' is of type BF16; expected --rounding nearest or stochastic with it, or --output-master"
        ),
        ("f16", ["--rounding", "nearest"], 1, "f16: tensor 'a' is of type F16; expected BF16, which --rounding takes"),
        (
          "wide", ["--rounding", "nearest"], 1,
          "wide: has no tensor in half precision; expected BF16 or F16, or no --rounding"
        ),
        ("p", ["--master", "g"], 64, "--master needs --output-master"),
        (
          "wide", ["--overflow", "saturate"], 1,
          "wide: has no tensor in half precision; expected BF16 or F16, or no --overflow"
        ),
        ("p", ["--seed", "1"], 64, "--seed needs --rounding stochastic"),
        (
          "p", ["--rounding", "nearest", "--output-master", "m"], 64, "--rounding cannot be given with --output-master"
        ),
        ("f16", ["--master", "wide", "--output-master", "m"], 1, "wide: tensor 'b' is not of BF16, F16 or F32 in f16"),
        (
          "p", ["--master", "p", "--output-master", "m"], 1,
          "p: tensor 'a' is of type BF16; expected F32, as masters are"
        ),
        ("p", ["--output-master", "out"], 64, "--output-parameters and --output-master name the same file"),
      ]
      for row in table {
        let run = try folder.step(row.from, "out", ["--gradients", "g", "--learning-rate", "1"] + row.arguments)
        assertFails(run, row.status, row.text)
        XCTAssertFalse(folder.has("out"))
      }
      #if !(os(macOS) && arch(x86_64))
        assertSucceeds(
          try folder.step("f16", "out", ["--gradients", "g", "--learning-rate", "0.5", "--output-master", "m"]))
        XCTAssertEqual(try folder.read("out")["a"], StoredTensor("a", .f16, [0, 0x38]))
        XCTAssertEqual(try folder.read("m")["a"], StoredTensor("a", [Float(0.5)]))
      #endif
    }
  }
}
