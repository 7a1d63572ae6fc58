import Foundation
import Momentum
import XCTest

/// The code of the article MemoryThatIsYours; see ``DocumentationSnippets``.
final class DocumentationSnippetsOfMemory: XCTestCase {
  func testOneBuffer() throws {
    // snippet
    let layout = try ParameterLayout([("weight", [2, 2]), ("bias", [2])])
    var optimizer = try Optimizer<Float>(layout, rule: SGD(learningRate: 0.5, momentum: 0.9))
    let parameters = UnsafeMutableBufferPointer<Float>.allocate(capacity: layout.count)  // or from C, or from mmap
    let gradients = UnsafeMutableBufferPointer<Float>.allocate(capacity: layout.count)
    parameters.initialize(repeating: 1)
    gradients.initialize(repeating: 1)
    try optimizer.step(parameters: parameters, gradients: UnsafeBufferPointer(gradients))
    // end
    defer {
      parameters.deallocate()
      gradients.deallocate()
    }
    XCTAssertEqual(Array(parameters), [Float](repeating: 0.5, count: 6))
    XCTAssertEqual(Array(gradients), [Float](repeating: 1, count: 6))
    XCTAssertThrowsError(
      try optimizer.step(parameters: parameters, gradients: UnsafeBufferPointer(parameters))
    ) { XCTAssertEqual($0 as? MomentumError, .overlap(first: "gradients", second: "parameters")) }
  }

  func testOneBufferATensor() throws {
    let layout = try ParameterLayout([("weight", [2]), ("bias", [1])])
    var optimizer = try Optimizer<Float>(layout, rule: SGD(learningRate: 0.5, weightDecay: 0.5))
    let (weight, bias) = (buffer([1, 2]), buffer([3]))
    let weightSlope = buffer([2, 2])
    defer { for buffer in [weight, bias, weightSlope] { buffer.deallocate() } }
    // snippet
    let values = [weight, bias]  // UnsafeMutableBufferPointer<Float>, in the order of the layout
    let slopes: [UnsafeBufferPointer<Float>?] = [UnsafeBufferPointer(weightSlope), nil]  // nil: left alone
    try optimizer.step(parameters: values, gradients: slopes)
    // end
    XCTAssertEqual(Array(weight), [-0.25, 0.5])
    XCTAssertEqual(Array(bias), [3])
  }

  func testAMappedFile() throws {
    let path = NSTemporaryDirectory() + "momentum-mapped-\(UUID().uuidString)"
    try [Float]([1, 2, 3]).withUnsafeBytes { try Data($0).write(to: URL(fileURLWithPath: path)) }
    defer { try? FileManager.default.removeItem(atPath: path) }
    let layout = try ParameterLayout(count: 3)
    var optimizer = try Optimizer<Float>(layout, rule: SGD(learningRate: 1))
    let gradients = buffer([1, 1, 1])
    defer { gradients.deallocate() }
    func stepTheFile() throws {
      // snippet
      let file = open(path, O_RDWR)
      let size = layout.count * MemoryLayout<Float>.stride
      let memory = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)
      close(file)
      guard let memory, memory != MAP_FAILED else { throw POSIXError(.EIO) }
      defer { munmap(memory, size) }
      let mapped = UnsafeMutableBufferPointer(
        start: memory.bindMemory(to: Float.self, capacity: layout.count), count: layout.count)
      try optimizer.step(parameters: mapped, gradients: UnsafeBufferPointer(gradients))
      // end
    }
    try stepTheFile()
    try stepTheFile()
    let found = try Data(contentsOf: URL(fileURLWithPath: path)).withUnsafeBytes {
      Array($0.bindMemory(to: Float.self))
    }
    XCTAssertEqual(found, [-1, 0, 1])
  }

  func testFromC() throws {
    let descent = try XCTUnwrap(newDescent(2))
    defer { freeDescent(descent) }
    var parameters: [Float] = [1, 2]
    XCTAssertEqual(stepDescent(descent, &parameters, [1, 1]), 0)
    XCTAssertEqual(stepDescent(descent, &parameters, [1, 1]), 0)
    XCTAssertEqual(parameters[0], -0.45, accuracy: 1e-6)
    XCTAssertEqual(parameters[1], 0.55, accuracy: 1e-6)
    let before = parameters
    XCTAssertEqual(stepDescent(descent, &parameters, [.nan, 1]), -1)
    XCTAssertEqual(parameters, before)
  }

  private func buffer(_ elements: [Float]) -> UnsafeMutableBufferPointer<Float> {
    let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: elements.count)
    _ = buffer.initialize(fromContentsOf: elements)
    return buffer
  }
}

// snippet
final class Descent {
  var optimizer: Optimizer<Float>

  init(_ count: Int) throws {
    optimizer = try Optimizer(ParameterLayout(count: count), rule: SGD(learningRate: 0.5, momentum: 0.9))
  }
}

@c(descent_new)
public func newDescent(_ count: Int) -> UnsafeMutableRawPointer? {
  (try? Descent(count)).map { Unmanaged.passRetained($0).toOpaque() }
}

@c(descent_step)
public func stepDescent(
  _ descent: UnsafeMutableRawPointer, _ parameters: UnsafeMutablePointer<Float>, _ gradients: UnsafePointer<Float>
) -> CInt {
  let descent = Unmanaged<Descent>.fromOpaque(descent).takeUnretainedValue()
  let count = descent.optimizer.layout.count
  do {
    try descent.optimizer.step(
      parameters: UnsafeMutableBufferPointer(start: parameters, count: count),
      gradients: UnsafeBufferPointer(start: gradients, count: count))
    return 0
  } catch {
    return -1  // nothing has been written; print(error) says why
  }
}

@c(descent_free)
public func freeDescent(_ descent: UnsafeMutableRawPointer) { Unmanaged<Descent>.fromOpaque(descent).release() }
// end
