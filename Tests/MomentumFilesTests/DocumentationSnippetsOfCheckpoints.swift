import Momentum
import MomentumFiles
import XCTest

/// The code of the article Checkpoints, run; `DocumentationTests` compares it with the article.
final class DocumentationSnippetsOfCheckpoints: FolderTestCase {
  private let layout = try! ParameterLayout([("weight", [2]), ("bias", [1])])  // valid
  private let rule = try! SGD(learningRate: 1, momentum: 0.5)  // valid

  func testACheckpoint() throws {
    let path = path("run.safetensors")
    var optimizer = try Optimizer<Float>(layout, rule: rule)
    var parameters = try ParameterVector<Float>(layout)
    var gradients = try ParameterVector<Float>(layout)
    gradients.fill(2)
    try optimizer.step(&parameters, gradients: gradients)
    // snippet
    try Checkpoint.save(optimizer, parameters: parameters, metadata: ["epoch": "3", "seed": "17"], to: path)
    // end
    var resumed = try Optimizer<Float>(layout, rule: rule)
    var weights = try ParameterVector<Float>(layout)
    // snippet
    let metadata = try Checkpoint.load(path, into: &resumed, parameters: &weights)
    let epoch = metadata["epoch"].flatMap { Int($0) }  // 3
    // end
    XCTAssertEqual(epoch, 3)
    XCTAssertEqual(weights[2], -2)
    try optimizer.step(&parameters, gradients: gradients)
    try resumed.step(&weights, gradients: gradients)
    XCTAssertEqual(resumed.stepCount, 2)
    for index in 0..<3 { XCTAssertEqual(parameters[index].bitPattern, weights[index].bitPattern) }
  }

  func testAStateAndAnotherModel() throws {
    let path = path("state.safetensors")
    var optimizer = try Optimizer<Float>(layout, rule: rule)
    try optimizer.resume(stepCount: 7, lastStepClipped: false)
    // snippet
    try StateFile.save(optimizer, to: path)
    // end
    var resumed = try Optimizer<Float>(layout, rule: rule)
    // snippet
    try StateFile.load(path, into: &resumed)
    // end
    XCTAssertEqual(resumed.stepCount, 7)

    let more = try ParameterLayout([("weight", [2]), ("bias", [1]), ("head.bias", [4])])
    var grown = try Optimizer<Float>(more, rule: rule)
    // snippet
    let migration = try StateFile.migrate(path, into: &grown)
    print(migration)  // added 'head.bias'; dropped nothing
    // end
    XCTAssertEqual("\(migration)", "added 'head.bias'; dropped nothing")
    XCTAssertEqual(grown.stepCount, 7)
  }

  func testAModelForOthers() throws {
    let path = path("model.safetensors")
    let elements: [Float] = [1, 2, 3]
    try elements.withUnsafeBufferPointer { values in
      // snippet
      var writer = SafetensorsWriter(path: path, metadata: ["format": "pt"])
      for tensor in layout.tensors {
        try writer.add(tensor.name, shape: tensor.shape, values: UnsafeBufferPointer(rebasing: values[tensor.range]))
      }
      try writer.write()
      // end
    }
    // snippet
    let file = try SafetensorsFile(path: path)
    let bias = try file.withUnsafeBuffer(of: "bias", as: Float.self) { Array($0) }
    // end
    XCTAssertEqual(bias, [3])
    XCTAssertEqual(file.metadata["format"], "pt")
    XCTAssertEqual(file.tensor(named: "weight")?.shape, [2])
  }
}
