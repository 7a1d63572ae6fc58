import Foundation
import Momentum
import MomentumFiles
import MomentumTestSupport
import XCTest

/// Files of velocities that are stored in `BFloat16`.
final class HalfVelocityFileTests: StateFileTestCase {
  /// The configurations that are not of one pass, with such a velocity.
  private static let halves = configurations.filter { !$0.contains("onePass") }.map { half($0) }

  private static func half(_ json: String) -> String { "{\"velocityType\": \"bfloat16\", \(json.dropFirst())" }

  func testARunGoesOnBitForBit() throws {
    let data = Data<Float>(steps: 7)
    for json in Self.halves {
      var whole = try run(json, data, steps: 0..<4)
      try StateFile.save(whole.optimizer, to: path("state"))
      var resumed = try Run(configuration(json), whole.parameters)
      try StateFile.load(path("state"), into: &resumed.optimizer)
      XCTAssertEqual(whole.optimizer.state(), resumed.optimizer.state(), json)
      for gradient in data.gradients[4...] {
        try whole.step(gradient)
        try resumed.step(gradient)
      }
      XCTAssertEqual(whole.optimizer.state(), resumed.optimizer.state(), json)
      for (x, y) in zip(whole.parameters, resumed.parameters) { assertSameBits(x, y, json) }
    }
  }

  func testAFileHasTheVelocityAsItIsInMemory() throws {
    let run = try run(Self.halves[0], Data<Float>(steps: 4), steps: 0..<4)
    try StateFile.save(run.optimizer, to: path("state"))
    let file = try SafetensorsFile(path: path("state"))
    for name in ["weight", "bias", "empty", "long"] {
      XCTAssertEqual(file.tensor(named: "velocity/\(name)")?.dtype, .bf16)
      XCTAssertEqual(file.tensor(named: "average/\(name)")?.dtype, .f32)
    }
    let direction = run.optimizer.state().direction
    let stored = try file.withUnsafeBuffer(of: "velocity/weight", as: BFloat16.self) { $0.map { Float($0) } }
    assertSameBits(stored, Array(direction[..<70]))
    // Other programs get the velocity itself.
    try StateFile.save(run.optimizer, to: path("velocity"), parts: .velocity)
    let velocity = run.optimizer.withUnsafeVelocity(ofTensor: 0) { Array($0) }
    try SafetensorsFile(path: path("velocity")).withUnsafeBuffer(of: "weight", as: Float.self) {
      assertSameBits(velocity, Array($0))
    }
  }

  /// Exact from `BF16` to `F32`, rounded once the other way.
  func testFilesOfTheOtherType() throws {
    let data = Data<Float>(steps: 4)
    for json in Self.configurations where !json.contains("onePass") {
      let plain = try run(json, data, steps: 0..<4)
      let half = try run(Self.half(json), data, steps: 0..<4)
      try StateFile.save(plain.optimizer, to: path("plain"))
      try StateFile.save(half.optimizer, to: path("half"))
      var wide = try Run(configuration(json), data.start)
      try StateFile.load(path("half"), into: &wide.optimizer)
      XCTAssertEqual(wide.optimizer.state(), half.optimizer.state())
      var narrow = try Run(configuration(Self.half(json)), data.start)
      try StateFile.load(path("plain"), into: &narrow.optimizer)
      var expected = plain.optimizer.state()
      expected.direction = expected.direction.map { Float(BFloat16($0)) }
      XCTAssertEqual(narrow.optimizer.state(), expected)
    }
    // Not for Double.
    let json = #"{"rule": {"learningRate": 0.1, "momentum": 0.9}}"#
    let half = try run(Self.half(json), data, steps: 0..<2)
    try StateFile.save(half.optimizer, to: path("half"))
    var double = try Run(configuration(json), Data<Double>(steps: 0).start)
    XCTAssertThrowsError(try StateFile.load(path("half"), into: &double.optimizer)) {
      XCTAssertTrue("\($0)".contains("'velocity/weight' is of type BF16; expected F64"), "\($0)")
    }
  }

  func testCheckpointsAndOtherTensors() throws {
    let data = Data<Float>(steps: 4)
    let run = try run(Self.halves[0], data, steps: 0..<4)
    let memory = run.parameters.map { GuardedMemory($0) }
    try Checkpoint.save(run.optimizer, parameters: memory.map(\.buffer), to: path("run"))
    var resumed = try Run(configuration(Self.halves[0]), data.start)
    let target = resumed.parameters.map { GuardedMemory($0) }
    try Checkpoint.load(path("run"), into: &resumed.optimizer, parameters: target.map(\.buffer))
    XCTAssertEqual(resumed.optimizer.state(), run.optimizer.state())
    for (x, y) in zip(memory, target) { assertSameBits(x.elements, y.elements) }

    let layout = try ParameterLayout([("bias", [3]), ("new", [2, 2]), ("long", [2100])])
    var migrated: Optimizer<Float> = try configuration(Self.halves[0]).makeOptimizer(layout)
    let migration = try StateFile.migrate(path("run"), into: &migrated)
    XCTAssertEqual(migration.added, ["new"])
    XCTAssertEqual(migrated.state(), try run.optimizer.state().migrated(to: layout).state)
  }

  func testVelocitiesOfOtherPrograms() throws {
    let json = #"{"rule": {"learningRate": 0.5, "momentum": 0.9}, "velocityType": "bfloat16"}"#
    let run = try run(json, Data<Float>(steps: 4), steps: 0..<2)
    for exchange in [VelocityExchange(of: .pytorch), VelocityExchange(of: .keras)] {
      try exchange.write(run.optimizer, to: path("velocity"))
      var other = try Run(configuration(json), run.parameters)
      try exchange.read(path("velocity"), into: &other.optimizer)
      for index in [0, 3] {
        let expected = run.optimizer.withUnsafeVelocity(ofTensor: index) { Array($0) }
        let found = other.optimizer.withUnsafeVelocity(ofTensor: index) { Array($0) }
        // What is read is rounded once; a learning rate of 0.5 rounds nothing.
        assertSameBits(expected.map { Float(BFloat16($0)) }, found)
      }
    }
    // A buffer that PyTorch keeps in the type of its parameters.
    var writer = SafetensorsWriter(path: path("bf16"))
    let values = [1.5, -2, 3].map { BFloat16($0) }
    var plain: Optimizer<Float> = try configuration(#"{"rule": {"learningRate": 0.5, "momentum": 0.9}}"#)
      .makeOptimizer(ParameterLayout([("bias", [3])]))
    try values.withUnsafeBufferPointer { values in
      try writer.add("bias", shape: [3], values: values)
      try writer.write()
    }
    try VelocityExchange(of: .pytorch).read(path("bf16"), into: &plain)
    XCTAssertEqual(plain.withUnsafeVelocity(ofTensor: 0) { Array($0) }, [1.5, -2, 3])
  }
}
