import Foundation
import Momentum
import MomentumFiles
import XCTest

/// The code of the article FromZero, run; `DocumentationTests` compares it with the article.
final class DocumentationSnippetsOfFirstUse: FolderTestCase {
  func testFromZero() throws {
    // The article's program writes where it is started.
    let before = FileManager.default.currentDirectoryPath
    XCTAssertTrue(FileManager.default.changeCurrentDirectoryPath(folder))
    defer { XCTAssertTrue(FileManager.default.changeCurrentDirectoryPath(before)) }
    let first = try line()
    XCTAssertEqual(first[0], 2, accuracy: 1e-3)
    XCTAssertEqual(first[1], -1, accuracy: 1e-3)
    XCTAssertEqual(try names, ["line.safetensors"])
    // The second run has nothing to do, and knows the result.
    XCTAssertEqual(try line(), first)
  }

  private func line() throws -> [Float] {
    // snippet
    let layout = try ParameterLayout([("weight", [1]), ("bias", [1])])
    let parameters = UnsafeMutableBufferPointer<Float>.allocate(capacity: layout.count)
    let gradients = UnsafeMutableBufferPointer<Float>.allocate(capacity: layout.count)
    parameters.initialize(repeating: 0)

    /// Writes the gradient of the mean square error.
    func differentiate(_ line: UnsafeMutableBufferPointer<Float>, into gradients: UnsafeMutableBufferPointer<Float>) {
      let points: [(x: Float, y: Float)] = [(-1, -3), (0, -1), (1, 1), (2, 3)]
      gradients.initialize(repeating: 0)
      for point in points {
        let error = line[0] * point.x + line[1] - point.y
        gradients[0] += error * point.x * 2 / Float(points.count)
        gradients[1] += error * 2 / Float(points.count)
      }
    }
    // end
    defer {
      parameters.deallocate()
      gradients.deallocate()
    }
    // snippet
    let learningRate: Schedule = try .warmup(steps: 20, then: .cosine(initial: 0.1, steps: 180))
    let rule = try SGD.scheduled(learningRate: learningRate, momentum: .constant(0.9), weightDecay: 1e-5)
    let biases = ParameterGroup(
      "biases", ["bias"], rule: try SGD.scheduled(learningRate: learningRate, momentum: .constant(0.9)))
    var optimizer = try Optimizer<Float>(layout, rule: rule, groups: [biases], clipping: .byGlobalNorm(1))
    // end
    // snippet
    let checkpoint = "line.safetensors"
    if FileManager.default.fileExists(atPath: checkpoint) {
      try Checkpoint.load(checkpoint, into: &optimizer, parameters: parameters)
    }
    while optimizer.stepCount < 200 {
      differentiate(parameters, into: gradients)
      let report = try optimizer.step(parameters: parameters, gradients: UnsafeBufferPointer(gradients))
      if report.step % 50 == 0 {
        print(report)
        try Checkpoint.save(optimizer, parameters: parameters, to: checkpoint)
      }
    }
    print("y = \(parameters[0])·x + \(parameters[1])")
    // end
    return Array(parameters)
  }
}
