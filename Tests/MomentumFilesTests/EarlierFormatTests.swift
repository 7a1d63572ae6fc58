import Foundation
import Momentum
import MomentumFiles
import MomentumTestSupport
import XCTest

/// Files of version 0.1: those that its command wrote (see the README beside them), and damaged ones.
final class EarlierFormatTests: FolderTestCase {
  private func fixture(_ name: String) -> String {
    Checkout.fixture("state-0.1/\(name)").path
  }

  private func tensors(_ name: String) throws -> [[Float]] {
    let file = try SafetensorsFile(path: fixture(name))
    return try ["bias", "weight"].map { try file.withUnsafeBuffer(of: $0, as: Float.self) { Array($0) } }
  }

  private func optimizer() throws -> Optimizer<Float> {
    let data = try Data(contentsOf: URL(fileURLWithPath: fixture("config.json")))
    var configuration = try JSONDecoder().decode(OptimizerConfiguration.self, from: data)
    // As in the command: the norm is part of every report.
    configuration.clipping.whole = .norm(.infinity)
    return try configuration.makeOptimizer(try ParameterLayout([("bias", [1]), ("weight", [3])]))
  }

  /// Takes the two steps that the command of 0.1 took, which folds after each.
  private func twoSteps(_ optimizer: inout Optimizer<Float>, _ start: [[Float]]) throws -> [[Float]] {
    let gradients = try tensors("gradients.safetensors").map { GuardedMemory($0) }
    let parameters = start.map { GuardedMemory($0) }
    for _ in 0..<2 {
      try optimizer.step(parameters: parameters.map(\.buffer), gradients: gradients.map(\.readOnlyBuffer))
      optimizer.foldVelocity()
      optimizer.foldAverage()
    }
    withExtendedLifetime(gradients) {}
    return parameters.map(\.elements)
  }

  private func assertGoesOn(_ optimizer: inout Optimizer<Float>, line: UInt = #line) throws {
    XCTAssertEqual(optimizer.stepCount, 3, line: line)
    XCTAssertEqual(optimizer.lossScale.current, 8, line: line)
    let after = try twoSteps(&optimizer, tensors("parameters.safetensors"))
    for (x, y) in zip(try tensors("after.safetensors"), after) { assertSameBits(x, y, line: line) }
    var expected = try self.optimizer()
    try StateFile.load(fixture("after-state.safetensors"), into: &expected)
    XCTAssertEqual(optimizer.state(), expected.state(), line: line)
  }

  func testAStateGoesOn() throws {
    var resumed = try optimizer()
    try StateFile.load(fixture("state.safetensors"), into: &resumed)
    try assertGoesOn(&resumed)
  }

  func testAVelocityAndAnAverageGoOn() throws {
    var resumed = try optimizer()
    try StateFile.load(fixture("velocity.safetensors"), into: &resumed, parts: .velocity)
    XCTAssertTrue(resumed.keepsLearningRateInVelocity(ofTensor: 0))
    XCTAssertFalse(resumed.keepsLearningRateInVelocity(ofTensor: 1))
    XCTAssertFalse(resumed.hasAverage(ofTensor: 0))
    try StateFile.load(fixture("average.safetensors"), into: &resumed, parts: .average)
    XCTAssertEqual(resumed.stepsAveraged(ofTensor: 1), 3)
    try assertGoesOn(&resumed)
  }

  func testPartsOfAState() throws {
    var resumed = try optimizer()
    try StateFile.load(fixture("state.safetensors"), into: &resumed, parts: .average)
    XCTAssertEqual(resumed.stepCount, 0)
    try StateFile.load(fixture("velocity.safetensors"), into: &resumed, parts: .velocity)
    try assertGoesOn(&resumed)
  }

  func testTensorsAloneAreVelocitiesOfTheRulesForm() throws {
    let layout = try ParameterLayout([("bias", [1]), ("weight", [3])])
    var resumed = try Optimizer<Float>(
      layout, rule: SGD(learningRate: 0.3, momentum: 0.7), clipping: .byGlobalNorm(.infinity))
    try StateFile.load(fixture("plain.safetensors"), into: &resumed, parts: .velocity)
    XCTAssertEqual(resumed.stepCount, 0)
    XCTAssertFalse(resumed.hasVelocity(ofTensor: 0))
    XCTAssertFalse(resumed.keepsLearningRateInVelocity(ofTensor: 1))
    let after = try twoSteps(&resumed, tensors("start.safetensors"))
    for (x, y) in zip(try tensors("after-plain.safetensors"), after) { assertSameBits(x, y) }

    // What has been counted stays, and a rule of the other form takes them as its own.
    resumed.rule = try SGD(learningRate: 0.3, momentum: 0.7, convention: .keras)
    try StateFile.load(fixture("plain.safetensors"), into: &resumed, parts: .velocity)
    XCTAssertEqual(resumed.stepCount, 2)
    XCTAssertTrue(resumed.keepsLearningRateInVelocity(ofTensor: 1))
  }

  // MARK: Format 2

  private static let named = [
    "momentum.stateFormat": "2", "momentum.parts": "velocity average", "momentum.step": "4",
    "momentum.lastStepClipped": "true", "momentum.velocity.bias": "none",
    "momentum.velocity.weight": "withoutLearningRate", "momentum.stepsAveraged.bias": "3",
    "momentum.stepsAveraged.weight": "0",
  ]

  private func writeNamed(
    _ metadata: [String: String] = named,
    _ tensors: [String: [Float]] = ["velocity/weight": [1, 2, 3], "average/bias": [4]]
  ) throws {
    var writer = SafetensorsWriter(path: path("named"), metadata: SafetensorsMetadata(metadata))
    for (name, values) in tensors {
      try writer.add(name, dtype: .f32, shape: [values.count]) { emit throws(SafetensorsError) in
        try values.withUnsafeBufferPointer { bytes throws(SafetensorsError) in try emit(UnsafeRawBufferPointer(bytes)) }
      }
    }
    try writer.write()
  }

  func testAStateOfFormat2GoesOn() throws {
    var resumed = try optimizer()
    try writeNamed()
    try StateFile.load(path("named"), into: &resumed)
    XCTAssertEqual(resumed.stepCount, 4)
    XCTAssertTrue(resumed.lastStepClipped)
    XCTAssertEqual([0, 1].map { resumed.hasVelocity(ofTensor: $0) }, [false, true])
    XCTAssertEqual([0, 1].map { resumed.stepsAveraged(ofTensor: $0) }, [3, 0])
    XCTAssertEqual(resumed.withUnsafeVelocity(ofTensor: 1) { Array($0) }, [1, 2, 3])
    XCTAssertEqual(resumed.withUnsafeAverage(ofTensor: 0) { Array($0) }, [4])

    var velocity = Self.named.filter { !$0.key.hasPrefix("momentum.stepsAveraged") }
    velocity["momentum.parts"] = "velocity"
    try writeNamed(velocity, ["weight": [5, 6, 7]])
    try StateFile.load(path("named"), into: &resumed, parts: .velocity)
    XCTAssertEqual(resumed.withUnsafeVelocity(ofTensor: 1) { Array($0) }, [5, 6, 7])
    XCTAssertEqual(resumed.stepsAveraged(ofTensor: 0), 3)
  }

  func testDamagedFilesOfFormat2LeaveNoTrace() throws {
    typealias Reason = OptimizerFileError.Reason
    let kinds = #"one of ["none", "withLearningRate", "withoutLearningRate"]"#
    let whole = "a whole number in 0...2^53"
    let table: [(changes: [String: String?], tensor: String?, Reason)] = [
      (["momentum.velocity.bias": nil], "bias", .missingMetadata(key: "momentum.velocity.bias", expected: kinds)),
      (
        ["momentum.velocity.bias": "pytorch"], "bias",
        .invalidMetadata(key: "momentum.velocity.bias", value: "pytorch", expected: kinds)
      ),
      (
        ["momentum.stepsAveraged.bias": ""], "bias",
        .invalidMetadata(key: "momentum.stepsAveraged.bias", value: "", expected: whole)
      ),
      (
        ["momentum.stepsAveraged.bias": "9223372036854775807"], "bias",
        .invalidMetadata(key: "momentum.stepsAveraged.bias", value: "9223372036854775807", expected: whole)
      ),
      (["momentum.velocity.other": "none"], nil, .unexpectedMetadata(key: "momentum.velocity.other")),
      (["momentum.velocity.weight": "none"], "velocity/weight", .unexpectedTensor),
      (["momentum.velocity.bias": "withLearningRate"], "velocity/bias", .missingTensor),
      (["momentum.velocities": ""], nil, .unexpectedMetadata(key: "momentum.velocities")),
      // Format 1 has no such key.
      (["momentum.stateFormat": "1"], nil, .unexpectedMetadata(key: "momentum.parts")),
    ]
    var resumed = try optimizer()
    try StateFile.load(fixture("state.safetensors"), into: &resumed)
    let before = resumed.state()
    for (changes, tensor, reason) in table {
      var metadata = Self.named
      for (key, value) in changes { metadata[key] = value }
      try writeNamed(metadata)
      XCTAssertThrowsError(try StateFile.load(path("named"), into: &resumed)) {
        XCTAssertEqual(
          $0 as? OptimizerFileError, OptimizerFileError(file: path("named"), tensor: tensor, reason: reason))
      }
      XCTAssertEqual(resumed.state(), before, "\(reason)")
    }
  }

  // MARK: Damage

  private func write(_ metadata: [String: String], _ names: [String] = ["weight"]) throws {
    let zeros = GuardedMemory([Float](repeating: 0, count: 3))
    var writer = SafetensorsWriter(path: path("bad"), metadata: SafetensorsMetadata(metadata))
    for name in names { try writer.add(name, shape: [3], values: zeros.readOnlyBuffer) }
    try writer.write()
    withExtendedLifetime(zeros) {}
  }

  func testDamagedFilesLeaveNoTrace() throws {
    typealias Reason = OptimizerFileError.Reason
    let velocity = ["momentum.format": "1", "momentum.step": "3", "momentum.convention": "pytorch"]
    let average = ["momentum.stepsAveraged.weight": "2"]
    let conventions = #"one of ["native", "pytorch", "keras", "optax", "mlx"]"#
    let table: [(StateFile.Parts, [String: String], [String], tensor: String?, Reason)] = [
      (
        .velocity, velocity.merging(["momentum.format": "2"]) { $1 }, ["weight"], nil,
        .invalidMetadata(key: "momentum.format", value: "2", expected: "'1'")
      ),
      (
        .velocity, velocity.merging(["momentum.convention": "jax"]) { $1 }, ["weight"], nil,
        .invalidMetadata(key: "momentum.convention", value: "jax", expected: conventions)
      ),
      (
        .velocity, velocity.merging(["momentum.step": "-1"]) { $1 }, ["weight"], nil,
        .invalidMetadata(key: "momentum.step", value: "-1", expected: "a whole number in 0...2^53")
      ),
      (
        .velocity, velocity.merging(["momentum.lastStepClipped": "no"]) { $1 }, ["weight"], nil,
        .invalidMetadata(key: "momentum.lastStepClipped", value: "no", expected: "true or false")
      ),
      (
        .velocity, velocity.merging(["momentum.lossScale": "8"]) { $1 }, ["weight"], nil,
        .invalidMetadata(key: "momentum.lossScale", value: "8", expected: "a dynamic loss scale")
      ),
      (.velocity, velocity, ["weight", "other"], "other", .unexpectedTensor),
      (.velocity, velocity, ["bias"], "bias", .shapeMismatch(shape: [3], expected: [1])),
      (.velocity, [:], ["other"], "other", .unexpectedTensor),
      (.velocity, average, ["weight"], nil, .missingParts(held: .average, expected: .velocity)),
      (.average, velocity, ["weight"], nil, .missingParts(held: .velocity, expected: .average)),
      (.all, velocity, ["weight"], nil, .missingParts(held: .velocity, expected: .all)),
      (.all, [:], ["weight"], nil, .missingMetadata(key: "momentum.stateFormat", expected: "'3'")),
      (
        .average, ["momentum.stepsAveraged.weight": "0"], ["weight"], "weight",
        .invalidMetadata(key: "momentum.stepsAveraged.weight", value: "0", expected: "a whole number in 1...2^53")
      ),
      (
        .average, [:], ["weight"], "weight",
        .missingMetadata(key: "momentum.stepsAveraged.weight", expected: "a whole number in 1...2^53")
      ),
      (.average, average, ["weight", "other"], "other", .unexpectedTensor),
      (.average, [:], ["other"], "other", .unexpectedTensor),
    ]
    var resumed = try optimizer()
    try StateFile.load(fixture("state.safetensors"), into: &resumed)
    let before = resumed.state()
    for (parts, metadata, names, tensor, reason) in table {
      try write(metadata, names)
      XCTAssertThrowsError(try StateFile.load(path("bad"), into: &resumed, parts: parts)) {
        XCTAssertEqual($0 as? OptimizerFileError, OptimizerFileError(file: path("bad"), tensor: tensor, reason: reason))
      }
      XCTAssertEqual(resumed.state(), before, "\(reason)")
    }
    // An average of nothing, as after steps that were all skipped.
    try write([:], [])
    try StateFile.load(path("bad"), into: &resumed, parts: .average)
    XCTAssertFalse(resumed.hasAverage(ofTensor: 1))
  }
}
