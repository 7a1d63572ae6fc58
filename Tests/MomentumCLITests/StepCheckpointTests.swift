import Foundation
import Momentum
import MomentumFiles
import MomentumTestSupport
import XCTest

/// `momentum step` of checkpoints as people have them.
final class StepCheckpointTests: XCTestCase {
  // MARK: Parameters of F32

  func testHoweverACheckpointIsCutStepsHaveTheSameBits() throws {
    try CheckpointFolder.with { folder in
      let model = SteppedModel()
      try model.write(in: folder)
      for (number, others) in [
        SteppedModel.clips, ["--clip-global-norm", "3", "--norm-type", "3"], ["--agc", "0.1", "--nesterov"],
        ["--steps", "3", "--clip-global-norm", "3"],
      ].enumerated() {
        let common = ["--json"] + SteppedModel.rule + others
        let whole = try folder.step("whole", "one", ["--gradients", "g"] + common)
        assertSucceeds(whole)
        let expected = try folder.read("one")
        XCTAssertNotEqual(expected["a"], model.parameters[0][0])
        for (index, gradients) in [["g"], ["grads"], ["grads/m-2.safetensors", "grads/m-1.safetensors", "--shards"]]
          .enumerated()
        {
          let output = "out\(number)-\(index)"
          let run = try folder.step("model", output, ["--gradients"] + gradients + common)
          assertSucceeds(run)
          XCTAssertEqual(run.output, whole.output)
          XCTAssertEqual(try folder.read(output), expected)
        }
        for tensor in [model.parameters[0][1], model.parameters[1][1], model.parameters[2][1]] {
          XCTAssertEqual(expected[tensor.name], tensor)
        }
      }
      let file = try SafetensorsFile(path: folder.path("out0-0/m-2.safetensors"))
      XCTAssertEqual(file.metadata, ["format": "pt", "shard": "2"])
      XCTAssertEqual(
        try folder.names("out0-0"),
        ["m-1.safetensors", "m-2.safetensors", "m-3.safetensors", "model.safetensors.index.json"])
    }
  }

  func testTheStateOfSeveralFilesGoesOnBitForBit() throws { try goOn(["--ema", "0.9"], velocities: .f32) }

  func testVelocitiesInHalfPrecisionGoOnBitForBit() throws { try goOn(["--velocity-type", "bf16"], velocities: .bf16) }

  /// Steps one file and several, each step going on from the state that the last one has left.
  private func goOn(_ options: [String], velocities: SafetensorsDtype) throws {
    try CheckpointFolder.with { folder in
      var model = SteppedModel()
      // The options of state take one optimizer a file.
      model.gradients[1] = StoredTensor("b", model.gradients[1].values(as: Float.self).map { BFloat16($0) })
      try model.write(in: folder)
      let common = options + SteppedModel.rule + SteppedModel.clips
      var (one, many, state) = ("whole", "model", [String]())
      for number in 1...3 {
        let (nextOne, nextMany) = ("one\(number)", "many\(number)")
        let wholeRun = try folder.step(
          one, nextOne,
          ["--gradients", "g", "--output-state", "s\(number)"] + (state.isEmpty ? [] : ["--state", "s\(number - 1)"])
            + common)
        let run = try folder.step(
          many, nextMany,
          ["--gradients", "grads", "--output-state", "states\(number)"] + state + common)
        assertSucceeds(wholeRun)
        assertSucceeds(run)
        XCTAssertEqual(run.output, wholeRun.output)
        XCTAssertEqual(try folder.read(nextMany), try folder.read(nextOne))
        XCTAssertEqual(
          try folder.names("states\(number)"), ["m-1.safetensors", "m-2.safetensors", "m-3.safetensors"])
        let states = try SafetensorsSet(
          paths: folder.names("states\(number)").map { folder.path("states\(number)/\($0)") })
        let whole = try SafetensorsFile(path: folder.path("s\(number)"))
        XCTAssertEqual(Set(states.tensors.map(\.tensor.name)), Set(whole.tensors.map(\.name)))
        XCTAssertTrue(whole.tensors.contains { $0.dtype == velocities })
        for place in states.tensors {
          XCTAssertEqual(
            try place.file.withUnsafeBytes(of: place.tensor.name) { Array($0) },
            try whole.withUnsafeBytes(of: place.tensor.name) { Array($0) }, place.tensor.name)
        }
        (one, many, state) = (nextOne, nextMany, ["--state", "states\(number)"])
      }
      // A state of other files.
      assertSucceeds(
        try folder.step(
          "many1", "crossed", ["--gradients", "grads", "--state", "s1", "--output-state", "states"] + common))
      XCTAssertEqual(try folder.read("crossed"), try folder.read("many2"))
      for name in try folder.names("states2") {
        XCTAssertEqual(try folder.bytes("states/\(name)"), try folder.bytes("states2/\(name)"))
      }
    }
  }

  func testMicroBatchesMayBeCheckpoints() throws {
    try CheckpointFolder.with { folder in
      let model = SteppedModel()
      try model.write(in: folder)
      let wide = model.gradients.map { tensor in
        tensor.dtype == .bf16 ? StoredTensor(tensor.name, tensor.values(as: BFloat16.self).map { Float($0) }) : tensor
      }
      try folder.write("wide", wide)
      let halves = model.gradients.map { tensor in
        tensor.dtype == .f32 ? StoredTensor(tensor.name, tensor.values(as: Float.self).map { BFloat16($0) }) : tensor
      }
      try folder.write("halves", shards: [[halves[0]], [halves[1], halves[2]]])
      let common = ["--accumulate", "sum", "--weights", "1", "2"] + SteppedModel.rule + SteppedModel.clips
      assertSucceeds(try folder.step("whole", "one", ["--gradients", "halves", "wide"] + common))
      assertSucceeds(try folder.step("model", "many", ["--gradients", "halves", "wide"] + common))
      XCTAssertEqual(try folder.read("many"), try folder.read("one"))
    }
  }

  func testPatternsPassBy() throws {
    try CheckpointFolder.with { folder in
      let odd = StoredTensor("w.scale", .f8E4M3, [1, 2])
      try folder.write("p", shards: [[StoredTensor("a", [Float(1)])], [StoredTensor("w.b", [Float(2)]), odd]])
      try folder.write("g", [StoredTensor("a", [Float(1)]), StoredTensor("w.b", [Float(1)])])
      let arguments = ["--gradients", "g", "--learning-rate", "1"]
      assertFails(
        try folder.step("p", "out", arguments), 1, "p/m-2.safetensors: tensor 'w.scale' is of type F8_E4M3; expected")
      let run = try folder.step("p", "out", arguments + ["--skip", "w.*"])
      assertSucceeds(run)
      XCTAssertEqual(run.output, "step 1: norm 1.0\n")
      XCTAssertEqual(
        try folder.read("out"),
        ["a": StoredTensor("a", [Float(0)]), "w.b": StoredTensor("w.b", [Float(2)]), "w.scale": odd])
      assertFails(
        try folder.step("p", "out", arguments + ["--skip", "x"]), 1, "p: has no tensor that the pattern 'x' matches")
    }
  }

  func testIntegersAreNamedAndCopied() throws {
    try CheckpointFolder.with { folder in
      let model = SteppedModel()
      try model.write(in: folder)
      let arguments = ["--gradients", "grads"] + SteppedModel.rule
      let run = try folder.step("model", "out", arguments + ["--json"])
      assertSucceeds(run)
      let output = try XCTUnwrap(JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
      XCTAssertEqual(
        output["skippedTensors"] as? [[String: String]],
        [["name": "ids", "type": "I64"], ["name": "mask", "type": "BOOL"], ["name": "steps", "type": "I64"]])
      XCTAssertEqual(
        try folder.step("model", "out", arguments).output.split(separator: "\n").last,
        "without 3 tensors of integers: 'ids' (I64), 'mask' (BOOL), 'steps' (I64)")
      for tensor in [model.parameters[0][1], model.parameters[2][1]] {
        XCTAssertEqual(try folder.read("out")[tensor.name], tensor)
      }
    }
  }

  /// Of all that is read, once each.
  func testWhatIsUnusualIsShown() throws {
    try CheckpointFolder.with { folder in
      let shards = [[StoredTensor("a", [BFloat16(1)])], [StoredTensor("b", [Float(1)])]]
      let map = #"{"a": "m-1.safetensors", "b": "m-2.safetensors"}"#
      let masters = #"{"a": "m-1.safetensors"}"#
      for (name, map, size) in [("p", map, 6), ("g", map, 6), ("h", map, 6), ("m", masters, 4)] {
        try folder.write(name, shards: name == "m" ? [[StoredTensor("a", [Float(1)])]] : shards)
        try folder.write(
          "\(name)/model.safetensors.index.json",
          #"{"x\#(name)": 1, "metadata": {"total_size": \#(size)}, "weight_map": \#(map)}"#)
      }
      func warnings(_ names: String...) -> String {
        names.map {
          "Warning: \($0)/model.safetensors.index.json: the key 'x\($0)' is not known, and was not looked at\n"
        }.joined()
      }
      let table: [(arguments: [String], expected: String)] = [
        (["--gradients", "g", "--master", "m", "--output-master", "m2"], warnings("p", "g", "m")),
        (["--gradients", "h", "g", "h", "--rounding", "nearest"], warnings("p", "h", "g")),
        (["--gradients", "p", "--rounding", "nearest"], warnings("p")),
      ]
      for row in table {
        let run = try folder.step("p", "out", row.arguments + ["--learning-rate", "1"])
        XCTAssertEqual(run.status, 0)
        XCTAssertEqual(run.errors, row.expected)
      }
    }
  }

  /// Of types whose numbers cannot be computed with, gradients are refused as parameters are.
  func testScaledAndComplexTypesAreRefused() throws {
    try CheckpointFolder.with { folder in
      let a = StoredTensor("a", [Float(1)])
      let dtypes: [SafetensorsDtype] = [
        .f8E4M3, .f8E5M2, .f8E8M0, .f8E4M3FNUZ, .f8E5M2FNUZ, .f6E2M3, .f6E3M2, .f4, .c64,
      ]
      for dtype in dtypes {
        let odd = StoredTensor("odd", dtype, Array(1...24))
        try folder.write("p", [a, odd])
        try folder.write("g", [a, odd])
        try folder.write("wide", [a, StoredTensor("odd", [Float](repeating: 0, count: 192 / dtype.bitWidth))])
        let arguments = ["--gradients", "g", "--learning-rate", "1"]
        for (from, refused) in [("p", "p"), ("wide", "g")] {
          assertFails(
            try folder.step(from, "out", arguments), 1,
            "\(refused): tensor 'odd' is of type \(dtype.rawValue); expected F32, F64, BF16 or F16")
          XCTAssertFalse(folder.has("out"))
        }
        assertSucceeds(try folder.step("p", "out", arguments + ["--skip", "odd"]))
        XCTAssertEqual(try folder.read("out"), ["a": StoredTensor("a", [Float(0)]), "odd": odd])
        try FileManager.default.removeItem(atPath: folder.path("out"))
      }
    }
  }

  // MARK: Failures

  func testWhatIsRefusedWritesNothing() throws {
    try CheckpointFolder.with { folder in
      try folder.write("p", shards: [[StoredTensor("a", [Float(1)])], [StoredTensor("b", [Float(1)])]])
      try folder.write("bad", [StoredTensor("a", [Float(1)]), StoredTensor("b", [Float.nan])])
      try folder.write("other", [StoredTensor("c", [Float(1)])])
      try folder.write("wide", [StoredTensor("a", [1.0])])
      let rate = ["--learning-rate", "1"]
      let table: [(gradients: String, others: [String], text: String)] = [
        ("bad", [], "bad: gradient of tensor 'b' is nan at index 0; expected finite values"),
        ("other", [], "other: tensor 'c' is not in p"),
        ("wide", [], "wide: tensor 'a' is of type F64; expected F32 as in p"),
        ("bad", ["--one-pass", "--non-finite", "zero"], "p: has 2 files; expected one, which the one-pass mode takes"),
      ]
      for row in table {
        assertFails(try folder.step("p", "out", ["--gradients", row.gradients] + rate + row.others), 1, row.text)
        XCTAssertFalse(folder.has("out"))
      }
      let skipped = try folder.step("p", "out", ["--gradients", "bad", "--non-finite", "skip"] + rate)
      XCTAssertEqual(skipped.output, "step 0: norm nan, 1 elements not finite: SKIPPED\n")
      XCTAssertEqual(try folder.read("out"), try folder.read("p"))
    }
  }
}
