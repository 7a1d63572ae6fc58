import Foundation
import Momentum
import MomentumFiles
import XCTest

/// The code of the doc comments of MomentumFiles, run in a folder of its own; `DocumentationTests` compares it with them.
final class DocumentationSnippetsOfFileTypes: FolderTestCase {
  private let layout = try! ParameterLayout([("weight", [3, 4]), ("bias", [1])])  // valid
  private let rule = try! SGD(learningRate: 1, momentum: 0.5)  // valid
  private var before = ""

  override func setUpWithError() throws {
    try super.setUpWithError()
    before = FileManager.default.currentDirectoryPath
    XCTAssertTrue(FileManager.default.changeCurrentDirectoryPath(folder))
  }

  override func tearDownWithError() throws {
    XCTAssertTrue(FileManager.default.changeCurrentDirectoryPath(before))
    try super.tearDownWithError()
  }

  /// An optimizer that has taken a step with a gradient of ones.
  private func stepped() throws -> Optimizer<Float> {
    var optimizer = try Optimizer<Float>(layout, rule: rule, averaging: .exponential(decay: 0.5))
    var parameters = try ParameterVector<Float>(layout)
    var gradients = try ParameterVector<Float>(layout)
    gradients.fill(1)
    try optimizer.step(&parameters, gradients: gradients)
    return optimizer
  }

  func testCheckpoint() throws {
    var optimizer = try stepped()
    var parameters = try ParameterVector<Float>(layout)
    // snippet
    try Checkpoint.save(optimizer, parameters: parameters, metadata: ["epoch": "3"], to: "run.safetensors")
    // later, in an optimizer with the same settings and the same tensors:
    let metadata = try Checkpoint.load("run.safetensors", into: &optimizer, parameters: &parameters)
    let epoch = metadata["epoch"]  // "3"
    // end
    XCTAssertEqual(epoch, "3")
    XCTAssertEqual(optimizer.stepCount, 1)
  }

  func testStateFile() throws {
    let optimizer = try stepped()
    var resumed = try Optimizer<Float>(layout, rule: rule, averaging: .exponential(decay: 0.5))
    // snippet
    try StateFile.save(optimizer, to: "state.safetensors")
    // later, in an optimizer with the same settings and the same tensors:
    try StateFile.load("state.safetensors", into: &resumed)
    // end
    XCTAssertEqual(resumed.state(), optimizer.state())
  }

  func testParts() throws {
    let optimizer = try stepped()
    // snippet
    try StateFile.save(optimizer, to: "velocity.safetensors", parts: .velocity)
    try StateFile.save(optimizer, to: "average.safetensors", parts: .average)
    // end
    XCTAssertEqual(try names, ["average.safetensors", "velocity.safetensors"])
    XCTAssertEqual(try SafetensorsFile(path: "average.safetensors").metadata["momentum.parts"], "average")
  }

  func testMigration() throws {
    try StateFile.save(Optimizer<Float>(ParameterLayout([("body", [2])]), rule: rule), to: "state.safetensors")
    var optimizer = try Optimizer<Float>(ParameterLayout([("body", [2]), ("head.bias", [1])]), rule: rule)
    // snippet
    let migration = try StateFile.migrate("state.safetensors", into: &optimizer)
    print(migration)  // added 'head.bias'; dropped nothing
    // end
    XCTAssertEqual("\(migration)", "added 'head.bias'; dropped nothing")
  }

  func testExchange() throws {
    var optimizer = try stepped()
    try VelocityExchange(of: .pytorch).write(optimizer, to: "momentum.safetensors")
    optimizer.resetVelocity()
    // snippet
    // In Python: safetensors.torch.save_file({name: rule.state[p]["momentum_buffer"] for name, p in ...}, path)
    let exchange = VelocityExchange(of: .pytorch)
    try exchange.read("momentum.safetensors", into: &optimizer)
    // end
    XCTAssertEqual(optimizer.withUnsafeVelocity(ofTensor: 1) { Array($0) }, [1])
  }

  func testWriterFileAndSet() throws {
    let elements = (0..<12).map { Float($0) }
    try elements.withUnsafeBufferPointer { weight in
      // snippet
      var writer = SafetensorsWriter(path: "model.safetensors", metadata: ["step": "17"])
      try writer.add("weight", shape: [3, 4], values: weight)  // nothing is copied
      try writer.write()
      // end
    }
    // snippet
    let file = try SafetensorsFile(path: "model.safetensors", access: .copyOnWrite)
    try file.withUnsafeMutableBuffer(of: "weight", as: Float.self) { weight in
      weight[0] += 1  // in memory only
    }
    // end
    XCTAssertEqual(try file.withUnsafeBuffer(of: "weight", as: Float.self) { $0[0] }, 1)
    XCTAssertEqual(
      try SafetensorsFile(path: "model.safetensors").withUnsafeBuffer(of: "weight", as: Float.self) { $0[0] }, 0)

    try FileManager.default.createDirectory(atPath: "model", withIntermediateDirectories: false)
    try FileManager.default.moveItem(atPath: "model.safetensors", toPath: "model/model-00001-of-00001.safetensors")
    let index = #"{"metadata": {"total_size": 48}, "weight_map": {"weight": "model-00001-of-00001.safetensors"}}"#
    try Data(index.utf8).write(to: URL(fileURLWithPath: "model/model.safetensors.index.json"))
    // snippet
    let checkpoint = try SafetensorsSet(paths: ["model"])  // a folder with model.safetensors.index.json
    for place in checkpoint.tensors { print(place.tensor.name, place.file.path) }
    // end
    XCTAssertEqual(checkpoint.tensors.map(\.tensor.name), ["weight"])
  }

  func testMetadata() throws {
    // snippet
    var metadata: SafetensorsMetadata = ["step": "17"]
    metadata["run"] = "a"
    for (key, value) in metadata { print(key, value) }  // run, then step
    // end
    XCTAssertEqual(metadata.keys, ["run", "step"])
  }
}
