import Foundation
import Momentum
import MomentumTestSupport
import XCTest

final class LossScaleTests: XCTestCase {
  private func run(_ scale: inout LossScale, _ finite: [Bool]) -> [Double] {
    finite.map {
      scale.update(finite: $0)
      return scale.current
    }
  }

  func testWhatDoesNotMove() throws {
    for (scale, expected) in [(LossScale.none, 1.0), (try .fixed(1024), 1024)] {
      var scale = scale
      XCTAssertEqual(scale.current, expected)
      XCTAssertEqual(run(&scale, [true, false, false, true]), Array(repeating: expected, count: 4))
      XCTAssertEqual(scale.finiteSteps, 0)
    }
    XCTAssertEqual(try LossScale.fixed(1), .none)
  }

  func testTable() throws {
    var scale = try LossScale.dynamic(initial: 8, growthInterval: 3)
    XCTAssertEqual(
      run(&scale, [true, true, false, true, true, true, true, true, true, false, false]),
      [8, 8, 4, 4, 4, 8, 8, 8, 16, 8, 4])
    XCTAssertEqual(scale.finiteSteps, 0)
  }

  func testPresets() {
    for (preset, start) in [(LossScale.pytorch, 65536.0), (.keras, 32768)] {
      var scale = preset
      XCTAssertEqual(scale.current, start)
      for _ in 0..<1999 { scale.update(finite: true) }
      XCTAssertEqual(scale.current, start)
      scale.update(finite: true)
      XCTAssertEqual(scale.current, 2 * start)
      scale.update(finite: false)
      XCTAssertEqual(scale.current, start)
    }
  }

  func testNeverZeroNorInfinite() throws {
    var generator = SeededGenerator(seed: 3)
    for _ in 0..<100 {
      let (low, high) = (Int.random(in: -1022...0, using: &generator), Int.random(in: 0...1023, using: &generator))
      let (minimum, maximum) = (
        Double(sign: .plus, exponent: low, significand: 1), Double(sign: .plus, exponent: high, significand: 1)
      )
      var scale = try LossScale.dynamic(
        initial: 1, growthFactor: 1 + Double.random(in: 0.1...1e300, using: &generator),
        backoffFactor: Double.random(in: 1e-300...0.99, using: &generator),
        growthInterval: Int.random(in: 1...3, using: &generator), minimum: minimum, maximum: maximum)
      let bias = Int.random(in: 0...10, using: &generator)
      for _ in 0..<200 {
        scale.update(finite: Int.random(in: 0...10, using: &generator) <= bias)
        XCTAssertTrue((minimum...maximum).contains(scale.current), "\(scale)")
      }
    }
    var falling = LossScale.pytorch
    for _ in 0..<10_000 { falling.update(finite: false) }
    XCTAssertEqual(falling.current, Double(Float.leastNormalMagnitude))
    var growing = try LossScale.dynamic(growthInterval: 1)
    for _ in 0..<10_000 { growing.update(finite: true) }
    XCTAssertEqual(growing.current, 0x1p127)
  }

  func testValidation() {
    func refuses(_ text: String, line: UInt = #line, _ make: () throws -> LossScale) {
      XCTAssertThrowsError(try make(), line: line) { XCTAssertEqual("\($0)", text, line: line) }
    }
    for value in [0, -1, Double.nan, .infinity, .leastNonzeroMagnitude] {
      refuses("loss scale is \(value); expected a positive finite number") { try .fixed(value) }
      refuses("minimum of the loss scale is \(value); expected a positive finite number") {
        try .dynamic(minimum: value)
      }
      refuses("maximum of the loss scale is \(value); expected a positive finite number") {
        try .dynamic(maximum: value)
      }
    }
    refuses("minimum of the loss scale is 4.0; expected at most the maximum, 2.0") {
      try .dynamic(initial: 3, minimum: 4, maximum: 2)
    }
    for value in [0.5, 5, .nan] {
      refuses("loss scale is \(value); expected a number in 1.0...4.0") {
        try .dynamic(initial: value, minimum: 1, maximum: 4)
      }
    }
    for value in [1, 0.5, .nan, .infinity] {
      refuses("growthFactor is \(value); expected a finite number > 1") { try .dynamic(growthFactor: value) }
    }
    for value in [0, 1, -1, Double.nan] {
      refuses("backoffFactor is \(value); expected a number between 0 and 1, both excluded") {
        try .dynamic(backoffFactor: value)
      }
    }
    refuses("growthInterval is 0; expected at least 1") { try .dynamic(growthInterval: 0) }
  }

  func testJSON() throws {
    func decode(_ json: String) throws -> LossScale { try JSONDecoder().decode(LossScale.self, from: Data(json.utf8)) }
    XCTAssertEqual(try decode("1"), .none)
    XCTAssertEqual(try decode("512"), try .fixed(512))
    XCTAssertEqual(try decode("\"pytorch\""), .pytorch)
    XCTAssertEqual(try decode("\"keras\""), .keras)
    XCTAssertEqual(try decode("{}"), .pytorch)
    XCTAssertEqual(try decode(#"{"initial": 32768}"#), .keras)
    XCTAssertEqual(
      try decode(#"{"initial": 4, "growthFactor": 3, "backoffFactor": 0.25, "growthInterval": 7, "minimum": 1}"#),
      try .dynamic(initial: 4, growthFactor: 3, backoffFactor: 0.25, growthInterval: 7, minimum: 1))
    for json in [
      "0", "-1", "\"mlx\"", "[]", #"{"growth": 2}"#, #"{"growthInterval": 3, "finiteSteps": 3}"#,
      #"{"finiteSteps": -1}"#, #"{"current": 0}"#,
    ] { XCTAssertThrowsError(try decode(json), json) }
  }

  func testAStateGoesOnWithTheSameBits() throws {
    var generator = SeededGenerator(seed: 4)
    var scale = try LossScale.dynamic(
      initial: 1.1, growthFactor: 1.7, backoffFactor: 0.3, growthInterval: 4, minimum: 1e-3, maximum: 1e4)
    for _ in 0..<300 {
      let restored = try JSONDecoder().decode(LossScale.self, from: JSONEncoder().encode(scale))
      XCTAssertEqual(restored, scale)
      scale = restored
      scale.update(finite: generator.next() % 8 > 0)
    }
  }
}
