import Foundation
import Momentum
import MomentumTestSupport
import XCTest

/// What Optax and TensorFlow compute, see Tests/Fixtures/units/README.md.
final class UnitPeerTests: XCTestCase {
  private struct Fixtures: Decodable {
    struct Clip: Decodable {
      let shape: [Int]
      let gradient: [Double]
      let parameters: [Double]?
      let limit: Double
      let epsilon: Double?
      let axes: [Int]?
      let result: [Double]
    }
    struct Steps: Decodable {
      struct Rule: Decodable {
        let learningRate, momentum, weightDecay, trustCoefficient, epsilon: Double
        let nesterov: Bool
      }
      let shape: [Int]
      let parameters, gradient, result: [Double]
      let rule: Rule
    }
    struct Examples: Decodable {
      let rows: Int
      let shapes: [[Int]]
      let gradient: [Double]
      let limit: Double
      let results: [[Double]]
      let counts: [[Int]]
    }
    let blockRMS, adaptive, tensorflowAxes: [Clip]
    let lars: [Steps]
    let perExample: [Examples]
  }

  private func fixtures() throws -> Fixtures {
    let file =
      ProcessInfo.processInfo.environment["UNIT_PEERS"].map { URL(fileURLWithPath: $0) }
      ?? Checkout.fixture("units/peers.json")
    return try JSONDecoder().decode(Fixtures.self, from: Data(contentsOf: file))
  }

  /// Both sides round in double precision; the order of sums differs.
  private func check(_ found: [Double], _ expected: [Double], _ what: String, line: UInt = #line) {
    XCTAssertEqual(found.count, expected.count, what, line: line)
    let largest = expected.map(\.magnitude).max() ?? 0
    for (x, y) in zip(found, expected) { XCTAssertEqual(x, y, accuracy: 2e-14 * largest, what, line: line) }
  }

  private func clip(_ test: Fixtures.Clip, _ clipping: GradientClipping, _ convention: Convention) throws -> [Double] {
    var gradient = test.gradient
    _ = try gradient.withUnsafeMutableBufferPointer {
      try Gradients.clip([$0], by: clipping, shapes: [test.shape], convention: convention)
    }
    return gradient
  }

  /// The parameters after some steps.
  private func run(
    _ rule: some UpdateRule, _ shape: [Int], _ start: [Double], _ gradients: [Double]
  ) throws -> [Double] {
    var optimizer = try Optimizer<Double>(ParameterLayout([("t", shape)]), rule: rule)
    var parameters = start
    for first in stride(from: 0, to: gradients.count, by: start.count) {
      let gradient = Array(gradients[first..<first + start.count])
      _ = try parameters.withUnsafeMutableBufferPointer { parameters in
        try gradient.withUnsafeBufferPointer { try optimizer.step(parameters: parameters, gradients: $0) }
      }
    }
    return parameters
  }

  func testBlockRMSOfOptax() throws {
    for test in try fixtures().blockRMS {
      for convention in [Convention.native, .optax] {
        check(try clip(test, .byBlockRMS(test.limit), convention), test.result, "\(test.shape), \(test.limit)")
      }
    }
  }

  func testClipByNormWithAxesOfTensorFlow() throws {
    for test in try fixtures().tensorflowAxes {
      let clipping = try GradientClipping.byNorm(test.limit, of: .axes(test.axes!))
      check(try clip(test, clipping, .keras), test.result, "\(test.shape), axes \(test.axes!)")
    }
  }

  func testAdaptiveGradientClippingOfOptax() throws {
    for test in try fixtures().adaptive {
      let rule = try AdaptiveGradientClipping(
        SGD(learningRate: 1, convention: .optax), factor: test.limit, epsilon: test.epsilon!, units: .optax)
      let expected = zip(test.parameters!, test.result).map { $0 - $1 }
      check(try run(rule, test.shape, test.parameters!, test.gradient), expected, "\(test.shape)")
    }
  }

  func testLARSOfOptax() throws {
    for test in try fixtures().lars {
      let rule = try LARS(
        learningRate: test.rule.learningRate, momentum: test.rule.momentum, weightDecay: test.rule.weightDecay,
        trustCoefficient: test.rule.trustCoefficient, epsilon: test.rule.epsilon, nesterov: test.rule.nesterov,
        convention: .optax)
      check(try run(rule, test.shape, test.parameters, test.gradient), test.result, "\(test.shape), \(test.rule)")
    }
  }

  func testPerExampleClippingOfOptax() throws {
    for test in try fixtures().perExample {
      let layout = try ParameterLayout(test.shapes.enumerated().map { ("\($0)", $1) })
      for (index, scope) in [PerExampleClipping.Scope.example, .uniformLayers, .proportionalLayers].enumerated() {
        let clipping = try PerExampleClipping(norm: test.limit, scope: scope, batchSize: 1)
        var sum = Array(repeating: 0.0, count: layout.count)
        let report = try test.gradient.withUnsafeBufferPointer { examples in
          try sum.withUnsafeMutableBufferPointer {
            try clipping.average(
              BLAS.Matrix(examples.baseAddress, rows: test.rows, columns: layout.count), layout: layout, into: $0)
          }
        }
        check(sum, test.results[index], "\(test.shapes), \(scope)")
        XCTAssertEqual(report.clippedCounts, test.counts[index])
      }
    }
  }
}
