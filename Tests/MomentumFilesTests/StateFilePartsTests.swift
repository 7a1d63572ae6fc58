import Foundation
import Momentum
import MomentumFiles
import MomentumTestSupport
import XCTest

/// Files that hold a part of a state.
final class StateFilePartsTests: StateFileTestCase {
  func testPartsApartAreWorthOneFileUpToARounding() throws {
    for json in Self.configurations {
      let data = Data<Float>(steps: 6)
      let whole = try run(json, data, steps: 0..<4)
      let before = whole.optimizer.state()
      var resumed = try run(json, data, steps: 5..<6)
      try StateFile.save(whole.optimizer, to: path("velocity"), parts: .velocity)
      try StateFile.save(whole.optimizer, to: path("average"), parts: .average)
      XCTAssertEqual(whole.optimizer.state(), before, json)
      var folded = try run(json, data, steps: 0..<4)
      folded.optimizer.foldVelocity()
      folded.optimizer.foldAverage()
      // In either order: neither touches what is the other's.
      for order in [
        [("velocity", StateFile.Parts.velocity), ("average", .average)],
        [("average", .average), ("velocity", .velocity)],
      ] {
        for (name, parts) in order { try StateFile.load(path(name), into: &resumed.optimizer, parts: parts) }
        XCTAssertEqual(resumed.optimizer.state(), folded.optimizer.state(), json)
      }
    }
  }

  func testAPartOfAStateLeavesTheOther() throws {
    for apart in [true, false] {
      let data = Data<Float>(steps: 6)
      var whole = try run(Self.configurations[0], data, steps: 0..<4)
      whole.optimizer.foldVelocity()
      whole.optimizer.foldAverage()
      var resumed = try run(Self.configurations[0], data, steps: 5..<6)
      let (saved, before) = (whole.optimizer.state(), resumed.optimizer.state())
      // A file may hold more than is asked for.
      try StateFile.save(whole.optimizer, to: path("velocity"), parts: apart ? .velocity : .all)
      try StateFile.save(whole.optimizer, to: path("average"), parts: apart ? .average : .all)
      XCTAssertNotEqual(saved.stepCount, before.stepCount)

      try StateFile.load(path("average"), into: &resumed.optimizer, parts: .average)
      var expected = before
      (expected.averages, expected.average) = (
        whole.optimizer.state().averages, whole.optimizer.state().average
      )
      XCTAssertEqual(resumed.optimizer.state(), expected)

      try resumed.optimizer.restore(before)
      try StateFile.load(path("velocity"), into: &resumed.optimizer, parts: .velocity)
      expected = whole.optimizer.state()
      (expected.averages, expected.average) = (before.averages, before.average)
      XCTAssertEqual(resumed.optimizer.state(), expected)
    }
  }

  func testAFileOfOnePartHasTheNamesOfTheParameters() throws {
    let data = Data<Float>(steps: 2)
    let run = try run(Self.configurations[0], data, steps: 0..<2)
    try StateFile.save(run.optimizer, to: path("velocity"), parts: .velocity)
    try StateFile.save(run.optimizer, to: path("average"), parts: .average)
    // The second tensor has had no gradient.
    let velocity = try SafetensorsFile(path: path("velocity"))
    XCTAssertEqual(velocity.tensors.map(\.name), ["empty", "long", "weight"])
    XCTAssertEqual(
      Set(velocity.metadata.keys),
      [
        "momentum.stateFormat", "momentum.parts", "momentum.step", "momentum.lastStepClipped", "momentum.lossScale",
        "momentum.adaptiveClipping", "momentum.velocities", "momentum.otherTensors",
      ])
    XCTAssertEqual(velocity.metadata["momentum.stateFormat"], "3")
    XCTAssertEqual(velocity.metadata["momentum.parts"], "velocity")
    XCTAssertNotEqual(run.optimizer.state().velocities[0].scale, 1)
    XCTAssertEqual(velocity.metadata["momentum.velocities"], "3 withoutLearningRate 0x1p+0")
    let weight = run.optimizer.withUnsafeVelocity(ofTensor: 0) { Array($0) }
    assertSameBits(weight, try velocity.withUnsafeBuffer(of: "weight", as: Float.self) { Array($0) })

    let average = try SafetensorsFile(path: path("average"))
    XCTAssertEqual(
      average.metadata,
      [
        "momentum.stateFormat": "3", "momentum.parts": "average", "momentum.averages": "3 2 0x1p+0",
        "momentum.otherTensors": #"[{"name":"bias","shape":[3]}]"#,
      ])
    let mean = run.optimizer.withUnsafeAverage(ofTensor: 3) { Array($0) }
    assertSameBits(mean, try average.withUnsafeBuffer(of: "long", as: Float.self) { Array($0) })
  }

  func testPartsThatAreMissing() throws {
    let data = Data<Float>(steps: 6)
    let whole = try run(Self.configurations[0], data, steps: 0..<4)
    var resumed = try run(Self.configurations[0], data, steps: 5..<6)
    let before = resumed.optimizer.state()
    for held in [StateFile.Parts.velocity, .average] {
      try StateFile.save(whole.optimizer, to: path("file"), parts: held)
      for asked in [StateFile.Parts.velocity, .average, .all] where asked != held {
        XCTAssertThrowsError(try StateFile.load(path("file"), into: &resumed.optimizer, parts: asked)) {
          let expected = OptimizerFileError(file: path("file"), reason: .missingParts(held: held, expected: asked))
          XCTAssertEqual($0 as? OptimizerFileError, expected)
        }
        XCTAssertEqual(resumed.optimizer.state(), before)
      }
    }
    XCTAssertEqual(
      OptimizerFileError(file: "f", reason: .missingParts(held: .average, expected: .all)).description,
      "f: holds the average of an optimizer only; expected the velocity and average")
  }
}
