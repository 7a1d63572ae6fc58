import Foundation
import Momentum
import MomentumFiles
import MomentumTestSupport
import XCTest

/// Files that are damaged or of something else: refused, and the optimizer left alone.
final class StateFileDamageTests: StateFileTestCase {
  /// A file's content, to be damaged.
  private struct Content {
    var metadata: SafetensorsMetadata
    var tensors: [String: (shape: [Int], values: [Float])] = [:]
    var doubles: [String: [Double]] = [:]

    init(_ path: String) throws {
      let file = try SafetensorsFile(path: path)
      metadata = file.metadata
      for tensor in file.tensors {
        tensors[tensor.name] = (
          tensor.shape, try file.withUnsafeBuffer(of: tensor.name, as: Float.self) { Array($0) }
        )
      }
    }

    func write(_ path: String) throws {
      var writer = SafetensorsWriter(path: path, metadata: metadata)
      for (name, tensor) in tensors {
        try tensor.values.withUnsafeBytes { try writer.add(name, tensor.shape, Array($0), .f32) }
      }
      for (name, values) in doubles {
        try values.withUnsafeBytes { try writer.add(name, [values.count], Array($0), .f64) }
      }
      try writer.write()
    }
  }

  func testDamagedFilesLeaveNoTrace() throws {
    typealias Reason = OptimizerFileError.Reason
    let whole = "a whole number in 0...2^53"
    let parts = "one of 'velocity average', 'velocity', 'average'"
    let velocities = "momentum.velocities"
    let averages = "momentum.averages"
    let others = "momentum.otherTensors"
    func wrong(_ key: String, _ value: String, of tensors: Int) -> Reason {
      let expected =
        key == velocities
        ? "the forms and scales of \(tensors) velocities" : "the counts of steps and the scales of \(tensors) averages"
      return .invalidMetadata(key: key, value: value, expected: expected)
    }
    var table: [(tensor: String?, Reason, damage: (inout Content) -> Void)] = [
      (
        "weight", .missingTensor,
        {
          $0.tensors["velocity/weight"] = nil
          $0.tensors["average/weight"] = nil
        }
      ),
      (
        nil, wrong(averages, "4 2 0x1p+0", of: 3),
        {
          $0.tensors["average/long"] = nil
          $0.metadata[averages] = "4 2 0x1p+0"
        }
      ),
      (
        "velocity/weight", .shapeMismatch(shape: [10, 7], expected: [7, 10]),
        { $0.tensors["velocity/weight"]!.shape = [10, 7] }
      ),
      (
        "average/weight", .shapeMismatch(shape: [70], expected: [7, 10]),
        { $0.tensors["average/weight"]!.shape = [70] }
      ),
      (
        "velocity/bias", .dtypeMismatch(dtype: .f64, expected: .f32),
        {
          $0.tensors["velocity/bias"] = nil
          $0.doubles["velocity/bias"] = [1, 2, 3]
        }
      ),
      ("velocity/other", .unexpectedTensor, { $0.tensors["velocity/other"] = ([1], [1]) }),
      ("weight", .unexpectedTensor, { $0.tensors["weight"] = ([1], [1]) }),
      ("late", .unexpectedTensor, { $0.metadata[others] = #"[{"name":"late","shape":[1]}]"# }),
      ("bias", .unexpectedTensor, { $0.metadata[others] = #"[{"name":"bias","shape":[3]}]"# }),
      (
        "bias", .missingTensor,
        {
          $0.tensors["velocity/bias"] = nil
          $0.tensors["average/bias"] = nil
        }
      ),
      (
        "bias", .shapeMismatch(shape: [1, 3], expected: [3]),
        {
          $0.tensors["velocity/bias"] = nil
          $0.tensors["average/bias"] = nil
          $0.metadata[others] = #"[{"name":"bias","shape":[1,3]}]"#
        }
      ),
      (
        nil, .missingMetadata(key: "momentum.stateFormat", expected: "'3'"),
        { $0.metadata["momentum.stateFormat"] = nil }
      ),
      (
        nil, .invalidMetadata(key: "momentum.stateFormat", value: "4", expected: "'3'"),
        { $0.metadata["momentum.stateFormat"] = "4" }
      ),
      (nil, .missingMetadata(key: "momentum.parts", expected: parts), { $0.metadata["momentum.parts"] = nil }),
      (
        nil, .invalidMetadata(key: "momentum.parts", value: "average velocity", expected: parts),
        { $0.metadata["momentum.parts"] = "average velocity" }
      ),
      (nil, .unexpectedMetadata(key: "momentum.adaptiveClipping"), { $0.metadata["momentum.parts"] = "average" }),
      (nil, .unexpectedMetadata(key: averages), { $0.metadata["momentum.parts"] = "velocity" }),
      (nil, .missingMetadata(key: "momentum.step", expected: whole), { $0.metadata["momentum.step"] = nil }),
      (
        nil, .invalidMetadata(key: "momentum.step", value: "-1", expected: whole),
        { $0.metadata["momentum.step"] = "-1" }
      ),
      (
        nil, .invalidMetadata(key: "momentum.step", value: "+1", expected: whole),
        { $0.metadata["momentum.step"] = "+1" }
      ),
      (
        nil, .invalidMetadata(key: "momentum.lastStepClipped", value: "yes", expected: "true or false"),
        { $0.metadata["momentum.lastStepClipped"] = "yes" }
      ),
      (
        nil, .invalidMetadata(key: "momentum.step", value: "9007199254740993", expected: whole),
        { $0.metadata["momentum.step"] = "9007199254740993" }
      ),
      (
        nil, .invalidMetadata(key: "momentum.step", value: "9223372036854775807", expected: whole),
        { $0.metadata["momentum.step"] = "9223372036854775807" }
      ),
      (
        nil, .missingMetadata(key: velocities, expected: "the forms and scales of 4 velocities"),
        { $0.metadata[velocities] = nil }
      ),
      (nil, .unexpectedMetadata(key: "momentum.later"), { $0.metadata["momentum.later"] = "" }),
      (
        nil, .invalidMetadata(key: "momentum.lossScale", value: "8", expected: "a dynamic loss scale"),
        { $0.metadata["momentum.lossScale"] = "8" }
      ),
    ]
    let lists: [(String, String)] =
      [
        "", "4", "4 ", "4 pytorch 0x1p+0", "4 withLearningRate", "3 withLearningRate 0x1p+0",
        "5 withLearningRate 0x1p+0", "4 withLearningRate 0x1p+0,", "9223372036854775807 withLearningRate 0x1p+0",
        "2 withLearningRate 1, 2 withLearningRate -1", "2 withLearningRate 1, 2 withLearningRate inf",
        "0 withLearningRate 1, 4 withLearningRate 1", "4 withLearningRate 0", "4 withLearningRate nan",
      ].map { (velocities, $0) }
      + ["4 0 0x1p+0", "4 9223372036854775807 0x1p+0", "4 9007199254740993 0x1p+0", "4 -1 0x1p+0", "4 2 0x1p+0 "].map {
        (averages, $0)
      }
    for (key, value) in lists { table.append((nil, wrong(key, value, of: 4), { $0.metadata[key] = value })) }
    let data = Data<Float>(steps: 5)
    var run = try Run(configuration(Self.configurations[0]), data.start)
    for gradient in data.gradients[..<4] { try run.step(gradient) }
    try StateFile.save(run.optimizer, to: path("good"))
    try run.step(data.gradients[4])
    let before = run.optimizer.state()
    for (tensor, reason, damage) in table {
      var content = try Content(path("good"))
      damage(&content)
      try content.write(path("bad"))
      XCTAssertEqual(
        failure(path("bad"), &run.optimizer), OptimizerFileError(file: path("bad"), tensor: tensor, reason: reason))
      XCTAssertEqual(run.optimizer.state(), before, "\(reason)")
    }

    // JSON: the cause is in the words of the decoder.
    for (key, value, text) in [
      ("momentum.lossScale", #"{"current": 4, "growthInterval": 2, "finiteSteps": 2}"#, "finiteSteps is 2"),
      ("momentum.adaptiveClipping", "{", "'momentum.adaptiveClipping' are '{'"),
      ("momentum.adaptiveClipping", #"{"autoClip": {"percentile": 300}}"#, "autoClip"),
    ] {
      var content = try Content(path("good"))
      content.metadata[key] = value
      try content.write(path("bad"))
      let error = failure(path("bad"), &run.optimizer)
      XCTAssertTrue(error?.description.contains(text) ?? false, "\(String(describing: error))")
      XCTAssertEqual(run.optimizer.state(), before, value)
    }

    // No file, no safetensors file, cut short.
    try store(Array(contents("good").dropLast()), as: "bad")
    XCTAssertEqual(failure(path("nowhere"), &run.optimizer)?.file, path("nowhere"))
    guard case .safetensors(.truncated) = failure(path("bad"), &run.optimizer)?.reason else {
      return XCTFail("a file that is cut short was read")
    }
    XCTAssertEqual(run.optimizer.state(), before)

    // Others' metadata do no harm.
    var content = try Content(path("good"))
    content.metadata["comment"] = "mine"
    try content.write(path("commented"))
    XCTAssertNil(failure(path("commented"), &run.optimizer))
    XCTAssertNotEqual(run.optimizer.state(), before)
  }

  func testAFileThatChangesMeanwhileLeavesNoTrace() throws {
    let data = Data<Float>(steps: 2)
    var run = try Run(configuration(Self.configurations[0]), data.start)
    try run.step(data.gradients[0])
    let before = run.optimizer.state()
    var other = OptimizerState<Float>(run.optimizer.layout)
    other.stepCount = 7
    let changed = SafetensorsError(file: "state", reason: .changedWhileOpen)
    try data.start[0].withUnsafeBufferPointer { values in
      let averages = [values] + Array(repeating: nil, count: 3)
      let directions = averages.map { $0.map { TensorBuffer($0) } }
      // What `load` asks last, when all has been copied.
      assertThrows(changed) {
        try run.optimizer.restore(other, directions: directions, averages: averages) { throw changed }
      }
      XCTAssertEqual(run.optimizer.state(), before)
      assertThrows(changed) {
        let forms = Array(repeating: VelocityForm(keepsLearningRate: true, learningRate: 1), count: 4)
        try run.optimizer.replaceVelocities(
          directions, keepLearningRate: forms.map { _ in true }, convertedTo: forms
        ) { throw changed }
      }
      XCTAssertEqual(run.optimizer.state(), before)
      try run.optimizer.restore(other, directions: directions, averages: averages) {}
      XCTAssertEqual(run.optimizer.state().direction[..<70], data.start[0][...])
      XCTAssertEqual(run.optimizer.stepCount, 7)
    }
  }

  func testVectorsMustBeFinite() throws {
    let data = Data<Float>(steps: 6)
    var run = try run(Self.configurations[0], data, steps: 0..<4)
    try StateFile.save(run.optimizer, to: path("good"))
    try run.step(data.gradients[4])
    let before = run.optimizer.state()
    let table: [(tensor: String, what: String, value: Float, seen: Double)] = [
      ("velocity/weight", "velocity", .nan, .nan), ("velocity/long", "velocity", -.infinity, -.infinity),
      ("average/bias", "average", .infinity, .infinity),
    ]
    for (name, what, value, seen) in table {
      var content = try Content(path("good"))
      content.tensors[name]!.values[2] = value
      try content.write(path("bad"))
      XCTAssertEqual(
        failure(path("bad"), &run.optimizer)?.description,
        "\(path("bad")): \(what) of tensor '\(name.split(separator: "/")[1])' is \(seen) at index 2; expected finite values"
      )
      XCTAssertEqual(run.optimizer.state(), before)
    }
    // Finite, but what it stands for is not.
    var content = try Content(path("good"))
    content.tensors["velocity/weight"]!.values[69] = -1e38
    content.metadata["momentum.velocities"] = "4 withoutLearningRate 0x1p+3"
    try content.write(path("bad"))
    XCTAssertEqual(
      failure(path("bad"), &run.optimizer)?.reason,
      .refused(.nonFiniteState(what: "velocity", tensor: "weight", index: 69, value: -.infinity)))
    XCTAssertEqual(run.optimizer.state(), before)
  }

  private func failure(_ path: String, _ optimizer: inout Optimizer<Float>) -> OptimizerFileError? {
    do {
      try StateFile.load(path, into: &optimizer)
      return nil
    } catch {
      return error
    }
  }

  func testErrorsNameFileTensorAndCause() {
    let error = OptimizerFileError(
      file: "f", tensor: "velocity/a", reason: .shapeMismatch(shape: [2], expected: [1, 2]))
    XCTAssertEqual(error.description, "f: tensor 'velocity/a' has shape [2]; expected [1, 2]")
  }

  func testAnErrorLeavesTheOldFile() throws {
    let run = try Run(configuration(Self.configurations[0]), Data<Float>(steps: 0).start)
    XCTAssertThrowsError(try StateFile.save(run.optimizer, to: path("no/folder"))) { error in
      XCTAssertEqual((error as? OptimizerFileError)?.file, path("no/folder"))
    }
    XCTAssertEqual(try names, [])
  }
}

extension SafetensorsWriter {
  /// Adds a copy of bytes, which the writer keeps.
  fileprivate mutating func add(
    _ name: String, _ shape: [Int], _ bytes: [UInt8], _ dtype: SafetensorsDtype
  ) throws {
    try add(name, dtype: dtype, shape: shape) { emit throws(SafetensorsError) in
      try bytes.withUnsafeBufferPointer { bytes throws(SafetensorsError) in try emit(UnsafeRawBufferPointer(bytes)) }
    }
  }
}
