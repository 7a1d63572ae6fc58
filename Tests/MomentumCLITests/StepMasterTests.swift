import Foundation
import Momentum
import MomentumFiles
import MomentumTestSupport
import XCTest

/// Masters of `momentum step`: what their copies are, and that a tensor of F32 is its own.
final class StepMasterTests: XCTestCase {
  // MARK: Copies

  func testCopiesAreTheMastersRoundedOnceBFloat16() throws { try copiesAreTheMastersRoundedOnce(BFloat16.self) }
  #if !(os(macOS) && arch(x86_64))
    func testCopiesAreTheMastersRoundedOnceFloat16() throws { try copiesAreTheMastersRoundedOnce(Float16.self) }
  #endif

  private func copiesAreTheMastersRoundedOnce<Half: TestHalf & SafetensorsScalar>(_: Half.Type) throws {
    try CheckpointFolder.with { folder in
      var random = SeededGenerator(seed: 71)
      // From below the least number of Float16 to above its largest one; then some that stay where they are, on ties and
      // beside them.
      let moving: [Float] = random.numbers(6000, exponents: -27...16)
      let ties: [Float] = [0x1.004p0, 0x1.00cp0, 0x1.01p0, 0x1.03p0, 65519.996, 65520, 0x1p-25, 0x1.8p-24, 0x1p-134]
      let staying = ties.flatMap { [$0.nextDown, $0, $0.nextUp] }.flatMap { [$0, -$0] }
      let masters = moving + staying
      let gradients = random.numbers(moving.count, as: Float.self) + staying.map { _ in 0 }
      try folder.write("m", [StoredTensor("w", masters)])
      try folder.write("p", [StoredTensor("w", masters.map { Half($0) })])
      try folder.write("g", [StoredTensor("w", gradients.map { BFloat16($0) })])
      assertSucceeds(
        try folder.step(
          "p", "out", ["--gradients", "g", "--learning-rate", "0.01", "--master", "m", "--output-master", "m2"]))
      let moved = try XCTUnwrap(folder.read("m2")["w"]).values(as: Float.self)
      XCTAssertEqual(Array(moved[moving.count...]), staying)
      XCTAssertGreaterThan(zip(moved, moving).count { $0 != $1 }, 3000)
      let copies = try XCTUnwrap(folder.read("out")["w"]).values(as: Half.self)
      XCTAssertEqual(copies.map(\.bitPattern), moved.map { HalfOracle.bits($0, Half.elementType) })
    }
  }

  // MARK: Tensors that are their own masters

  /// A model with a layer norm of F32, and the masters that DeepSpeed's script writes of it: every tensor, widened.
  private struct Model {
    let masters: [StoredTensor]
    let parameters: [[StoredTensor]]
    let gradients: [StoredTensor]

    init() {
      var random = SeededGenerator(seed: 73)
      func numbers(_ count: Int) -> [Float] { random.numbers(count) }
      let (weight, norm) = (numbers(3000), StoredTensor("norm", numbers(400)))
      masters = [StoredTensor("weight", weight), norm]
      // Of the last one there is no master.
      parameters = [[StoredTensor("weight", weight.map { BFloat16($0) })], [norm, StoredTensor("bias", numbers(20))]]
      gradients = [
        StoredTensor("weight", numbers(3000).map { BFloat16($0) }), StoredTensor("norm", numbers(400)),
        StoredTensor("bias", numbers(20)),
      ]
    }

    func write(in folder: CheckpointFolder) throws {
      try folder.write("shards", shards: parameters)
      try folder.write("whole", Array(parameters.joined()))
      try folder.write("masters", masters)
      try folder.write("g", gradients)
      // What moves as the masters do.
      try folder.write("wide", masters + [parameters[1][1]])
    }
  }

  func testATensorOfF32IsItsOwnMaster() throws {
    try CheckpointFolder.with { folder in
      try Model().write(in: folder)
      let common = ["--gradients", "g", "--clip-global-norm", "3"] + SteppedModel.rule
      for steps in ["1", "2"] {
        assertSucceeds(try folder.step("wide", "expected", common + ["--steps", steps]))
        let expected = try folder.read("expected")
        for (from, options) in [
          ("whole", []), ("whole", ["--elements-at-once", "1"]), ("shards", []),
          ("shards", ["--elements-at-once", "1"]),
        ] as [(String, [String])] {
          let what = "\(from) \(options) \(steps)"
          try folder.write("m", Model().masters)
          // The new masters take the place of the old ones where they are in one file.
          let target = from == "whole" ? "m" : "m-shards"
          assertSucceeds(
            try folder.step(
              from, "out-" + from, common + options + ["--steps", steps, "--master", "m", "--output-master", target]))
          let (masters, stepped) = (try folder.read(target), try folder.read("out-" + from))
          XCTAssertEqual(Set(masters.keys), ["weight", "norm"], what)
          for name in masters.keys { XCTAssertEqual(masters[name], expected[name], what) }
          for name in ["norm", "bias"] { XCTAssertEqual(stepped[name], expected[name], what) }
          let weight = try XCTUnwrap(expected["weight"]).values(as: Float.self)
          XCTAssertEqual(stepped["weight"], StoredTensor("weight", weight.map { BFloat16($0) }), what)
        }
      }
    }
  }

  func testTheStepsOfOwnMastersFollowOneAnother() throws {
    try CheckpointFolder.with { folder in
      try Model().write(in: folder)
      let common = ["--gradients", "g"] + SteppedModel.rule
      assertSucceeds(try folder.step("wide", "w1", common + ["--output-state", "sw"]))
      assertSucceeds(try folder.step("w1", "w2", common + ["--state", "sw"]))
      assertSucceeds(
        try folder.step(
          "shards", "p1", common + ["--output-state", "s", "--master", "masters", "--output-master", "m1"]))
      assertSucceeds(
        try folder.step("p1", "p2", common + ["--state", "s", "--master", "m1", "--output-master", "m2"]))
      let expected = try folder.read("w2")
      XCTAssertEqual(try folder.read("m2"), expected.filter { $0.key != "bias" })
      XCTAssertEqual(try folder.read("p2")["norm"], expected["norm"])
    }
  }

  /// Which of two tensors is right nobody can tell.
  func testAMasterOfOtherBitsThanItsTensorOfF32IsRefused() throws {
    try CheckpointFolder.with { folder in
      let half = StoredTensor("a", [BFloat16(1)])
      try folder.write("g", [StoredTensor("a", [Float(1)]), StoredTensor("b", [Float(1), 1])])
      let pairs: [([Float], [Float])] = [([1, 2], [1, Float(2).nextUp]), ([0, 1], [-0.0, 1])]
      for (own, other) in pairs {
        try folder.write("p", [half, StoredTensor("b", own)])
        try folder.write("m", [StoredTensor("a", [Float(1)]), StoredTensor("b", other)])
        let arguments = ["--gradients", "g", "--learning-rate", "1", "--master", "m", "--output-master", "m2"]
        assertFails(
          try folder.step("p", "out", arguments), 1,
          "m: tensor 'b' is of type F32 in p too, and has other elements there; expected the same, or --skip for it")
        XCTAssertFalse(folder.has("out") || folder.has("m2"))
        // Passed by, both stay what they are.
        assertSucceeds(try folder.step("p", "passed", arguments + ["--skip", "b"]))
        XCTAssertEqual(try folder.read("passed")["b"], StoredTensor("b", own))
        XCTAssertEqual(
          try folder.read("m2"), ["a": StoredTensor("a", [Float(0)]), "b": StoredTensor("b", other)])
        try FileManager.default.removeItem(atPath: folder.path("m2"))
      }
      // A NaN is the same as itself.
      try folder.write("p", [half, StoredTensor("b", [Float.nan, 1])])
      try folder.write("m", [StoredTensor("a", [Float(1)]), StoredTensor("b", [Float.nan, 1])])
      assertSucceeds(
        try folder.step(
          "p", "out", ["--gradients", "g", "--learning-rate", "1", "--master", "m", "--output-master", "m2"]))
      XCTAssertEqual(try folder.read("m2")["b"]?.values(as: Float.self)[1], 0)
      try folder.write("m", [StoredTensor("a", [Float(1)]), StoredTensor("b", [Float(1)])])
      assertFails(
        try folder.step(
          "p", "none", ["--gradients", "g", "--learning-rate", "1", "--master", "m", "--output-master", "m3"]), 1,
        "m: tensor 'b' has shape [1]; expected [2] as in p")
    }
  }
}
