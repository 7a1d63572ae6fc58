import Foundation
import Momentum
import MomentumFiles
import MomentumTestSupport
import XCTest

/// `momentum clip` of checkpoints as people have them.
final class ClipCheckpointTests: XCTestCase {
  private static let clips = ["--clip-value", "2", "--clip-norm", "60", "--clip-global-norm", "12.5"]

  /// Tensors of several types in three shards.
  private func shards() -> [[StoredTensor]] {
    var random = SeededGenerator(seed: 16)
    let (a, b, c): ([Float], [Float], [Float]) = (random.numbers(3000), random.numbers(2000), random.numbers(1000))
    return [
      [
        StoredTensor("a", a.map { BFloat16(4 * $0) }), StoredTensor("ids", .i64, Array(0..<64)),
        StoredTensor("mask", .bool, [1, 0, 1]),
      ],
      [StoredTensor("b", b), StoredTensor("d", [3.0, -4.0])],
      [StoredTensor("c", c.map { BFloat16($0) }), StoredTensor("scales", .u8, [255, 0])],
    ]
  }

  /// What was measured and clipped.
  private func steps(_ run: CommandRun) throws -> NSArray {
    let output = try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any]
    return try XCTUnwrap(output?["steps"] as? NSArray)
  }

  func testACheckpointKeepsItsFilesAndHasTheBitsOfOneFile() throws {
    try CheckpointFolder.with { folder in
      let shards = shards()
      try folder.write("model", shards: shards)
      try folder.write("whole.safetensors", Array(shards.joined()))
      let arguments = ["--json"] + Self.clips
      let whole = try folder.run(
        ["clip", "--gradients", "whole.safetensors", "--output", "one.safetensors"] + arguments)
      assertSucceeds(whole)
      let files = (1...3).map { "m-\($0).safetensors" }
      let expected = try folder.read("one.safetensors")
      for (index, input) in [
        ["model"], ["model/model.safetensors.index.json"], files.map { "model/\($0)" },
      ].enumerated() {
        let output = "out\(index)/deep"
        let run = try folder.run(["clip", "--gradients"] + input + ["--output", output] + arguments)
        assertSucceeds(run)
        XCTAssertEqual(try steps(run), try steps(whole))
        let hasIndex = index < 2
        XCTAssertEqual(try folder.names(output), files + (hasIndex ? ["model.safetensors.index.json"] : []))
        for (number, file) in files.enumerated() {
          let opened = try SafetensorsFile(path: folder.path("\(output)/\(file)"))
          XCTAssertEqual(opened.metadata, ["format": "pt", "shard": "\(number + 1)"])
          XCTAssertEqual(Set(opened.tensors.map(\.name)), Set(shards[number].map(\.name)))
          for tensor in opened.tensors {
            XCTAssertEqual(
              try opened.withUnsafeBytes(of: tensor.name) { Array($0) }, expected[tensor.name]?.bytes, tensor.name)
          }
        }
        guard hasIndex else { continue }
        XCTAssertEqual(try folder.read(output), expected)
        let (old, new) = ("model", output)
        let indices = try [old, new].map {
          try SafetensorsIndex(path: folder.path("\($0)/model.safetensors.index.json"))
        }
        XCTAssertEqual(indices[0], indices[1])
      }
      // Something was clipped, and integers were not touched.
      XCTAssertNotEqual(expected["a"], shards[0][0])
      for tensor in [shards[0][1], shards[0][2], shards[2][1]] { XCTAssertEqual(expected[tensor.name], tensor) }
      let output = try XCTUnwrap(JSONSerialization.jsonObject(with: Data(whole.output.utf8)) as? [String: Any])
      let skipped = try XCTUnwrap(output["skippedTensors"] as? [[String: String]])
      XCTAssertEqual(Set(skipped.compactMap { $0["name"] }), ["ids", "mask", "scales"])
      XCTAssertEqual(
        try folder.run(["clip", "--gradients", "model", "--output", "out0/deep", "--clip-global-norm", "1e9"]).output
          .split(separator: "\n").last, "without 3 tensors of integers: 'ids' (I64), 'mask' (BOOL), 'scales' (U8)")
    }
  }

  func testTheFolderOfTheGradientsCanBeTheOutput() throws {
    try CheckpointFolder.with { folder in
      try folder.write("model", shards: shards())
      try folder.write("copy", shards: shards())
      assertSucceeds(try folder.run(["clip", "--gradients", "model", "--output", "out"] + Self.clips))
      assertSucceeds(try folder.run(["clip", "--gradients", "copy", "--output", "copy"] + Self.clips))
      XCTAssertEqual(try folder.read("copy"), try folder.read("out"))
      XCTAssertEqual(try folder.names("copy").count, 4)
    }
  }

  func testWhatOverflowsMaySaturate() throws {
    try CheckpointFolder.with { folder in
      // Times 1.0024 they exceed BFloat16, but not Float.
      let numbers = [BFloat16.greatestFiniteMagnitude, BFloat16(bitPattern: 0xff7f), 1]
      try folder.write("g", [StoredTensor("a", numbers)])
      try folder.write("shards", shards: [[StoredTensor("a", numbers)], [StoredTensor("b", [Float(0)])]])
      try Data(#"{"rule": {"learningRate": 1}, "clipping": {"targetNorm": 4.805e38}}"#.utf8).write(
        to: URL(fileURLWithPath: folder.path("settings")))
      let largest = BFloat16.greatestFiniteMagnitude
      for (options, expected) in [
        ([], BFloat16.infinity), (["--overflow", "infinity"], .infinity), (["--overflow", "saturate"], largest),
      ] {
        for gradients in ["g", "shards"] {
          let run = try folder.run(
            ["clip", "--gradients", gradients, "--output", "out-\(gradients)", "--config", "settings", "--json"]
              + options)
          assertSucceeds(run)
          XCTAssertTrue(run.output.contains("\"overflowedElements\" : 2"), run.output)
          let found = try XCTUnwrap(folder.read("out-\(gradients)")["a"]).values(as: BFloat16.self)
          XCTAssertEqual(Array(found[..<2]), [expected, BFloat16(bitPattern: expected.bitPattern | 0x8000)])
        }
      }
      assertFails(
        try folder.run([
          "clip", "--gradients", "g", "--output", "none", "--clip-global-norm", "1", "--output-type", "f32",
          "--overflow", "saturate",
        ]), 64, "--overflow cannot be given with --output-type f32, which rounds nothing to half precision")
      try folder.write("floats", [StoredTensor("a", [Float(1)])])
      assertFails(
        try folder.run([
          "clip", "--gradients", "floats", "--output", "none", "--clip-global-norm", "1", "--overflow", "saturate",
        ]), 1, "floats: has no tensor in half precision; expected BF16 or F16, or no --overflow")
      XCTAssertFalse(FileManager.default.fileExists(atPath: folder.path("none")))
    }
  }

  /// In whichever part they are, and of whichever types.
  func testWhatOverflowsIsCountedInAllParts() throws {
    try CheckpointFolder.with { folder in
      let (a, b) = (StoredTensor("a", [BFloat16.greatestFiniteMagnitude, 1]), StoredTensor("b", [Float(0)]))
      let c = StoredTensor("c", [BFloat16(bitPattern: 0xff7f)])
      var checkpoints = [[[a, c], [b]], [[b], [a, c]], [[a], [b], [c]], [[b, c], [a]], [[b], [c], [a]]]
      #if os(macOS) && arch(x86_64)
        let count = 2
      #else
        // The largest number of Float16, which changes no digit of the norm.
        let h = StoredTensor("h", .f16, [0xff, 0x7b])
        let count = 3
        checkpoints = checkpoints.flatMap { [[[h]] + $0, $0 + [[h]]] }
        checkpoints += [[[a, b, c, h]], [[a, h], [c, b]]]
      #endif
      try folder.write("settings", #"{"rule": {"learningRate": 1}, "clipping": {"targetNorm": 4.805e38}}"#)
      for shards in checkpoints {
        let what = "\(shards.map { $0.map(\.name) })"
        try folder.write("g", shards: shards)
        let arguments = ["clip", "--gradients", "g", "--output", "out", "--config", "settings"]
        let run = try folder.run(arguments + ["--json"])
        assertSucceeds(run)
        let step = try XCTUnwrap(steps(run)[0] as? [String: Any])
        XCTAssertEqual(step["overflowedElements"] as? Int, count, what)
        let lines = try folder.run(arguments).output.split(separator: "\n")
        XCTAssertEqual(lines.count, 2, what)
        XCTAssertTrue(lines[0].hasPrefix("norm 4.79"), what)
        XCTAssertEqual(lines.last, "\(count) elements overflowed half precision", what)
        // As clipped elements of F32 nothing does.
        XCTAssertEqual(try folder.run(arguments + ["--output-type", "f32"]).output, "\(lines[0])\n", what)
      }
    }
  }

  func testHalvesAsFloatsAreNotRounded() throws {
    try CheckpointFolder.with { folder in
      try folder.write("g", shards: [[StoredTensor("a", [BFloat16(3), 4])], [StoredTensor("b", [Float(0)])]])
      let arguments = ["--clip-global-norm", "4.9", "--output-type"]
      assertSucceeds(try folder.run(["clip", "--gradients", "g", "--output", "wide"] + arguments + ["f32"]))
      assertSucceeds(try folder.run(["clip", "--gradients", "g", "--output", "same"] + arguments + ["same"]))
      let factor = Float(4.9 / 5)
      XCTAssertEqual(try folder.read("wide")["a"], StoredTensor("a", [3 * factor, 4 * factor]))
      XCTAssertEqual(try folder.read("same")["a"], StoredTensor("a", [BFloat16(3 * factor), BFloat16(4 * factor)]))
      XCTAssertEqual(
        try SafetensorsIndex(path: folder.path("wide/model.safetensors.index.json")).totalSize, 12)
      // One file of one type, and a norm that is given.
      try folder.write("one", [StoredTensor("a", [BFloat16(3), 4])])
      for others in [[], ["--total-norm", "5"]] {
        assertSucceeds(
          try folder.run(["clip", "--gradients", "one", "--output", "two"] + arguments + ["f32"] + others))
        XCTAssertEqual(try folder.read("two")["a"], StoredTensor("a", [3 * factor, 4 * factor]))
      }
    }
  }

  /// Halves that become F32 are clipped by the norms that they have as halves.
  func testHalvesAsFloatsAreMeasuredAsHalves() throws {
    try CheckpointFolder.with { folder in
      var random = SeededGenerator(seed: 81)
      let tensors: [[BFloat16]] = (0..<40).map { _ in random.halves(300) }
      try folder.write("g", tensors.enumerated().map { StoredTensor("t\($0)", $1) })
      assertSucceeds(
        try folder.run(["clip", "--gradients", "g", "--output", "o", "--output-type", "f32", "--clip-norm", "0.5"]))
      let clipped = try folder.read("o")
      for (index, tensor) in tensors.enumerated() {
        var expected = try ParameterVector(tensor.map(\.float))
        try Gradients.clip(&expected, by: GradientClipping(tensor: .norm(0.5), algorithm: .portable))
        XCTAssertEqual(clipped["t\(index)"], StoredTensor("t\(index)", (0..<300).map { expected[$0] }), "\(index)")
      }
    }
  }

  func testOfScaledTypesOnlyWhatIsSkippedIsCopied() throws {
    try CheckpointFolder.with { folder in
      let dtypes: [SafetensorsDtype] = [
        .f8E4M3, .f8E5M2, .f8E8M0, .f8E4M3FNUZ, .f8E5M2FNUZ, .f6E2M3, .f6E3M2, .f4, .c64,
      ]
      for dtype in dtypes {
        let odd = StoredTensor("odd", dtype, Array(1...24))
        try folder.write("g", shards: [[StoredTensor("a", [Float(3), 4])], [odd, StoredTensor("b", [Float(12)])]])
        let arguments = ["clip", "--gradients", "g", "--output", "out\(dtype.rawValue)", "--clip-global-norm", "2.5"]
        assertFails(
          try folder.run(arguments), 1,
          "g/m-2.safetensors: tensor 'odd' is of type \(dtype.rawValue); expected F32, F64, BF16 or F16")
        XCTAssertFalse(folder.has("out\(dtype.rawValue)"))
        let run = try folder.run(arguments + ["--skip", "o*", "--skip", "b"])
        assertSucceeds(run)
        XCTAssertEqual(run.output, "norm 5.0, clipped by 0.5\n")
        XCTAssertEqual(
          try folder.read("out\(dtype.rawValue)"),
          ["a": StoredTensor("a", [Float(1.5), 2]), "b": StoredTensor("b", [Float(12)]), "odd": odd])
      }
    }
  }

  func testWhatIsRefusedWritesNothing() throws {
    try CheckpointFolder.with { folder in
      try folder.write("g", shards: [[StoredTensor("a", [Float(3)])], [StoredTensor("b", [Float.nan])]])
      let clip = ["--clip-global-norm", "1"]
      assertFails(
        try folder.run(["clip", "--gradients", "g", "--output", "out"] + clip), 1,
        "g: gradient of tensor 'b' is nan at index 0; expected finite values")
      XCTAssertFalse(folder.has("out"))
      try folder.write("file", "text")
      assertFails(
        try folder.run(["clip", "--gradients", "g", "--output", "file"] + clip), 1,
        "file: is no folder; expected one, for 2 files")
      assertFails(
        try folder.run(["clip", "--gradients", "g", "--output", "-"] + clip), 1,
        "-: is standard output, which takes one file; expected a folder for 2 files and their index")
      try folder.write("h/m-1.safetensors", [StoredTensor("c", [Float(3)])])
      assertFails(
        try folder.run(
          ["clip", "--gradients", "g/m-1.safetensors", "h/m-1.safetensors", "--output", "out"] + clip), 1,
        "out/m-1.safetensors: is the target of two files written together; expected different paths")
      for option in [["--output-type", "f32"], ["--only", "a"]] {
        assertFails(
          try folder.run(["clip", "--gradients", "g", "--output", "out", "--per-example"] + clip + option), 64,
          "\(option[0]) cannot be given with --per-example")
      }
      // Where the last file cannot be written, the others are as they were.
      try FileManager.default.createDirectory(
        atPath: folder.path("out/model.safetensors.index.json"), withIntermediateDirectories: true)
      assertFails(
        try folder.run(["clip", "--gradients", "g", "--output", "out", "--non-finite", "zero"] + clip), 1,
        "out/model.safetensors.index.json: is a directory; expected a regular file")
      XCTAssertEqual(try folder.names("out"), ["model.safetensors.index.json"])
      #if os(Linux)
        // Nobody can make a folder there, not even the superuser.
        assertFails(
          try folder.run(["clip", "--gradients", "g", "--output", "/proc/none/out", "--non-finite", "zero"] + clip), 1,
          "/proc/none: could not make the folder")
      #endif
    }
  }
}
