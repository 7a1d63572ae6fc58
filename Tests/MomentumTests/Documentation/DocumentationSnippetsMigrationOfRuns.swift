import Momentum
import XCTest

/// The code of the article Migration, from loss scales to states; see ``DocumentationSnippets``.
final class DocumentationSnippetsMigrationOfRuns: XCTestCase {
  private let layout = try! ParameterLayout([("a.weight", [2, 2]), ("a.bias", [2])])  // valid

  private func filled(_ value: Float) throws -> ParameterVector<Float> {
    var vector = try ParameterVector<Float>(layout)
    vector.fill(value)
    return vector
  }

  func testSchedulesInAnOptimizer() throws {
    // snippet
    let scheduled = try Scheduled(
      SGD(learningRate: 0.1, momentum: 0.9), learningRate: .cosine(initial: 0.1, steps: 100),
      momentum: .linear(from: 0.5, to: 0.9, steps: 10))
    var optimizer = try Optimizer<Float>(layout, rule: scheduled)
    // end
    var parameters = try filled(0)
    try optimizer.step(&parameters, gradients: filled(1))
    XCTAssertEqual(parameters[0], -0.1)
    XCTAssertEqual((try optimizer.rule.resolved(at: 5) as? SGD)?.momentum, 0.7)
  }

  func testLossScale() throws {
    var optimizer = try Optimizer<Float>(layout, rule: SGD(learningRate: 1), clipping: .byGlobalNorm(100))
    var parameters = try filled(0)
    let loss = 0.25
    // snippet
    optimizer.lossScale = .pytorch  // once
    let scaledLoss = loss * optimizer.lossScale.current
    // end
    let gradients = try filled(Float(4 * scaledLoss))
    // snippet
    let report = try optimizer.step(&parameters, gradients: gradients)  // divides, clips, skips, adapts
    // end
    XCTAssertEqual(report.lossScale, 0x1p16)
    XCTAssertEqual(report.totalNorm!, 6.0.squareRoot(), accuracy: 1e-7)
    XCTAssertEqual(parameters[0], -1)
    try optimizer.step(&parameters, gradients: filled(.infinity))
    XCTAssertEqual(parameters[0], -1)
    XCTAssertEqual(optimizer.lossScale.current, 0x1p15)
  }

  func testVelocitiesOfAnotherRule() throws {
    let matrix = try ParameterLayout([("w", [2, 2])])
    var optimizer = try Optimizer<Float>(matrix, rule: Muon(learningRate: 0.02, momentum: 0.75, convention: .pytorch))
    var parameters = try ParameterVector<Float>(matrix)
    var gradients = try ParameterVector<Float>(matrix)
    gradients.fill(1)
    try optimizer.step(&parameters, gradients: gradients)
    optimizer.withUnsafeVelocity(ofTensor: 0) { XCTAssertEqual($0[0], 0.25) }
    // snippet
    // From Muon as PyTorch has it, a mean, to that of Keras, a sum.
    let new = try Muon(learningRate: 0.02, convention: .keras)
    try optimizer.convertVelocity(from: optimizer.rule, to: new)
    optimizer.rule = new
    // end
    optimizer.withUnsafeVelocity(ofTensor: 0) { XCTAssertEqual($0[0], 1) }
  }

  func testAverages() throws {
    var optimizer = try Optimizer<Float>(layout, rule: SGD(learningRate: 1))
    var parameters = try filled(0)
    let gradients = try filled(1)
    // snippet
    optimizer.averaging = try .exponential(decay: 0.999)
    // end
    XCTAssertNil(optimizer.averaging?.overwriteEvery)
    // snippet
    optimizer.averaging = try .exponential(decay: 0.99, overwriteEvery: 100)
    // end
    XCTAssertEqual(optimizer.averaging?.overwriteEvery, 100)
    // snippet
    optimizer.averaging = try WeightAveraging(.mean)
    try optimizer.step(&parameters, gradients: gradients)
    try optimizer.step(&parameters, gradients: gradients)
    let average = optimizer.withUnsafeAverage(ofTensor: 0) { Array($0) }
    // end
    XCTAssertEqual(parameters[0], -2)
    XCTAssertEqual(average, [-1.5, -1.5, -1.5, -1.5])
  }

  func testLARS() throws {
    // snippet
    let rule = try LARS(learningRate: 2, momentum: 0.9, weightDecay: 1e-4, trustCoefficient: 0.001, convention: .optax)
    // end
    var optimizer = try Optimizer<Float>(layout, rule: rule)
    var parameters = try filled(1)
    try optimizer.step(&parameters, gradients: filled(1))
    XCTAssertEqual(parameters[0], 0.998, accuracy: 1e-6)
  }

  func testAdaptiveLimits() throws {
    var optimizer = try Optimizer<Float>(layout, rule: SGD(learningRate: 1))
    // snippet
    optimizer.adaptiveLimit = .autoClip(try AutoClip(percentile: 10))
    optimizer.adaptiveLimit = .zClip(try ZClip(threshold: 2.5))
    optimizer.adaptiveLimit = .spikeSkipping(try SpikeSkipping(limit: 100))
    // end
    var parameters = try filled(0)
    XCTAssertTrue(try optimizer.step(&parameters, gradients: filled(100)).wasSkipped)
    XCTAssertEqual(parameters[0], 0)
  }

  func testMomentumBuffers() throws {
    let rule = try SGD(learningRate: 0.5, momentum: 0.5, convention: .pytorch)
    var optimizer = try Optimizer<Float>(layout, rule: rule)
    let momentumBuffer: [Float] = [1, 2, 3, 4]
    // snippet
    let index = layout.index(of: "a.weight")!
    try momentumBuffer.withUnsafeBufferPointer { buffer in
      try optimizer.setVelocity(ofTensor: index, buffer)
    }
    try optimizer.resume(stepCount: 1000, lastStepClipped: false)
    let velocity = optimizer.withUnsafeVelocity(ofTensor: index) { Array($0) }
    // end
    XCTAssertEqual(velocity, momentumBuffer)
    XCTAssertEqual(optimizer.stepCount, 1000)
    // snippet
    try optimizer.convertVelocity(toKeepLearningRate: true, learningRate: 0.5)
    optimizer.rule = try SGD(learningRate: 0.5, momentum: 0.5, convention: .keras)
    // end
    XCTAssertEqual(optimizer.withUnsafeVelocity(ofTensor: index) { $0[1] }, -1)
    var parameters = try filled(0)
    try optimizer.step(&parameters, gradients: filled(1))
    XCTAssertEqual(parameters[1], -1)
  }

  func testFromVersion01() throws {
    let rule = try SGD(learningRate: 1, momentum: 0.9)
    // snippet
    let both = try GradientClipping(value: -5...5, tensor: .norm(4), whole: .norm(2.5), normType: .p(2))
    var renewed = try Optimizer<Float>(
      layout, rule: rule, clipping: both, lossScale: .pytorch, adaptiveLimit: .zClip(ZClip(threshold: 2.5)))
    // end
    XCTAssertEqual(renewed.lossScale, .pytorch)
    XCTAssertEqual(renewed.adaptiveLimit, .zClip(try ZClip(threshold: 2.5)))
    var parameters = try filled(0)
    let report = try renewed.step(&parameters, gradients: filled(65536))
    XCTAssertEqual(report.lossScale, 65536)
    XCTAssertEqual(report.valueClippedCount, 0)
  }
}
