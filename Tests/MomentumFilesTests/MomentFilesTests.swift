import Foundation
import Momentum
import MomentumFiles
import MomentumTestSupport
import XCTest

/// Second moments in state files, and those of other libraries.
final class MomentFilesTests: XCTestCase {
  private let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)

  override func setUpWithError() throws {
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  override func tearDownWithError() throws { try FileManager.default.removeItem(at: folder) }

  private func path(_ name: String) -> String { folder.appendingPathComponent(name + ".safetensors").path }

  /// An optimizer with its parameters, of which one tensor never has a gradient, and another is SGD's.
  private struct Run<S: BLASScalar & SafetensorsScalar>: ~Copyable {
    var optimizer: Optimizer<S>
    let parameters: [GuardedMemory<S>]

    private init() throws {
      let layout = try ParameterLayout([("w", [3, 5]), ("b", [4]), ("late", [2])])
      let groups = [ParameterGroup("b", ["b"], rule: try SGD(learningRate: 0.1, momentum: 0.9))]
      let made = try Optimizer<S>(layout, rule: AdamW(learningRate: 0.01), groups: groups)
      parameters = layout.tensors.map { GuardedMemory([S](repeating: 1, count: $0.count)) }
      optimizer = made
    }

    static func after(steps: Int = 3) throws -> Run {
      var run = try Run()
      var random = SeededGenerator(seed: 83)
      for _ in 0..<steps { try run.step(&random) }
      return run
    }

    mutating func step(_ random: inout SeededGenerator) throws {
      let memory = optimizer.layout.tensors.map { GuardedMemory<S>(random.numbers($0.count)) }
      let gradients = memory.enumerated().map { $0 == 2 ? nil : $1.readOnlyBuffer }
      try optimizer.step(parameters: parameters.map(\.buffer), gradients: gradients)
    }

    var buffers: [UnsafeMutableBufferPointer<S>] { parameters.map(\.buffer) }
  }

  func testAStateGoesOnBitForBitFloat() throws { try goesOn(Float.self) }
  func testAStateGoesOnBitForBitDouble() throws { try goesOn(Double.self) }

  private func goesOn<S: BLASScalar & SafetensorsScalar>(_: S.Type) throws {
    var whole = try Run<S>.after()
    try Checkpoint.save(whole.optimizer, parameters: whole.buffers, to: path("run"))
    try StateFile.save(whole.optimizer, to: path("state"))
    let file = try SafetensorsFile(path: path("state"))
    XCTAssertEqual(
      Set(file.tensors.map(\.name)), ["velocity/w", "velocity/b", "secondMoment/w"], "of tensors that have them alone")
    XCTAssertEqual(file.metadata["momentum.stateFormat"], "3")

    var resumed = try Run<S>.after(steps: 0)
    try Checkpoint.load(path("run"), into: &resumed.optimizer, parameters: resumed.buffers)
    XCTAssertEqual(resumed.optimizer.state(), whole.optimizer.state())
    var (first, second) = (SeededGenerator(seed: 5), SeededGenerator(seed: 5))
    try whole.step(&first)
    try resumed.step(&second)
    XCTAssertEqual(resumed.optimizer.state(), whole.optimizer.state())
    XCTAssertEqual(resumed.parameters.map(\.elements), whole.parameters.map(\.elements))

    // A file of one part has its second moments too; one of averages has none.
    try StateFile.save(whole.optimizer, to: path("velocity"), parts: .velocity)
    var other = try Run<S>.after(steps: 0)
    try StateFile.load(path("velocity"), into: &other.optimizer, parts: .velocity)
    XCTAssertEqual(other.optimizer.state().secondMoment, whole.optimizer.state().secondMoment)
    XCTAssertEqual(other.optimizer.stepsOfSecondMoment(ofTensor: 0), 4)
    try StateFile.save(whole.optimizer, to: path("average"), parts: .average)
    XCTAssertTrue(try SafetensorsFile(path: path("average")).tensors.isEmpty)
  }

  func testMigration() throws {
    let old = try Run<Float>.after()
    let state = old.optimizer.state()
    try StateFile.save(old.optimizer, to: path("state"))
    let layout = try ParameterLayout([("new", [2]), ("w", [3, 5])])
    var optimizer = try Optimizer<Float>(layout, rule: AdamW(learningRate: 0.01))
    let migration = try StateFile.migrate(path("state"), into: &optimizer)
    XCTAssertEqual(migration.description, "added 'new'; dropped 'b', 'late'")
    XCTAssertEqual(
      Array(optimizer.state().secondMoment[2...]), Array(state.secondMoment[..<15]))
    XCTAssertEqual(optimizer.state(), try state.migrated(to: layout).state)
    XCTAssertEqual([0, 1].map { optimizer.stepsOfSecondMoment(ofTensor: $0) }, [0, 3])
  }

  func testDamage() throws {
    let whole = try Run<Float>.after()
    try StateFile.save(whole.optimizer, to: path("state"))
    let good = try SafetensorsFile(path: path("state"))
    let known = try XCTUnwrap(good.metadata["momentum.velocities"])
    XCTAssertTrue(known.contains(" 3"), known)
    func write(_ name: String, without: String? = nil, velocities: String? = nil) throws {
      var writer = SafetensorsWriter(path: path(name), metadata: good.metadata)
      if let velocities { writer.metadata["momentum.velocities"] = velocities }
      for tensor in good.tensors where tensor.name != without {
        try writer.add(
          tensor.name, shape: tensor.shape, values: try good.unsafeBuffer(of: tensor.name, as: Float.self))
      }
      try writer.write()
    }
    try write("missing", without: "secondMoment/w")
    try write("unknown", velocities: known.replacingOccurrences(of: " 3", with: ""))
    try write("zero", velocities: known.replacingOccurrences(of: " 3", with: " 0"))
    for (name, words) in [
      ("missing", "tensor 'secondMoment/w' is missing"), ("unknown", "tensor 'secondMoment/w' is unknown"),
      ("zero", "metadata 'momentum.velocities' are"),
    ] {
      var run = try Run<Float>.after(steps: 1)
      let before = run.optimizer.state()
      XCTAssertThrowsError(try StateFile.load(path(name), into: &run.optimizer)) {
        XCTAssertTrue("\($0)".contains(words), "\($0)")
      }
      XCTAssertEqual(run.optimizer.state(), before)
    }
  }

  func testMomentsOfOtherLibraries() throws {
    let whole = try Run<Float>.after()
    let expected = whole.optimizer.state().secondMoment[..<15]
    for (convention, first, second) in [
      (Convention.pytorch, "exp_avg.w", "exp_avg_sq.w"), (.optax, "mu.w", "nu.w"),
      (.keras, "momentums.w", "velocities.w"), (.mlx, "m.w", "v.w"), (.native, "m.w", "v.w"),
    ] {
      let exchange = MomentExchange(of: convention)
      try exchange.write(whole.optimizer, to: path("moments"))
      XCTAssertEqual(Set(try SafetensorsFile(path: path("moments")).tensors.map(\.name)), [first, second])
      var other = try Run<Float>.after(steps: 1)
      try exchange.read(path("moments"), into: &other.optimizer, steps: 3)
      XCTAssertEqual(other.optimizer.state().secondMoment[..<15], expected)
      XCTAssertEqual(other.optimizer.stepsOfSecondMoment(ofTensor: 0), 3)
      XCTAssertFalse(other.optimizer.hasVelocity(ofTensor: 1))
      let velocities = [
        whole.optimizer.withUnsafeVelocity(ofTensor: 0) { Array($0) },
        other.optimizer.withUnsafeVelocity(ofTensor: 0) { Array($0) },
      ]
      XCTAssertEqual(velocities[0], velocities[1])
    }
  }

  func testMomentsThatAreRefused() throws {
    let exchange = MomentExchange(of: .pytorch)
    func write(_ tensors: [(String, [Float])]) throws {
      var writer = SafetensorsWriter(path: path("bad"))
      for (name, values) in tensors {
        try values.withUnsafeBufferPointer { try writer.add(name, shape: [$0.count], values: $0) }
        try writer.write()
      }
    }
    for (tensors, steps, words) in [
      ([("exp_avg.b", [1, 1, 1, 1])], 1, "has no tensor whose name begins with 'exp_avg_sq.'"),
      ([("exp_avg.b", [1, 1, 1, 1]), ("exp_avg_sq.late", [1, 1])], 1, "is missing"),
      ([("exp_avg.x", [1]), ("exp_avg_sq.b", [1, 1, 1, 1])], 1, "tensor 'exp_avg.x' is unknown"),
      ([("exp_avg.b", [1, 1, 1, 1]), ("exp_avg_sq.b", [1, 1, -1, 1])], 1, "second moment of tensor 'b' is -1.0"),
      ([("exp_avg.b", [1, 1, 1, 1]), ("exp_avg_sq.b", [1, .nan, 1, 1])], 1, "second moment of tensor 'b'"),
      ([("exp_avg.b", [1, 1, 1, 1]), ("exp_avg_sq.b", [1, 1, 1, 1])], 0, "steps of a second moment is 0"),
    ] as [([(String, [Float])], Int, String)] {
      try write(tensors)
      var run = try Run<Float>.after(steps: 1)
      let before = run.optimizer.state()
      XCTAssertThrowsError(try exchange.read(path("bad"), into: &run.optimizer, steps: steps), words) {
        XCTAssertTrue("\($0)".contains(words), "\($0); expected: \(words)")
      }
      XCTAssertEqual(run.optimizer.state(), before)
    }
  }
}
