import Momentum
import XCTest

/// The code of the doc comments on half precision; see ``DocumentationSnippets``.
final class DocumentationSnippetsOfHalves: XCTestCase {
  func testBFloat16() {
    // snippet
    let third = BFloat16(1.0 / 3)  // 0.334
    let wide = Float(third)  // 0.333984375, exact
    let rounded = BFloat16(1 + wide)  // 1.336
    // end
    XCTAssertEqual("\(third)", "0.334")
    XCTAssertEqual(wide, 0.333984375)
    XCTAssertEqual(rounded, 1.336)
  }

  func testNorm() throws {
    // snippet
    let gradients = try ParameterVector(Array(repeating: BFloat16(0.01), count: 100_000))
    let report = try Gradients.norm(of: gradients)  // 3.1653..., and 0.01 is 0.010009765625
    // end
    XCTAssertEqual(report.norm, 3.1653, accuracy: 1e-4)
    XCTAssertEqual(Float(gradients[0]), 0.010009765625)
  }

  func testStep() throws {
    let layout = try ParameterLayout([("w", [2])])
    var optimizer = try Optimizer<Float>(layout, rule: SGD(learningRate: 0.1))
    // snippet
    var parameters = try ParameterVector<Float>(layout)
    let gradients = try ParameterVector<BFloat16>(layout)
    try optimizer.step(&parameters, gradients: gradients)
    // end
    XCTAssertEqual(optimizer.stepCount, 1)
  }

  func testOverflowPolicy() throws {
    // snippet
    let master = try ParameterVector<Float>([3.4e38, -3.4e38, .infinity])
    let copy = try ParameterVector<BFloat16>(rounding: master, overflowPolicy: .saturate)
    let stored = [copy[0], copy[1], copy[2]]  // 3.39e38, -3.39e38, infinite
    // end
    XCTAssertEqual(stored, [.greatestFiniteMagnitude, -.greatestFiniteMagnitude, .infinity])
  }

  func testSplitParameters() throws {
    var optimizer = try Optimizer<Float>(ParameterLayout(count: 2), rule: SGD(learningRate: 0.1))
    let gradients = try ParameterVector<Float>([0, 1])
    // snippet
    let master = try ParameterVector<Float>([1, 0.1])
    var parameters = try SplitParameters(master)
    try optimizer.step(&parameters, gradients: gradients)
    let inHalfPrecision = parameters.bfloat16[1]  // for the next forward pass
    let exact = parameters[1]  // as in a step of Floats
    // end
    XCTAssertEqual(exact, Float(0.1) - Float(0.1))
    XCTAssertEqual(inHalfPrecision, 0)
  }

  func testCopy() throws {
    var optimizer = try Optimizer<Float>(ParameterLayout(count: 2), rule: SGD(learningRate: 0.1))
    let gradients = try ParameterVector<Float>([1, 0])
    // snippet
    var master = try ParameterVector<Float>([1, 0.1])
    var copy = try ParameterVector<BFloat16>(rounding: master)  // for the first forward pass
    try optimizer.step(&master, copy: &copy, gradients: gradients)
    // end
    XCTAssertEqual([copy[0], copy[1]], [0.9, 0.1])
  }

  func testVelocity() throws {
    let layout = try ParameterLayout(count: 1)
    // snippet
    var optimizer = try Optimizer<Float>(
      layout, rule: SGD(learningRate: 0.1, momentum: 0.99), velocityType: .bfloat16)
    // end
    var parameters = try ParameterVector<Float>(layout)
    let gradients = try ParameterVector<BFloat16>([1])
    for _ in 0..<1500 { try optimizer.step(&parameters, gradients: gradients) }
    optimizer.withUnsafeVelocity(ofTensor: 0) { XCTAssertEqual($0[0], 98, accuracy: 3) }
  }

  func testListOfTensors() throws {
    let layout = try ParameterLayout([("w", [2]), ("b", [1]), ("s", [1])])
    var optimizer = try Optimizer<Float>(layout, rule: SGD(learningRate: 0.5))
    var floats: [Float] = [1, 0.1, 7]
    var (halves, copies) = ([BFloat16](repeating: 1, count: 1), [BFloat16](repeating: 0, count: 2))
    let (wide, half): ([Float], [BFloat16]) = ([1, 0], [1])
    try floats.withUnsafeMutableBufferPointer { floats in
      try halves.withUnsafeMutableBufferPointer { bias in
        try copies.withUnsafeMutableBufferPointer { weightsInHalfPrecision in
          try wide.withUnsafeBufferPointer { biasGradients in
            try half.withUnsafeBufferPointer { halfGradients in
              let weights = UnsafeMutableBufferPointer(rebasing: floats[..<2])
              let scale = UnsafeMutableBufferPointer(rebasing: floats[2...])
              let (weightGradients, biasGradients) = (biasGradients, halfGradients)
              // snippet
              let parameters = [
                ParameterBuffer(weights, copy: weightsInHalfPrecision),  // Floats, and a copy that the step writes
                ParameterBuffer(bias, rounding: .stochastic(seed: 1)),  // BFloat16s
                ParameterBuffer(scale),  // Floats
              ]
              let gradients = [TensorBuffer(weightGradients), TensorBuffer(biasGradients), nil]
              try optimizer.step(parameters: parameters, gradients: gradients)
              // end
            }
          }
        }
      }
    }
    XCTAssertEqual(floats, [0.5, 0.1, 7])
    XCTAssertEqual(copies, [0.5, 0.1])
    XCTAssertEqual(halves, [0.5])
  }

  func testRounding() throws {
    var optimizer = try Optimizer<Float>(ParameterLayout(count: 2), rule: SGD(learningRate: 0.1))
    let gradients = try ParameterVector<Float>([1, 0])
    // snippet
    var parameters = try ParameterVector<BFloat16>([1, 0.1])
    let report = try optimizer.step(&parameters, rounding: .stochastic(seed: 1), gradients: gradients)
    // end
    XCTAssertEqual(report.lostUpdates, 0)
    XCTAssertEqual(parameters[1], 0.1)
  }
}
