import Foundation
import Momentum
import MomentumFiles
import MomentumTestSupport
import XCTest

/// `momentum info` of checkpoints, and how the commands take each row of the rules of indices.
final class CheckpointInfoTests: XCTestCase {
  private let shards = [
    [StoredTensor("a", [BFloat16(1), 2]), StoredTensor("ids", .i64, Array(0..<16))],
    [StoredTensor("b\n", [Float(3)])],
  ]

  func testTablesOfACheckpoint() throws {
    try CheckpointFolder.with { folder in
      try folder.write("m", shards: shards)
      let run = try folder.run(["info", "m"])
      assertSucceeds(run)
      XCTAssertEqual(
        run.output,
        """
        tensor  type  shape  bytes  file
        ids     I64   [2]       16     1
        a       BF16  [2]        4     1
        b\\n     F32   [1]        4     2

        file  tensors  bytes  path
           1        2     20  m/m-1.safetensors
           2        1      4  m/m-2.safetensors

        type  tensors  elements  bytes
        I64         1         2     16
        BF16        1         2      4
        F32         1         1      4
        all         3         5     24

        """)
      XCTAssertEqual(
        try folder.run(["info", "m/m-2.safetensors"]).output,
        """
        tensor  type  shape  bytes
        b\\n     F32   [1]        4

        type  tensors  elements  bytes
        F32         1         1      4
        all         1         1      4

        """)
    }
  }

  /// Also those that nothing is computed with.
  func testEveryTypeIsShown() throws {
    try CheckpointFolder.with { folder in
      for dtype in SafetensorsDtype.allCases {
        try folder.write("m", [StoredTensor("a", dtype, Array(0..<24))])
        let run = try folder.run(["info", "m"])
        assertSucceeds(run)
        let (name, count) = (dtype.rawValue, 192 / dtype.bitWidth)
        let words = run.output.split { $0 == " " || $0.isNewline }
        XCTAssertTrue(
          words.starts(with: ["tensor", "type", "shape", "bytes", "a", "\(name)", "[\(count)]", "24"]), name)
      }
    }
  }

  func testJSONOfACheckpoint() throws {
    try CheckpointFolder.with { folder in
      try folder.write("m", shards: shards)
      try folder.write(
        "m/model.safetensors.index.json",
        #"{"weight_map": {"a": "m-1.safetensors", "ids": "m-1.safetensors", "b\n": "m-2.safetensors"}}"#)
      let run = try folder.run(["info", "--json", "m"])
      let warning = "m/model.safetensors.index.json: does not give the size of all tensors ('total_size')"
      XCTAssertEqual(run.errors, "Warning: \(warning)\n")
      let info = try XCTUnwrap(JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
      XCTAssertEqual(info["bytes"] as? Int, 24)
      XCTAssertEqual(info["warnings"] as? [String], [warning])
      let tensors = try XCTUnwrap(info["tensors"] as? [[String: Any]])
      XCTAssertEqual(tensors.map { $0["name"] as? String }, ["ids", "a", "b\n"])
      XCTAssertEqual(tensors[1]["file"] as? String, "m/m-1.safetensors")
      XCTAssertEqual(tensors[1]["shape"] as? [Int], [2])
      let files = try XCTUnwrap(info["files"] as? [[String: Any]])
      XCTAssertEqual(files[1]["metadata"] as? [String: String], ["format": "pt", "shard": "2"])
      assertFails(try folder.run(["info", "none"]), 1, "none: could not open it")
    }
  }

  /// The norm of nothing is 0, which looks like a result.
  func testWhatHasNoTensorIsRefused() throws {
    try CheckpointFolder.with { folder in
      try folder.write("m/none.safetensors", [])
      try folder.write("g", [StoredTensor("a", [Float(1)])])
      for path in ["m", "m/none.safetensors"] {
        for command in [
          ["norm", path], ["clip", "--gradients", path, "--output", "out", "--clip-norm", "1"],
          ["step", "--parameters", path, "--gradients", "g", "--output-parameters", "out", "--learning-rate", "1"],
          ["step", "--parameters", "g", "--gradients", path, "--output-parameters", "out", "--learning-rate", "1"],
        ] {
          assertFails(try folder.run(command), 1, "\(path): has no tensor; expected at least one")
          XCTAssertFalse(folder.has("out"))
        }
      }
      XCTAssertTrue(try folder.run(["info", "m"]).output.contains("all         0         0      0"))
      // A file that is one of several may be empty.
      XCTAssertEqual(try folder.run(["norm", "g", "m"]).output, "norm 1.0  0x1p+0\n")
    }
  }

  /// Every command reads a checkpoint by the same rules.
  func testRulesOfIndices() throws {
    let refused: [(map: String, text: String)] = [
      ("", "the index names no tensor; expected at least one in its 'weight_map'"),
      (
        #""a": "m-1.safetensors", "b": "m-2.safetensors", "c": "m-3.safetensors""#,
        "1 of 3 shards is missing: 'm-3.safetensors'"
      ),
      (#""a": "x.safetensors", "b": "y.safetensors""#, "2 of 2 shards are missing: 'x.safetensors', 'y.safetensors'"),
      (
        #""a": "m-1.safetensors", "b": "m-2.safetensors", "c": "m-2.safetensors""#,
        "tensor 'c' in 'm-2.safetensors', which does not have it"
      ),
      (#""a": "m-1.safetensors", "b": "m-1.safetensors""#, "tensor 'b' in 'm-1.safetensors', which does not have it"),
      (
        #""a": "m-1.safetensors", "b": "m-2.safetensors", "a": "m-1.safetensors""#,
        "the key 'a' occurs twice in 'weight_map'"
      ),
      (#""a": "m-1.safetensors", "a2": "twice.safetensors""#, "tensor 'a' is in m-1.safetensors too"),
      (#""a2": "twice.safetensors""#, "tensor 'a' of 'twice.safetensors' is not in the index"),
      (#""a": "../m/m-1.safetensors""#, "whose name leads to the folder above"),
      (#""a": "/m-1.safetensors""#, "whose name is absolute"),
      (#""a": "m\\1.safetensors""#, "whose name has a backslash"),
      (#""a": "m\u00001.safetensors""#, "whose name has a control character"),
      (#""a": """#, "whose name is empty"),
      (#""a": "./m-1.safetensors""#, "whose name has an empty part"),
      (#""a": "m-1.bin""#, "whose name does not end in .safetensors"),
      (#""a": "parts.safetensors""#, "holds parts of tensors, of a distributed checkpoint"),
      (#""a": "shard-00001-model-00001-of-00002.safetensors""#, "holds parts of tensors, of a distributed checkpoint"),
    ]
    try CheckpointFolder.with { folder in
      let a = StoredTensor("a", [Float(3)])
      try folder.write("m/m-1.safetensors", [a])
      try folder.write("m/m-2.safetensors", [StoredTensor("b", [Float(4)])])
      try folder.write("m/twice.safetensors", [a, StoredTensor("a2", [Float(3)])])
      try folder.write("m/parts.safetensors", [a], metadata: ["DCP_SHARDING_INFO": "{}"])
      try folder.write("m/shard-00001-model-00001-of-00002.safetensors", [a])
      try folder.write("m/stray.safetensors", "no safetensors file")
      for (number, row) in refused.enumerated() {
        try folder.write(
          "m/model.safetensors.index.json", #"{"metadata": {"total_size": 8}, "weight_map": {\#(row.map)}}"#)
        let commands = [
          ["norm", "m"], ["clip", "--gradients", "m", "--output", "out", "--clip-norm", "1"],
          ["step", "--parameters", "m", "--gradients", "m", "--output-parameters", "out", "--learning-rate", "1"],
          ["info", "m"],
        ]
        // The first rows by all of them.
        for command in number < 3 ? commands : [commands[number % commands.count]] {
          assertFails(try folder.run(command), 1, row.text)
        }
        XCTAssertFalse(folder.has("out"))
      }
      // What is beside the index is never opened; a wrong size and unknown keys are warnings.
      try folder.write(
        "m/model.safetensors.index.json",
        #"{"x": 1, "metadata": {"total_size": 9}, "weight_map": {"a": "m-1.safetensors", "b": "m-2.safetensors"}}"#)
      let run = try folder.run(["clip", "--gradients", "m", "--output", "out", "--clip-global-norm", "10"])
      XCTAssertEqual(run.output, "norm 5.0\n")
      XCTAssertEqual(
        run.errors,
        """
        Warning: m/model.safetensors.index.json: gives 9 bytes as the size of all tensors; they have 8
        Warning: m/model.safetensors.index.json: the key 'x' is not known, and was not looked at

        """)
      XCTAssertEqual(try folder.names("out"), ["m-1.safetensors", "m-2.safetensors", "model.safetensors.index.json"])
      assertFails(
        try folder.run(["norm", "."]), 1, ".: has no .safetensors file and no index; expected one of them")
      // Links, as a download cache has them.
      try FileManager.default.createDirectory(atPath: folder.path("links"), withIntermediateDirectories: true)
      for name in try folder.names("out") {
        try FileManager.default.createSymbolicLink(
          atPath: folder.path("links/\(name)"), withDestinationPath: "../out/\(name)")
      }
      XCTAssertEqual(try folder.run(["norm", "links"]).output, "norm 5.0  0x1.4p+2\n")
      assertFails(
        try folder.run(["clip", "--gradients", "links", "--output", "links", "--clip-global-norm", "1"]), 1,
        "links/m-1.safetensors: is a symbolic link")
    }
  }
}
