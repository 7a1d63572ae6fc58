import Momentum
import Synchronization
import XCTest

/// The code of the article ThreadsAndConcurrency; see ``DocumentationSnippets``.
final class DocumentationSnippetsOfThreads: XCTestCase {
  private let layout = try! ParameterLayout(count: 2)  // valid

  func testThreads() throws {
    // snippet
    let layout = try ParameterLayout(count: 1_000_000)
    var optimizer = try Optimizer<Float>(layout, rule: SGD(learningRate: 0.1, momentum: 0.9), threads: 2)
    var parameters = try ParameterVector<Float>(layout, threads: 2)  // touches the pages from two threads
    // end
    var gradients = try ParameterVector<Float>(layout)
    gradients.fill(1)
    try optimizer.step(&parameters, gradients: gradients)
    XCTAssertEqual(parameters[999_999], -0.1)
  }

  func testAnActor() async throws {
    let trainer = try Trainer(layout)
    let norm = try await trainer.step([3, 4])
    XCTAssertEqual(norm, 5)
    // Two tasks at a time: the actor takes one step after the other.
    async let first = trainer.step([1, 0])
    async let second = trainer.step([0, 1])
    _ = try await (first, second)
    let values = await trainer.values
    XCTAssertEqual(values, [-2, -2.5])
  }

  func testAClassWithALock() throws {
    let optimizer = try SharedOptimizer(layout)
    var parameters: [Float] = [1, 1]
    try optimizer.step(&parameters, gradients: [2, 0])
    XCTAssertEqual(parameters, [0, 1])
  }

  func testSeveralOptimizers() throws {
    var weights: [[Float]] = [[0, 0], [0, 0]]
    let slopes: [Float] = [4, 8]
    // snippet
    var pair: [2 of Optimizer<Float>] = try [
      Optimizer(layout, rule: SGD(learningRate: 0.5)), Optimizer(layout, rule: SGD(learningRate: 0.25)),
    ]
    for index in pair.indices {
      var span = weights[index].mutableSpan
      try pair[index].step(&span, gradients: slopes.span)
    }
    // end
    XCTAssertEqual(weights, [[-2, -4], [-1, -2]])
  }

  func testTasks() async throws {
    // snippet
    let shared = try SharedVector([1, 2, 3])
    let sums = await withTaskGroup(of: Float.self) { group in
      for factor in [1, 10] as [Float] {
        group.addTask { shared.sum(times: factor) }
      }
      return await group.reduce(0, +)
    }
    // sums is 66
    // end
    XCTAssertEqual(sums, 66)
  }
}

// snippet
actor Trainer {
  private var optimizer: Optimizer<Float>
  private var parameters: ParameterVector<Float>

  init(_ layout: ParameterLayout) throws {
    optimizer = try Optimizer(layout, rule: SGD(learningRate: 0.5))
    parameters = try ParameterVector(layout)
  }

  /// Takes a step; returns the norm of the gradient.
  func step(_ gradients: [Float]) throws -> Double? {
    var span = parameters.mutableSpan
    return try optimizer.step(&span, gradients: gradients.span).totalNorm
  }

  var values: [Float] { parameters.withUnsafeBufferPointer { Array($0) } }
}
// end

// snippet
final class SharedOptimizer: Sendable {
  private let optimizer: Mutex<Optimizer<Float>>  // import Synchronization

  init(_ layout: ParameterLayout) throws {
    optimizer = Mutex(try Optimizer(layout, rule: SGD(learningRate: 0.5)))
  }

  func step(_ parameters: inout [Float], gradients: [Float]) throws {
    var span = parameters.mutableSpan
    try optimizer.withLock { _ = try $0.step(&span, gradients: gradients.span) }
  }
}
// end

// snippet
final class SharedVector: Sendable {
  let vector: ParameterVector<Float>

  init(_ elements: [Float]) throws { vector = try ParameterVector(elements) }

  func sum(times factor: Float) -> Float { vector.withUnsafeBufferPointer { $0.reduce(0) { $0 + factor * $1 } } }
}
// end
