import Foundation
import MomentumFiles
import MomentumTestSupport
import XCTest

/// `momentum norm` of checkpoints as people have them.
final class NormCheckpointTests: XCTestCase {
  private func json(_ arguments: [String], in folder: TensorFolder<Float>) throws -> [String: Any] {
    let run = try folder.run(["norm", "--json"] + arguments)
    assertSucceeds(run)
    return try XCTUnwrap(JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
  }

  /// Three tensors in one file, and the same in the shards of an index.
  private func withCheckpoint(_ body: (TensorFolder<Float>) throws -> Void) throws {
    try TensorFolder<Float>.with { folder in
      let tensors: [String: [Float]] = [
        "a.weight": (0..<3000).map { Float($0) * 0.1 }, "a.bias": [3, 4],
        "b.weight": [Float](repeating: 0.3, count: 5000),
      ]
      try FileManager.default.createDirectory(atPath: folder.path("model"), withIntermediateDirectories: true)
      try folder.write("whole.safetensors", tensors)
      try folder.write("model/m-1-of-2.safetensors", tensors.filter { $0.key != "b.weight" })
      try folder.write("model/m-2-of-2.safetensors", tensors.filter { $0.key == "b.weight" })
      try folder.write(
        "model/model.safetensors.index.json",
        json: """
          {"metadata": {"total_size": 32008}, "weight_map": {"a.weight": "m-1-of-2.safetensors", \
          "a.bias": "m-1-of-2.safetensors", "b.weight": "m-2-of-2.safetensors"}}
          """)
      try body(folder)
    }
  }

  func testTheSameBitsHoweverTheCheckpointIsCut() throws {
    try withCheckpoint { folder in
      let expected = try json(["whole.safetensors"], in: folder)["totalNormHex"] as? String
      XCTAssertNotNil(expected)
      let shards = ["model/m-1-of-2.safetensors", "model/m-2-of-2.safetensors"]
      for paths in [["model"], ["model/model.safetensors.index.json"], shards, shards.reversed()] {
        for threads in ["1", "2"] {
          let output = try json(paths + ["--threads", threads], in: folder)
          XCTAssertEqual(output["totalNormHex"] as? String, expected, "\(paths)")
          XCTAssertNil(output["skippedTensors"])
        }
      }
    }
  }

  func testPatterns() throws {
    try withCheckpoint { folder in
      XCTAssertEqual(try folder.run(["norm", "model", "--only", "*.bias"]).output, "norm 5.0  0x1.4p+2\n")
      XCTAssertEqual(
        try folder.run(["norm", "model", "--only", "a.*", "--only", "b.*", "--skip", "*.weight"]).output,
        "norm 5.0  0x1.4p+2\n")
      assertFails(
        try folder.run(["norm", "model", "--skip", "c.*"]), 1, "model: has no tensor that the pattern 'c.*' matches")
      let named = try json(["model", "--per-tensor", "--only", "a.*"], in: folder)["tensors"] as? [[String: Any]]
      XCTAssertEqual(Set((named ?? []).compactMap { $0["name"] as? String }), ["a.weight", "a.bias"])
    }
  }

  func testWarningsGoBesideTheResult() throws {
    try withCheckpoint { folder in
      try folder.write(
        "model/model.safetensors.index.json", json: #"{"weight_map": {"b.weight": "m-2-of-2.safetensors"}, "x": 1}"#)
      let run = try folder.run(["norm", "model"])
      XCTAssertEqual(run.status, 0)
      XCTAssertTrue(run.output.hasPrefix("norm 21.2"), run.output)
      XCTAssertEqual(
        run.errors,
        """
        Warning: model/model.safetensors.index.json: does not give the size of all tensors ('total_size')
        Warning: model/model.safetensors.index.json: the key 'x' is not known, and was not looked at

        """)
    }
  }

  func testWhatIsMissingIsNamed() throws {
    try withCheckpoint { folder in
      try FileManager.default.removeItem(atPath: folder.path("model/m-2-of-2.safetensors"))
      assertFails(
        try folder.run(["norm", "model"]), 1,
        "Error: model/model.safetensors.index.json: 1 of 2 shards is missing: 'm-2-of-2.safetensors'\n")
      assertFails(try folder.run(["norm", "model", "-"]), 1, "is standard input")
    }
  }

  func testIntegersArePassedByAndScaledTypesRefused() throws {
    try TensorFolder<Float>.with { folder in
      func write(_ name: String, _ dtype: SafetensorsDtype, _ bytes: [UInt8]) throws {
        let values: [Float] = [3, 4]
        try values.withUnsafeBufferPointer { values in
          try bytes.withUnsafeBytes { bytes in
            var writer = SafetensorsWriter(path: folder.path(name))
            try writer.add("w", shape: [2], values: values)
            try writer.add("position\n", dtype: dtype, shape: [8 * bytes.count / dtype.bitWidth], bytes: bytes)
            try writer.write()
          }
        }
      }
      for dtype in [SafetensorsDtype.bool, .u8, .i8, .u16, .i16, .u32, .i32, .u64, .i64] {
        try write("s", dtype, [1, 2, 3, 4, 5, 6, 7, 8])
        XCTAssertEqual(
          try folder.run(["norm", "s"]).output,
          "norm 5.0  0x1.4p+2\nwithout 1 tensor of integers: 'position\\n' (\(dtype.rawValue))\n")
        let skipped = try json(["s"], in: folder)["skippedTensors"] as? [[String: String]]
        XCTAssertEqual(skipped, [["name": "position\n", "type": dtype.rawValue]])
      }
      for dtype in [SafetensorsDtype.f8E4M3, .f8E5M2, .f8E8M0, .f8E4M3FNUZ, .f8E5M2FNUZ, .f4] {
        try write("s", dtype, [1, 2, 3, 4, 5, 6, 7, 8])
        assertFails(
          try folder.run(["norm", "s"]), 1,
          "s: tensor 'position\\n' is of type \(dtype.rawValue); expected F32, F64, BF16 or F16: its elements are factors of "
            + "scales in other tensors; --skip passes it by")
        XCTAssertEqual(try folder.run(["norm", "s", "--skip", "position*"]).output, "norm 5.0  0x1.4p+2\n")
      }
      try write("s", .c64, [1, 2, 3, 4, 5, 6, 7, 8])
      assertFails(
        try folder.run(["norm", "s"]), 1,
        "s: tensor 'position\\n' is of type C64; expected F32, F64, BF16 or F16; as F32 with one more axis")
      XCTAssertEqual(try folder.run(["norm", "s", "--skip", "position*"]).output, "norm 5.0  0x1.4p+2\n")
    }
  }
}
