import Foundation
import MomentumTestSupport
import XCTest

@testable import Momentum

/// Velocities in `BFloat16` that are saved, set and configured.
final class HalfVelocityStateTests: XCTestCase {
  func testAResumedRunGoesOnBitForBit() throws {
    for settings in try HalfVelocitySetup.all().dropLast() {
      var random = SeededGenerator(seed: 193)
      var whole = try settings.optimizer(.bfloat16)
      let count = whole.layout.count
      var expected = try ParameterVector<Float>(random.numbers(count))
      let gradients = (0..<6).map { _ in random.numbers(count, as: Float.self) }
      for gradient in gradients[..<3] { try whole.step(&expected, gradients: ParameterVector(gradient)) }
      let saved = try JSONDecoder().decode(
        OptimizerState<Float>.self, from: JSONEncoder().encode(whole.state()))
      var resumed = try settings.optimizer(.bfloat16, threads: 2)
      try resumed.restore(saved)
      var found = try expected.clone()
      for gradient in gradients[3...] {
        try whole.step(&expected, gradients: ParameterVector(gradient))
        try resumed.step(&found, gradients: ParameterVector(gradient))
      }
      assertSameBits((0..<count).map { expected[$0] }, (0..<count).map { found[$0] })
      XCTAssertEqual(whole.state(), resumed.state())
    }
  }

  /// A state of Floats is rounded once, and one of BFloat16 is exact as Floats.
  func testStatesOfTheOtherType() throws {
    let settings = try HalfVelocitySetup.all()[0]
    var random = SeededGenerator(seed: 194)
    var plain = try settings.optimizer(.float32)
    var rounding = try settings.optimizer(.bfloat16)
    let count = plain.layout.count
    var parameters = try ParameterVector<Float>(random.numbers(count))
    for _ in 0..<2 { try plain.step(&parameters, gradients: ParameterVector(random.numbers(count))) }
    try rounding.restore(plain.state())
    XCTAssertEqual(rounding.state().direction, plain.state().direction.map { BFloat16($0).float })
    XCTAssertEqual(rounding.state().velocities, plain.state().velocities)
    try plain.restore(rounding.state())
    XCTAssertEqual(plain.state(), rounding.state())

    var state = plain.state()
    state.velocities[3].scale = 1
    state.direction[3000] = .greatestFiniteMagnitude
    XCTAssertNoThrow(try plain.restore(state))
    let before = rounding.state()
    XCTAssertThrowsError(try rounding.restore(state)) {
      let place = plain.layout.tensors[3].offset
      XCTAssertEqual(
        $0 as? MomentumError,
        .nonFiniteState(
          what: "velocity", tensor: "d", index: 3000 - place, value: Double(Float.greatestFiniteMagnitude)))
    }
    XCTAssertEqual(rounding.state(), before)
    // A state without a velocity.
    try rounding.restore(OptimizerState(rounding.layout))
    XCTAssertEqual(rounding.state().direction, [])
  }

  func testVelocitiesAreSetFoldedAndConverted() throws {
    let layout = try ParameterLayout([("w", [3])])
    var optimizer = try Optimizer<Float>(
      layout, rule: SGD(learningRate: 0.3, momentum: 0.9), velocityType: .bfloat16)
    try [Float(1), -2.5, 1.00390625].withUnsafeBufferPointer { try optimizer.setVelocity(ofTensor: 0, $0) }
    func velocity() -> [Float] { optimizer.withUnsafeVelocity(ofTensor: 0) { Array($0) } }
    XCTAssertEqual(velocity(), [1, -2.5, 1], "rounded to even")
    // The scale takes in the learning rate, the direction the sign.
    try optimizer.convertVelocity(toKeepLearningRate: true, learningRate: 0.3)
    XCTAssertEqual(velocity(), [-0.3, 0.75, -0.3])
    XCTAssertEqual(Set(optimizer.state().direction.map(\.significand)), [1, 1.25])
    try optimizer.convertVelocity(toKeepLearningRate: false, learningRate: 0.3)
    XCTAssertEqual(velocity(), [1, -2.5, 1])
    try optimizer.convertVelocity(toKeepLearningRate: true, learningRate: 0.3)
    optimizer.foldVelocity()
    XCTAssertEqual(optimizer.state().velocities[0].scale, 1)
    XCTAssertEqual(velocity(), [-0.3, 0.75, -0.3].map { BFloat16($0).float })
    optimizer.resetVelocity()
    XCTAssertEqual(velocity(), [0, 0, 0])
    XCTAssertFalse(optimizer.hasVelocity(ofTensor: 0))
    try [Float(3e38), 0, .greatestFiniteMagnitude].withUnsafeBufferPointer { values in
      XCTAssertThrowsError(try optimizer.setVelocity(ofTensor: 0, values))
    }
    XCTAssertEqual(velocity(), [0, 0, 0])
  }

  // MARK: - Settings

  func testRefusals() throws {
    let layout = try ParameterLayout(count: 2)
    let rule = try SGD(learningRate: 1, momentum: 0.9)
    func expect(_ text: String, line: UInt = #line, _ body: () throws -> Void) {
      XCTAssertThrowsError(try body(), line: line) { XCTAssertEqual("\($0)", text, line: line) }
    }
    expect("velocityType is float16; expected float32 or bfloat16") {
      _ = try Optimizer<Float>(layout, rule: rule, velocityType: .float16)
    }
    expect("velocityType is float64; expected float32 or bfloat16") {
      _ = try Optimizer<Float>(layout, rule: rule, velocityType: .float64)
    }
    expect("velocityType is bfloat16; expected float64, as the parameters are") {
      _ = try Optimizer<Double>(layout, rule: rule, velocityType: .bfloat16)
    }
    let memory = UnsafeMutableBufferPointer<Float>.allocate(capacity: 2)
    defer { memory.deallocate() }
    let halves = UnsafeMutableBufferPointer<BFloat16>.allocate(capacity: 2)
    defer { halves.deallocate() }
    expect("velocityType is bfloat16; expected float32 for a velocity in memory of that type") {
      var optimizer = try Optimizer<Float>(layout, rule: rule, velocityType: .bfloat16)
      try optimizer.placeVelocity(in: memory)
    }
    expect("velocityType is float32; expected bfloat16 for a velocity in memory of that type") {
      var optimizer = try Optimizer<Float>(layout, rule: rule)
      try optimizer.placeVelocity(in: halves)
    }
    _ = try Optimizer<Double>(layout, rule: rule, velocityType: .float64)
    XCTAssertEqual(try Optimizer<Double>(layout, rule: rule).velocityType, .float64)
  }

  func testConfiguration() throws {
    func configuration(_ type: String) throws -> OptimizerConfiguration {
      let text = #"{"rule": {"learningRate": 0.5, "momentum": 0.9}, "velocityType": "\#(type)"}"#
      return try JSONDecoder().decode(OptimizerConfiguration.self, from: Data(text.utf8))
    }
    let half = try configuration("bfloat16")
    let optimizer: Optimizer<Float> = try half.makeOptimizer(ParameterLayout(count: 2))
    XCTAssertEqual(optimizer.velocityType, .bfloat16)
    XCTAssertTrue(optimizer.description.contains("\nvelocity: bfloat16"), optimizer.description)
    let again = try JSONDecoder().decode(OptimizerConfiguration.self, from: JSONEncoder().encode(half))
    XCTAssertEqual(again.velocityType, .bfloat16)
    XCTAssertThrowsError(try configuration("float16")) {
      XCTAssertTrue("\($0)".contains("velocityType is float16; expected float32, float64 or bfloat16"), "\($0)")
    }
    XCTAssertThrowsError(try configuration("half"))
    XCTAssertThrowsError(try { _ = try half.makeOptimizer(ParameterLayout(count: 2)) as Optimizer<Double> }())
    let plain = try OptimizerConfiguration(rule: RuleConfiguration(learningRate: .constant(0.5)))
    XCTAssertFalse(String(decoding: try JSONEncoder().encode(plain), as: UTF8.self).contains("velocityType"))
    XCTAssertFalse(
      try (plain.makeOptimizer(ParameterLayout(count: 2)) as Optimizer<Float>).description.contains("velocity:"))
  }
}
