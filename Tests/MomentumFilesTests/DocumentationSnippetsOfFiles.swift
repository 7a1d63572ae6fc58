import Momentum
import MomentumFiles
import XCTest

/// The code of the article Migration that reads and writes files, run; `DocumentationTests` compares it with the article.
final class DocumentationSnippetsOfFiles: FolderTestCase {
  func testStatesAndVelocities() throws {
    let layout = try ParameterLayout([("weight", [2])])
    let rule = try SGD(learningRate: 1, momentum: 0.5)
    var optimizer = try Optimizer<Float>(layout, rule: rule)
    var resumed = try Optimizer<Float>(layout, rule: rule)
    var parameters = try ParameterVector<Float>(layout)
    var gradients = try ParameterVector<Float>(layout)
    gradients.fill(2)
    try optimizer.step(&parameters, gradients: gradients)
    let path = path("state.safetensors")
    // snippet
    try StateFile.save(optimizer, to: path)
    try StateFile.load(path, into: &resumed)
    // end
    XCTAssertEqual(resumed.stepCount, 1)
    XCTAssertEqual(resumed.withUnsafeVelocity(ofTensor: 0) { Array($0) }, [2, 2])

    let buffers = self.path("momentum.safetensors")
    try VelocityExchange(of: .pytorch).write(optimizer, to: buffers)
    resumed.rule = try SGD(learningRate: 0.5, momentum: 0.5, convention: .keras)
    // snippet
    let exchange = VelocityExchange(of: .pytorch)
    try exchange.read(buffers, into: &resumed)
    // end
    XCTAssertEqual(resumed.withUnsafeVelocity(ofTensor: 0) { Array($0) }, [-1, -1])
  }
}
