import Foundation
import Momentum
import XCTest

@testable import MomentumCLI

final class RecurrentNetworkTests: XCTestCase {
  private func loss<S: NetworkScalar>(
    _ network: inout RecurrentNetwork<S>, _ parameters: [S], _ labels: ArraySlice<UInt8>
  ) throws -> S {
    try parameters.withUnsafeBufferPointer { try network.run($0, labels: labels).loss }
  }

  private func gradient<S: NetworkScalar>(
    _ network: inout RecurrentNetwork<S>, _ parameters: [S], _ labels: ArraySlice<UInt8>
  ) throws -> [S] {
    var gradient = [S](repeating: .nan, count: parameters.count)
    _ = try parameters.withUnsafeBufferPointer { parameters in
      try gradient.withUnsafeMutableBufferPointer { try network.run(parameters, labels: labels, gradient: $0) }
    }
    return gradient
  }

  /// Every element of the gradient against (f(p + h) − f(p − h)) / 2h, over 32 and 64 steps.
  ///
  /// With h = 2⁻¹⁷ the formula's own error is about h² ≈ 6e-11 times a third derivative, and rounding adds 2⁻⁵³/h ≈ 1.5e-11:
  /// both below 1e-8 of the largest element.
  func testGradientAgreesWithCentralDifferences() throws {
    let data = try DigitsDataset.bundled()
    let images = data.trainingImages[..<4]
    let labels = ArraySlice(images.map { data.labels[$0] })
    for inputs in [1, 2] {
      let shape = NetworkShape(inputs: inputs, hidden: 6, outputs: 10, steps: 64 / inputs)
      var parameters = try shape.start(seed: 7, gain: 1.1)
      // Biases start at 0; move them, or a fault in their part might hide.
      var generator = RandomStream(3)
      for i in parameters.indices { parameters[i] += 0.1 * generator.normal() }
      var network = RecurrentNetwork<Double>(shape, largestBatch: 5)
      network.load(images, of: data)
      let found = try gradient(&network, parameters, labels)
      let scale = found.map(\.magnitude).max()!
      let h = 0x1p-17
      var worst = 0.0
      for i in parameters.indices {
        let center = parameters[i]
        parameters[i] = center + h
        let above = try loss(&network, parameters, labels)
        parameters[i] = center - h
        let below = try loss(&network, parameters, labels)
        parameters[i] = center
        worst = max(worst, ((above - below) / (2 * h) - found[i]).magnitude / scale)
      }
      XCTAssertLessThan(worst, 1e-8, "\(inputs) pixels a step")
    }
  }

  func testFloatAgreesWithDouble() throws {
    let data = try DigitsDataset.bundled()
    let images = data.trainingImages[..<32]
    let labels = ArraySlice(images.map { data.labels[$0] })
    let shape = TrainingOptions().shape
    let parameters = try shape.start(seed: 1, gain: 1)
    var wide = RecurrentNetwork<Double>(shape, largestBatch: 32)
    var narrow = RecurrentNetwork<Float>(shape, largestBatch: 32)
    wide.load(images, of: data)
    narrow.load(images, of: data)
    let expected = try gradient(&wide, parameters.map { Double(Float($0)) }, labels)
    let found = try gradient(&narrow, parameters.map(Float.init), labels)
    let scale = expected.map(\.magnitude).max()!
    // 32 steps back through products of 64 terms: some hundred roundings of 2⁻²⁴, most of which cancel.
    for i in found.indices {
      XCTAssertLessThan((Double(found[i]) - expected[i]).magnitude / scale, 1e-5, "element \(i)")
    }
  }

  func testGuessingCostsTheLogarithmOfTheClasses() throws {
    let data = try DigitsDataset.bundled()
    let shape = NetworkShape(inputs: 2, hidden: 3, outputs: 10, steps: 32)
    var network = RecurrentNetwork<Double>(shape, largestBatch: 8)
    network.load(data.testImages[..<8], of: data)
    let zeros = [Double](repeating: 0, count: try shape.layout().count)
    let result = try loss(&network, zeros, ArraySlice([0, 1, 2, 3, 4, 5, 6, 7]))
    XCTAssertEqual(result, log(10), accuracy: 1e-14)
  }

  func testStartIsARotationTimesTheGain() throws {
    let shape = NetworkShape(inputs: 2, hidden: 16, outputs: 10, steps: 32)
    let start = try shape.start(seed: 5, gain: 1.5)
    let rotation = start[32..<32 + 256].map { $0 / 1.5 }
    for i in 0..<16 {
      for j in 0..<16 {
        let product = (0..<16).reduce(0.0) { $0 + rotation[i * 16 + $1] * rotation[j * 16 + $1] }
        XCTAssertEqual(product, i == j ? 1 : 0, accuracy: 1e-13)
      }
    }
    XCTAssertEqual(start, try shape.start(seed: 5, gain: 1.5))
    XCTAssertNotEqual(start, try shape.start(seed: 6, gain: 1.5))
  }
}
