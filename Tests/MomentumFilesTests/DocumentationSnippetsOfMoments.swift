import Foundation
import Momentum
import MomentumFiles
import XCTest

/// The code of the exchange of moments; see ``DocumentationSnippets``.
final class DocumentationSnippetsOfMoments: XCTestCase {
  func testExchange() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appendingPathComponent("adam.safetensors").path
    var optimizer = try Optimizer<Float>(ParameterLayout([("w", [2])]), rule: AdamW(learningRate: 0.1))
    do {
      let values: [Float] = [1, 4]
      try values.withUnsafeBufferPointer {
        try optimizer.setVelocity(ofTensor: 0, $0)
        try optimizer.setSecondMoment(ofTensor: 0, $0, steps: 7)
      }
      try MomentExchange(of: .pytorch).write(optimizer, to: path)
      optimizer.resetVelocity()
    }
    func read(_ path: String) throws {
      // snippet
      // In Python: tensors[f"exp_avg.{name}"], tensors[f"exp_avg_sq.{name}"] = state["exp_avg"], state["exp_avg_sq"]
      let exchange = MomentExchange(of: .pytorch)
      try exchange.read(path, into: &optimizer, steps: 1000)
      // end
    }
    try read(path)
    XCTAssertEqual(optimizer.stepsOfSecondMoment(ofTensor: 0), 1000)
  }
}
