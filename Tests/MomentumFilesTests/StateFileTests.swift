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
          try StateFile.save(whole.optimizer, to: path("state"))
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

  func testAStateHoldsTheVectorsAsTheyAre() throws {
    let data = Data<Double>(steps: 3)
    var run = try Run(
      configuration(Self.configurations[4].replacing("\"rule\": {", with: "\"rule\": {\"momentum\": 0.7, ")), data.start
    )
    for gradient in data.gradients[..<2] { try run.step(gradient) }
    let before = run.optimizer.state()
    XCTAssertEqual(before.velocities[0].scale, 0.7 * 0x1p12, "a first step begins with 2^12")
    try StateFile.save(run.optimizer, to: path("state"))
    XCTAssertEqual(run.optimizer.state(), before)
    let file = try SafetensorsFile(path: path("state"))
    XCTAssertEqual(file.tensors.map(\.name), ["velocity/empty", "velocity/long", "velocity/weight"])
    let stored = try file.withUnsafeBuffer(of: "velocity/weight", as: Double.self) { Array($0) }
    assertSameBits(Array(before.direction[..<70]), stored)
    XCTAssertEqual(
      file.metadata,
      [
        "momentum.stateFormat": "3", "momentum.parts": "velocity average", "momentum.step": "2",
        "momentum.lastStepClipped": "false", "momentum.averages": "",
        "momentum.velocities": "3 withoutLearningRate 0x1.6666666666666p+11",
        "momentum.otherTensors": #"[{"name":"bias","shape":[3]}]"#,
      ])
  }

  func testTensorsOfOtherHistoriesAreListedApart() throws {
    let data = Data<Double>(steps: 7)
    let json =
      #"{"rule": {"learningRate": 0.1, "momentum": 0.5}, "nonFinitePolicy": "zero", "averaging": {"kind": "mean"}}"#
    var run = try Run(configuration(json), data.start)
    for gradient in data.gradients[..<6] { try run.step(gradient) }
    try StateFile.save(run.optimizer, to: path("state"))
    // In the order of the names: bias had its first gradient in the fourth step.
    let file = try SafetensorsFile(path: path("state"))
    XCTAssertEqual(
      file.metadata["momentum.velocities"],
      "1 withoutLearningRate 0x1p+10, 3 withoutLearningRate 0x1p+7")
    XCTAssertEqual(file.metadata["momentum.averages"], "1 3 0x1.5555555555555p+10, 3 6 0x1.5555555555556p+9")
    var resumed = try Run(configuration(json), run.parameters)
    try StateFile.load(path("state"), into: &resumed.optimizer)
    XCTAssertEqual(resumed.optimizer.state(), run.optimizer.state())
  }

  func testManyTensorsOfOneHistoryTakeOneEntry() throws {
    let layout = try ParameterLayout((0..<20_000).map { ("layer.\($0)", [2]) })
    let rule = try SGD(learningRate: 0.1, momentum: 0.9)
    var optimizer = try Optimizer<Float>(layout, rule: rule)
    var parameters = try ParameterVector<Float>(layout)
    var gradients = try ParameterVector<Float>(layout)
    gradients.fill(1)
    for _ in 0..<2 { try optimizer.step(&parameters, gradients: gradients) }
    try StateFile.save(optimizer, to: path("state"))
    let file = try SafetensorsFile(path: path("state"))
    XCTAssertEqual(file.tensors.count, 20_000)
    XCTAssertEqual(file.metadata["momentum.velocities"], "20000 withoutLearningRate 0x1.ccccccccccccdp+11")
    XCTAssertLessThan(file.metadata.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count }, 400)
    var resumed = try Optimizer<Float>(layout, rule: rule)
    try StateFile.load(path("state"), into: &resumed)
    XCTAssertEqual(resumed.state(), optimizer.state())
  }

  func testTheOrderOfTensorsInAModelDoesNotMatter() throws {
    let names = ["b", "a", "cafe\u{301}", "caf\u{e9}"]
    func optimizer(_ names: [String]) throws -> Optimizer<Double> {
      try Optimizer(ParameterLayout(names.map { ($0, [1]) }), rule: SGD(learningRate: 1, momentum: 0.5))
    }
    var first = try optimizer(names)
    for index in names.indices {
      try [Double(index)].withUnsafeBufferPointer { try first.setVelocity(ofTensor: index, $0) }
    }
    // Scales that differ from tensor to tensor.
    var state = first.state()
    for index in names.indices { state.velocities[index].scale = Double(index + 1) }
    try first.restore(state)
    try StateFile.save(first, to: path("state"))
    var second = try optimizer(names.reversed())
    try StateFile.load(path("state"), into: &second)
    XCTAssertEqual(second.state().direction, [3, 2, 1, 0])
    XCTAssertEqual(second.state().velocities.map(\.scale), [4, 3, 2, 1])
  }

  func testAStateWithoutVelocityTakesOneAway() throws {
    let data = Data<Float>(steps: 1)
    let configuration = try configuration(Self.configurations[0])
    var run = try Run(configuration, data.start)
    try StateFile.save(run.optimizer, to: path("fresh"))
    let fresh = run.optimizer.state()
    try run.step(data.gradients[0])
    XCTAssertTrue(run.optimizer.hasVelocity(ofTensor: 0))
    try StateFile.load(path("fresh"), into: &run.optimizer)
    XCTAssertEqual(run.optimizer.state(), fresh)
  }
}
