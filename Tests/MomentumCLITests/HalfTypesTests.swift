import Foundation
import Momentum
import MomentumFiles
import MomentumTestSupport
import XCTest

/// Files of tensors in half precision, through the command.
final class HalfTypesTests: XCTestCase {
  private func json(_ run: CommandRun) throws -> [String: Any] {
    assertSucceeds(run)
    return try XCTUnwrap(JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
  }

  /// Writes the tensors of several lists, each of one type, into one file.
  private func write(_ path: String, _ add: (inout SafetensorsWriter) throws -> Void) throws {
    var writer = SafetensorsWriter(path: path)
    try add(&writer)
    try writer.write()
  }

  /// Adds a tensor from memory that is never freed: the writer takes no copies.
  private func add<Scalar: SafetensorsScalar>(_ name: String, _ values: [Scalar], to writer: inout SafetensorsWriter)
    throws
  {
    let copy = UnsafeMutableBufferPointer<Scalar>.allocate(capacity: values.count)
    _ = copy.initialize(from: values)
    try writer.add(name, shape: [values.count], values: UnsafeBufferPointer(copy))
  }

  private func values<Scalar: SafetensorsScalar>(_ path: String, _ name: String, as type: Scalar.Type) throws
    -> [Scalar]
  {
    let file = try SafetensorsFile(path: path)
    return try file.withUnsafeBuffer(of: name, as: type) { Array($0) }
  }

  // MARK: Norms

  func testTheNormOfBFloat16IsExact() throws {
    try withScratchFolder { url in
      let folder = TensorFolder<BFloat16>(url: url)
      try folder.write(
        "g", Dictionary(uniqueKeysWithValues: (0..<10).map { ("t\($0)", [BFloat16](repeating: 0.01, count: 10_000)) }))
      let norm = try XCTUnwrap(json(folder.run(["norm", "g", "--json"]))["totalNorm"] as? Double)
      XCTAssertEqual(norm, (1e5 * 0.010009765625 * 0.010009765625).squareRoot())
      XCTAssertEqual(
        try folder.run(["norm", "g", "--algorithm", "portable", "--json"]).output,
        try folder.run(["norm", "g", "--algorithm", "blas", "--threads", "3", "--json"]).output)
    }
  }

  func testNormsHaveTheSameBitsInAnyNumberOfFilesBFloat16() throws {
    try normsHaveTheSameBitsInAnyNumberOfFiles(BFloat16.self)
  }
  #if !(os(macOS) && arch(x86_64))
    func testNormsHaveTheSameBitsInAnyNumberOfFilesFloat16() throws {
      try normsHaveTheSameBitsInAnyNumberOfFiles(Float16.self)
    }
  #endif

  private func normsHaveTheSameBitsInAnyNumberOfFiles<Half: TestHalf & SafetensorsScalar>(_: Half.Type) throws {
    try CheckpointFolder.with { folder in
      var random = SeededGenerator(seed: 41)
      let tensors = (0..<14).map { number in
        StoredTensor("t\(number)", random.halves(500 * number + 1) as [Half])
      }
      var found: Set<String> = []
      for count in [1, 3, 7] {
        try folder.write(
          "g\(count)",
          shards: (0..<count).map { shard in tensors.indices.filter { $0 % count == shard }.map { tensors[$0] } })
        for threads in ["1", "2"] {
          let run = try folder.run(["norm", "g\(count)", "--threads", threads])
          assertSucceeds(run)
          found.insert(run.output)
        }
      }
      XCTAssertEqual(found.count, 1, "\(found)")
    }
  }

  #if !(os(macOS) && arch(x86_64))
    func testTypesMixInOneNorm() throws {
      try withScratchFolder { url in
        let folder = TensorFolder<Float>(url: url)
        try write(folder.path("g")) { writer in
          try add("a", [Float(1), 2], to: &writer)
          try add("b", [BFloat16(2), 4], to: &writer)
          try add("c", [Float16(4), 2], to: &writer)
          try add("d", [2.0, 4], to: &writer)
        }
        let run = try folder.run(["norm", "g", "--per-tensor"])
        assertSucceeds(run)
        XCTAssertEqual(run.output.split(separator: "\n").last, "norm \(65.0.squareRoot())  0x1.01fe03f61badp+3")
        XCTAssertTrue(run.output.contains("c  2 elements  norm \(20.0.squareRoot())"), run.output)
        for (type, expected) in [("1", 21.0), ("inf", 4), ("0", 8)] {
          let found = try json(folder.run(["norm", "g", "--json", "--norm-type", type]))["totalNorm"] as? Double
          XCTAssertEqual(found, expected, type)
        }
        try write(folder.path("bad")) { writer in
          try add("b", [BFloat16(2), .nan, .infinity], to: &writer)
          try add("c", [Float16(4), 2], to: &writer)
        }
        XCTAssertEqual(
          try folder.run(["norm", "bad"]).output.split(separator: "\n").last,
          "tensor 'b': 1 NaN, 1 infinite; the first, nan, at index 1")
      }
    }

    // MARK: Clips

    func testEachTypeIsClippedByTheNormOfAllAndKept() throws {
      try withScratchFolder { url in
        let folder = TensorFolder<Float>(url: url)
        try write(folder.path("g")) { writer in
          try add("a", [Float(1), 2], to: &writer)
          try add("b", [BFloat16(2), 4], to: &writer)
          try add("c", [Float16(4), 2], to: &writer)
          try add("d", [2.0, 4], to: &writer)
        }
        for arguments in [
          ["--clip-global-norm", "\(65.0.squareRoot() / 2)"],
          ["--clip-global-norm", "\(65.0.squareRoot() / 2)", "--total-norm", "\(65.0.squareRoot())"],
        ] {
          assertSucceeds(try folder.run(["clip", "--gradients", "g", "--output", "out"] + arguments))
          XCTAssertEqual(try values(folder.path("out"), "a", as: Float.self), [0.5, 1])
          XCTAssertEqual(try values(folder.path("out"), "b", as: BFloat16.self), [1, 2])
          XCTAssertEqual(try values(folder.path("out"), "c", as: Float16.self), [2, 1])
          XCTAssertEqual(try values(folder.path("out"), "d", as: Double.self), [1, 2])
        }
        // A NaN is named with its tensor, and nothing is written.
        try write(folder.path("bad")) { writer in
          try add("b", [BFloat16(2), .nan], to: &writer)
          try add("d", [2.0], to: &writer)
        }
        assertFails(
          try folder.run(["clip", "--gradients", "bad", "--output", "none", "--clip-global-norm", "1"]), 1,
          "gradient of tensor 'b' is nan at index 1")
        XCTAssertFalse(folder.has("none"))
      }
    }
  #endif

  func testClippedElementsAreRoundedOnce() throws {
    try withScratchFolder { url in
      let folder = TensorFolder<BFloat16>(url: url)
      try folder.write("g", ["w": [3, 4]])
      assertSucceeds(try folder.run(["clip", "--gradients", "g", "--output", "out", "--clip-global-norm", "4.9"]))
      XCTAssertEqual(try folder.read("out"), ["w": [BFloat16(Float(3) * 0.98), BFloat16(Float(4) * 0.98)]])
      assertFails(
        try folder.run(["clip", "--gradients", "g", "--output", "out", "--clip-global-norm", "4", "--per-example"]), 1,
        "tensor 'w' is of type BF16; expected F32 or F64, which --per-example takes")
    }
  }

  // MARK: Steps

  func testGradientsInHalfPrecisionStepFloats() throws {
    var random = SeededGenerator(seed: 177)
    let start: [Float] = random.numbers(5000)
    let gradients = random.numbers(5000, as: Float.self).map { BFloat16($0) }
    try withScratchFolder { url in
      let folder = TensorFolder<Float>(url: url)
      try folder.write("p", ["w": start])
      try folder.write("wide", ["w": gradients.map { Float($0) }])
      try TensorFolder<BFloat16>(url: url).write("half", ["w": gradients])
      let options = ["--learning-rate", "0.1", "--momentum", "0.9", "--clip-norm", "3", "--norm-type", "1"]
      for (others, files) in [([], ["half"]), (["--steps", "3"], ["half"]), ([], ["half", "wide"])] {
        let wide = files.map { _ in "wide" }
        for (name, gradients) in [("a", files), ("b", wide)] {
          assertSucceeds(
            try folder.run(
              ["step", "--parameters", "p", "--output-parameters", name, "--gradients"] + gradients + options + others))
        }
        XCTAssertEqual(try folder.read("a"), try folder.read("b"), "\(files)")
      }
    }
  }

  func testWhatStepsRefuse() throws {
    try withScratchFolder { url in
      let folder = TensorFolder<BFloat16>(url: url)
      try folder.write("half", ["w": [1, 2]])
      try TensorFolder<Double>(url: url).write("double", ["w": [1, 2]])
      func step(_ parameters: String, _ gradients: String) throws -> CommandRun {
        try folder.run([
          "step", "--parameters", parameters, "--gradients", gradients, "--output-parameters", "none",
          "--learning-rate", "1",
        ])
      }
      assertFails(
        try step("half", "half"), 1, "tensor 'w' is of type BF16; expected --rounding nearest or stochastic with it")
      assertFails(try step("double", "half"), 1, "tensor 'w' is of type BF16; expected F64 as in double")
      try write(folder.path("p")) { writer in
        try add("v", [Float(1)], to: &writer)
        try add("w", [Float(1)], to: &writer)
      }
      try write(folder.path("mixed")) { writer in
        try add("v", [Float(1)], to: &writer)
        try add("w", [BFloat16(1)], to: &writer)
      }
      XCTAssertFalse(folder.has("none"))
      // Each tensor of a gradient may have its own type.
      assertSucceeds(try step("p", "mixed"))
      XCTAssertEqual(try values(folder.path("none"), "v", as: Float.self), [0])
      XCTAssertEqual(try values(folder.path("none"), "w", as: Float.self), [0])
    }
  }
}
