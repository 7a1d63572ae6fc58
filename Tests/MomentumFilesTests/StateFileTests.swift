import Foundation
import Momentum
import MomentumFiles
import MomentumTestSupport
import XCTest

/// A run that goes on from a file goes on bit for bit.
final class StateFileTests: FolderTestCase {
  private static let tensors = [("weight", [7, 10]), ("bias", [3]), ("empty", [0, 4]), ("long", [2100])]

  /// What one step is taken with; the third tensor is empty, the second has no gradient before the fourth step.
  private struct Run<S: BLASScalar>: ~Copyable {
    var optimizer: Optimizer<S>
    var parameters: [[S]]

    init(_ configuration: OptimizerConfiguration, _ parameters: [[S]]) throws {
      optimizer = try configuration.makeOptimizer(ParameterLayout(StateFileTests.tensors.map { ($0.0, $0.1) }))
      self.parameters = parameters
    }

    mutating func step(_ gradients: [[S]?]) throws {
      let memory = parameters.map { GuardedMemory($0) }
      let given = gradients.map { $0.map { GuardedMemory($0) } }
      try optimizer.step(parameters: memory.map(\.buffer), gradients: given.map { $0?.readOnlyBuffer })
      withExtendedLifetime(given) {}
      parameters = memory.map(\.elements)
    }
  }

  private struct Data<S: BLASScalar> {
    let start: [[S]]
    let gradients: [[[S]?]]

    init(steps: Int) {
      var random = SeededGenerator(seed: 41)
      let counts = StateFileTests.tensors.map { $0.1.reduce(1, *) }
      start = counts.map { random.numbers($0) }
      gradients = (0..<steps).map { step in
        counts.enumerated().map { index, count in
          var values: [S] = random.numbers(count)
          if step == 2, index == 0 { values[5] = .infinity }
          return index == 1 && step < 3 ? nil : values
        }
      }
    }
  }

  private static let configurations: [String] = [
    // Everything that adapts, with a schedule and a group.
    """
    {"convention": "pytorch", "nonFinitePolicy": "skipStep", "clipping": {"globalNorm": 20},
     "rule": {"learningRate": {"cosine": {"initial": 0.1, "steps": 20}}, "momentum": 0.7, "dampening": 0.25, "weightDecay": 0.01},
     "groups": [{"name": "biases", "patterns": ["bias"], "rule": {"weightDecay": 0, "learningRate": 0.3}}],
     "adaptiveClipping": {"autoClip": {"percentile": 30, "window": 5}},
     "lossScale": {"initial": 4, "growthInterval": 2}, "averaging": {"kind": "exponential", "decay": 0.9}}
    """,
    """
    {"convention": "pytorch", "nonFinitePolicy": "zero", "mode": "onePass", "clipping": {"globalNorm": 26.9},
     "rule": {"learningRate": 0.1, "momentum": 0.7, "weightDecay": 0.01}}
    """,
    """
    {"convention": "keras", "nonFinitePolicy": "skipStep", "rule": {"learningRate": 0.1, "momentum": 0.9, "nesterov": true},
     "adaptiveClipping": {"zClip": {"threshold": 0.5, "warmUp": 2}}, "averaging": {"kind": "mean", "overwriteEvery": 3}}
    """,
    """
    {"nonFinitePolicy": "skipStep", "rule": {"kind": "lars", "learningRate": 0.5, "weightDecay": 0.01},
     "groups": [{"name": "plain", "patterns": ["b*"], "rule": {"kind": "sgd", "momentum": 0.5}}],
     "adaptiveClipping": {"spikeSkipping": {"deviations": 2, "limit": 100}}}
    """,
    #"{"nonFinitePolicy": "skipStep", "rule": {"learningRate": {"linear": {"from": 1, "to": 0.5, "steps": 6}}}}"#,
  ]

  private func configuration(_ json: String) throws -> OptimizerConfiguration {
    try JSONDecoder().decode(OptimizerConfiguration.self, from: Foundation.Data(json.utf8))
  }

  func testResumesBitForBitFloat() throws { try resumesBitForBit(Float.self) }
  func testResumesBitForBitDouble() throws { try resumesBitForBit(Double.self) }

  private func resumesBitForBit<S: BLASScalar & SafetensorsScalar>(_: S.Type) throws {
    let data = Data<S>(steps: 9)
    var clipped: Set<Bool> = []
    for json in Self.configurations {
      let configuration = try configuration(json)
      var whole = try Run(configuration, data.start)
      // What was there before must not matter.
      var resumed = try Run(configuration, data.start)
      try resumed.step(data.gradients[8])
      // After each of these steps, so that the skipped one and the first gradient of a tensor come at either side.
      for (step, gradient) in data.gradients.enumerated() {
        if step == 2 || step == 5 {
          try StateFile.save(&whole.optimizer, to: path("state"))
          try StateFile.load(path("state"), into: &resumed.optimizer)
          XCTAssertEqual(resumed.optimizer.state(), whole.optimizer.state(), json)
          resumed.parameters = whole.parameters
          if configuration.mode == .onePass { clipped.insert(whole.optimizer.lastStepClipped) }
        }
        try whole.step(gradient)
        guard step >= 2 else { continue }
        try resumed.step(gradient)
        for (x, y) in zip(whole.parameters, resumed.parameters) { assertSameBits(x, y, seed: 41, json) }
      }
      XCTAssertEqual(resumed.optimizer.state(), whole.optimizer.state(), json)
      XCTAssertGreaterThan(whole.optimizer.stepCount, 5)
      XCTAssertEqual(try names, ["state"])
    }
    XCTAssertEqual(clipped, [true, false], "in one pass the next step depends on it")
  }

  func testSavingRoundsTheVelocityOnceAtMost() throws {
    let data = Data<Double>(steps: 3)
    var run = try Run(
      configuration(Self.configurations[4].replacing("\"rule\": {", with: "\"rule\": {\"momentum\": 0.7, ")), data.start
    )
    for gradient in data.gradients[..<2] { try run.step(gradient) }
    let before = run.optimizer.state()
    XCTAssertNotEqual(before.velocities[0].scale, 1)
    try StateFile.save(&run.optimizer, to: path("state"))
    let file = try SafetensorsFile(path: path("state"))
    XCTAssertEqual(file.tensors.map(\.name), ["velocity/empty", "velocity/long", "velocity/weight"])
    let expected = before.direction[..<70].map { $0 * before.velocities[0].scale }
    assertSameBits(expected, try file.withUnsafeBuffer(of: "velocity/weight", as: Double.self) { Array($0) })
    XCTAssertEqual(file.metadata["momentum.velocity.bias"], "none")
    XCTAssertEqual(file.metadata["momentum.velocity.weight"], "withoutLearningRate")
    XCTAssertEqual(file.metadata["momentum.step"], "2")
  }

  func testAStateWithoutVelocityTakesOneAway() throws {
    let data = Data<Float>(steps: 1)
    let configuration = try configuration(Self.configurations[0])
    var run = try Run(configuration, data.start)
    try StateFile.save(&run.optimizer, to: path("fresh"))
    let fresh = run.optimizer.state()
    try run.step(data.gradients[0])
    XCTAssertTrue(run.optimizer.hasVelocity(ofTensor: 0))
    try StateFile.load(path("fresh"), into: &run.optimizer)
    XCTAssertEqual(run.optimizer.state(), fresh)
  }

  // MARK: Parts

  /// A run of some of the steps.
  private func run(_ json: String, _ data: Data<Float>, steps: Range<Int>) throws -> Run<Float> {
    var run = try Run(configuration(json), data.start)
    for gradient in data.gradients[steps] { try run.step(gradient) }
    return run
  }

  func testPartsApartAreWorthOneFile() throws {
    for json in Self.configurations {
      let data = Data<Float>(steps: 6)
      var whole = try run(json, data, steps: 0..<4)
      var resumed = try run(json, data, steps: 5..<6)
      try StateFile.save(&whole.optimizer, to: path("velocity"), parts: .velocity)
      try StateFile.save(&whole.optimizer, to: path("average"), parts: .average)
      // In either order: neither touches what is the other's.
      for order in [
        [("velocity", StateFile.Parts.velocity), ("average", .average)],
        [("average", .average), ("velocity", .velocity)],
      ] {
        for (name, parts) in order { try StateFile.load(path(name), into: &resumed.optimizer, parts: parts) }
        XCTAssertEqual(resumed.optimizer.state(), whole.optimizer.state(), json)
        try StateFile.save(&resumed.optimizer, to: path("both"))
        try StateFile.save(&whole.optimizer, to: path("expected"))
        XCTAssertEqual(try contents("both"), try contents("expected"))
        resumed.parameters = whole.parameters
        try resumed.step(data.gradients[4])
        var expected = try Run(configuration(json), whole.parameters)
        try StateFile.load(path("expected"), into: &expected.optimizer)
        try expected.step(data.gradients[4])
        for (x, y) in zip(expected.parameters, resumed.parameters) { assertSameBits(x, y, seed: 41, json) }
      }
    }
  }

  func testAPartOfAStateLeavesTheOther() throws {
    for apart in [true, false] {
      let data = Data<Float>(steps: 6)
      var whole = try run(Self.configurations[0], data, steps: 0..<4)
      var resumed = try run(Self.configurations[0], data, steps: 5..<6)
      let (saved, before) = (whole.optimizer.state(), resumed.optimizer.state())
      // A file may hold more than is asked for.
      try StateFile.save(&whole.optimizer, to: path("velocity"), parts: apart ? .velocity : .all)
      try StateFile.save(&whole.optimizer, to: path("average"), parts: apart ? .average : .all)
      XCTAssertNotEqual(saved.stepCount, before.stepCount)

      try StateFile.load(path("average"), into: &resumed.optimizer, parts: .average)
      var expected = before
      (expected.averages, expected.average) = (
        whole.optimizer.state().averages, whole.optimizer.state().average
      )
      XCTAssertEqual(resumed.optimizer.state(), expected)

      try resumed.optimizer.restore(before)
      try StateFile.load(path("velocity"), into: &resumed.optimizer, parts: .velocity)
      expected = whole.optimizer.state()
      (expected.averages, expected.average) = (before.averages, before.average)
      XCTAssertEqual(resumed.optimizer.state(), expected)
    }
  }

  func testAFileOfOnePartHasTheNamesOfTheParameters() throws {
    let data = Data<Float>(steps: 2)
    var run = try run(Self.configurations[0], data, steps: 0..<2)
    try StateFile.save(&run.optimizer, to: path("velocity"), parts: .velocity)
    try StateFile.save(&run.optimizer, to: path("average"), parts: .average)
    // The second tensor has had no gradient.
    let velocity = try SafetensorsFile(path: path("velocity"))
    XCTAssertEqual(velocity.tensors.map(\.name), ["empty", "long", "weight"])
    XCTAssertEqual(
      Set(velocity.metadata.keys),
      [
        "momentum.stateFormat", "momentum.parts", "momentum.step", "momentum.lastStepClipped", "momentum.lossScale",
        "momentum.adaptiveClipping", "momentum.velocity.weight", "momentum.velocity.bias", "momentum.velocity.empty",
        "momentum.velocity.long",
      ])
    XCTAssertEqual(velocity.metadata["momentum.stateFormat"], "2")
    XCTAssertEqual(velocity.metadata["momentum.parts"], "velocity")
    XCTAssertEqual(velocity.metadata["momentum.velocity.bias"], "none")
    let weight = run.optimizer.withUnsafeVelocity(ofTensor: 0) { Array($0) }
    assertSameBits(weight, try velocity.withUnsafeBuffer(of: "weight", as: Float.self) { Array($0) })

    let average = try SafetensorsFile(path: path("average"))
    XCTAssertEqual(
      average.metadata,
      [
        "momentum.stateFormat": "2", "momentum.parts": "average", "momentum.stepsAveraged.weight": "2",
        "momentum.stepsAveraged.bias": "0", "momentum.stepsAveraged.empty": "2", "momentum.stepsAveraged.long": "2",
      ])
    let mean = run.optimizer.withUnsafeAverage(ofTensor: 3) { Array($0) }
    assertSameBits(mean, try average.withUnsafeBuffer(of: "long", as: Float.self) { Array($0) })
  }

  func testPartsThatAreMissing() throws {
    let data = Data<Float>(steps: 6)
    var whole = try run(Self.configurations[0], data, steps: 0..<4)
    var resumed = try run(Self.configurations[0], data, steps: 5..<6)
    let before = resumed.optimizer.state()
    for held in [StateFile.Parts.velocity, .average] {
      try StateFile.save(&whole.optimizer, to: path("file"), parts: held)
      for asked in [StateFile.Parts.velocity, .average, .all] where asked != held {
        XCTAssertThrowsError(try StateFile.load(path("file"), into: &resumed.optimizer, parts: asked)) {
          let expected = OptimizerFileError(file: path("file"), reason: .missingParts(held: held, expected: asked))
          XCTAssertEqual($0 as? OptimizerFileError, expected)
        }
        XCTAssertEqual(resumed.optimizer.state(), before)
      }
    }
    XCTAssertEqual(
      OptimizerFileError(file: "f", reason: .missingParts(held: .average, expected: .all)).description,
      "f: holds the average of an optimizer only; expected the velocity and average")
  }

  // MARK: Damage

  /// A file's content, to be damaged.
  private struct Content {
    var metadata: [String: String]
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
    let whole = "a whole number >= 0"
    let parts = "one of 'velocity average', 'velocity', 'average'"
    let kinds = #"one of ["none", "withLearningRate", "withoutLearningRate"]"#
    let table: [(tensor: String?, Reason, damage: (inout Content) -> Void)] = [
      ("velocity/weight", .missingTensor, { $0.tensors["velocity/weight"] = nil }),
      ("average/long", .missingTensor, { $0.tensors["average/long"] = nil }),
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
      ("velocity/bias", .unexpectedTensor, { $0.metadata["momentum.velocity.bias"] = "none" }),
      ("average/bias", .unexpectedTensor, { $0.metadata["momentum.stepsAveraged.bias"] = "0" }),
      (
        nil, .missingMetadata(key: "momentum.stateFormat", expected: "'2'"),
        { $0.metadata["momentum.stateFormat"] = nil }
      ),
      (
        nil, .invalidMetadata(key: "momentum.stateFormat", value: "3", expected: "'2'"),
        { $0.metadata["momentum.stateFormat"] = "3" }
      ),
      (nil, .missingMetadata(key: "momentum.parts", expected: parts), { $0.metadata["momentum.parts"] = nil }),
      (
        nil, .invalidMetadata(key: "momentum.parts", value: "average velocity", expected: parts),
        { $0.metadata["momentum.parts"] = "average velocity" }
      ),
      // Format 1 has no such key.
      (nil, .unexpectedMetadata(key: "momentum.parts"), { $0.metadata["momentum.stateFormat"] = "1" }),
      (nil, .unexpectedMetadata(key: "momentum.adaptiveClipping"), { $0.metadata["momentum.parts"] = "average" }),
      (nil, .unexpectedMetadata(key: "momentum.stepsAveraged.bias"), { $0.metadata["momentum.parts"] = "velocity" }),
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
        "bias", .missingMetadata(key: "momentum.velocity.bias", expected: kinds),
        { $0.metadata["momentum.velocity.bias"] = nil }
      ),
      (
        "bias", .invalidMetadata(key: "momentum.velocity.bias", value: "pytorch", expected: kinds),
        { $0.metadata["momentum.velocity.bias"] = "pytorch" }
      ),
      (
        "bias", .invalidMetadata(key: "momentum.stepsAveraged.bias", value: "", expected: whole),
        { $0.metadata["momentum.stepsAveraged.bias"] = "" }
      ),
      (
        nil, .unexpectedMetadata(key: "momentum.velocity.other"),
        { $0.metadata["momentum.velocity.other"] = "none" }
      ),
      (nil, .unexpectedMetadata(key: "momentum.later"), { $0.metadata["momentum.later"] = "" }),
      (
        nil, .invalidMetadata(key: "momentum.lossScale", value: "8", expected: "a dynamic loss scale"),
        { $0.metadata["momentum.lossScale"] = "8" }
      ),
    ]
    let data = Data<Float>(steps: 5)
    var run = try Run(configuration(Self.configurations[0]), data.start)
    for gradient in data.gradients[..<4] { try run.step(gradient) }
    try StateFile.save(&run.optimizer, to: path("good"))
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
    var other = OptimizerState<Float>(tensors: data.start.count)
    other.stepCount = 7
    let changed = SafetensorsError(file: "state", reason: .changedWhileOpen)
    try data.start[0].withUnsafeBufferPointer { values in
      let directions = [values] + Array(repeating: nil, count: 3)
      // What `load` asks last, when all has been copied.
      assertThrows(changed) {
        try run.optimizer.restore(other, directions: directions, averages: directions) { throw changed }
      }
      XCTAssertEqual(run.optimizer.state(), before)
      assertThrows(changed) {
        try run.optimizer.replaceVelocities(directions, keepLearningRate: true) { throw changed }
      }
      XCTAssertEqual(run.optimizer.state(), before)
      try run.optimizer.restore(other, directions: directions, averages: directions) {}
      XCTAssertEqual(run.optimizer.state().direction[..<70], data.start[0][...])
      XCTAssertEqual(run.optimizer.stepCount, 7)
    }
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
    var run = try Run(configuration(Self.configurations[0]), Data<Float>(steps: 0).start)
    XCTAssertThrowsError(try StateFile.save(&run.optimizer, to: path("no/folder"))) { error in
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
