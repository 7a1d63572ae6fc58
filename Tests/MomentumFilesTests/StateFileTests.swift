import Foundation
import Momentum
import MomentumFiles
import MomentumTestSupport
import XCTest

/// A run that goes on from a file goes on bit for bit.
final class StateFileTests: StateFileTestCase {
  func testResumesBitForBitFloat() throws { try resumesBitForBit(Float.self) }
  func testResumesBitForBitDouble() throws { try resumesBitForBit(Double.self) }

  private func resumesBitForBit<S: BLASScalar & SafetensorsScalar>(_: S.Type) throws {
    let data = Data<S>(steps: 9)
    var clipped: Set<Bool> = []
    for json in Self.configurations {
      let configuration = try configuration(json)
      var whole = try Run(configuration, data.start)
      // What was there before must not matter.
      var resumed = try Run(configuration, data.start)
      try resumed.step(data.gradients[8])
      // After each of these steps, so that the skipped one and the first gradient of a tensor come at either side.
      for (step, gradient) in data.gradients.enumerated() {
        if step == 2 || step == 5 {
          try StateFile.save(&whole.optimizer, to: path("state"))
          try StateFile.load(path("state"), into: &resumed.optimizer)
          XCTAssertEqual(resumed.optimizer.state(), whole.optimizer.state(), json)
          resumed.parameters = whole.parameters
          if configuration.mode == .onePass { clipped.insert(whole.optimizer.lastStepClipped) }
        }
        try whole.step(gradient)
        guard step >= 2 else { continue }
        try resumed.step(gradient)
        for (x, y) in zip(whole.parameters, resumed.parameters) { assertSameBits(x, y, seed: 41, json) }
      }
      XCTAssertEqual(resumed.optimizer.state(), whole.optimizer.state(), json)
      XCTAssertGreaterThan(whole.optimizer.stepCount, 5)
      XCTAssertEqual(try names, ["state"])
    }
    XCTAssertEqual(clipped, [true, false], "in one pass the next step depends on it")
  }

  func testSavingRoundsTheVelocityOnceAtMost() throws {
    let data = Data<Double>(steps: 3)
    var run = try Run(
      configuration(Self.configurations[4].replacing("\"rule\": {", with: "\"rule\": {\"momentum\": 0.7, ")), data.start
    )
    for gradient in data.gradients[..<2] { try run.step(gradient) }
    let before = run.optimizer.state()
    XCTAssertNotEqual(before.velocities[0].scale, 1)
    try StateFile.save(&run.optimizer, to: path("state"))
    let file = try SafetensorsFile(path: path("state"))
    XCTAssertEqual(file.tensors.map(\.name), ["velocity/empty", "velocity/long", "velocity/weight"])
    let expected = before.direction[..<70].map { $0 * before.velocities[0].scale }
    assertSameBits(expected, try file.withUnsafeBuffer(of: "velocity/weight", as: Double.self) { Array($0) })
    XCTAssertEqual(file.metadata["momentum.velocity.bias"], "none")
    XCTAssertEqual(file.metadata["momentum.velocity.weight"], "withoutLearningRate")
    XCTAssertEqual(file.metadata["momentum.step"], "2")
  }

  func testAStateWithoutVelocityTakesOneAway() throws {
    let data = Data<Float>(steps: 1)
    let configuration = try configuration(Self.configurations[0])
    var run = try Run(configuration, data.start)
    try StateFile.save(&run.optimizer, to: path("fresh"))
    let fresh = run.optimizer.state()
    try run.step(data.gradients[0])
    XCTAssertTrue(run.optimizer.hasVelocity(ofTensor: 0))
    try StateFile.load(path("fresh"), into: &run.optimizer)
    XCTAssertEqual(run.optimizer.state(), fresh)
  }
}
