import Foundation
import Momentum
import MomentumFiles
import MomentumTestSupport
import XCTest

/// A whole run in one file.
final class CheckpointTests: StateFileTestCase {
  func testARunGoesOnBitForBitFromOneFile() throws {
    let data = Data<Float>(steps: 8)
    for json in Self.configurations {
      var whole = try run(json, data, steps: 0..<5)
      let memory = whole.parameters.map { GuardedMemory($0) }
      try Checkpoint.save(
        whole.optimizer, parameters: memory.map(\.buffer), metadata: ["epoch": "3", "é": "ü"], to: path("run"))
      XCTAssertEqual(try names, ["run"])

      var resumed = try run(json, data, steps: 6..<8)
      let other = resumed.parameters.map { GuardedMemory($0) }
      let metadata = try Checkpoint.load(path("run"), into: &resumed.optimizer, parameters: other.map(\.buffer))
      XCTAssertEqual(metadata, ["epoch": "3", "é": "ü"])
      resumed.parameters = other.map(\.elements)
      XCTAssertTrue(other.allSatisfy(\.guardsAreIntact))
      XCTAssertEqual(resumed.optimizer.state(), whole.optimizer.state())
      for gradient in data.gradients[5...] {
        try whole.step(gradient)
        try resumed.step(gradient)
      }
      for (x, y) in zip(whole.parameters, resumed.parameters) { assertSameBits(x, y, seed: 41, json) }
    }
  }

  func testTheFileIsAStateWithTheParameters() throws {
    let data = Data<Float>(steps: 3)
    var run = try run(Self.configurations[0], data, steps: 0..<2)
    let layout = run.optimizer.layout
    var parameters = try ParameterVector<Float>(layout)
    for index in 0..<layout.count { parameters[index] = index == 5 ? .nan : Float(index) }
    try Checkpoint.save(run.optimizer, parameters: parameters, to: path("vector"))
    try parameters.withUnsafeMutableBufferPointer {
      try Checkpoint.save(run.optimizer, parameters: $0, to: path("flat"))
    }
    XCTAssertEqual(try contents("vector"), try contents("flat"))
    try StateFile.save(run.optimizer, to: path("state"))
    let (file, state) = (try SafetensorsFile(path: path("vector")), try SafetensorsFile(path: path("state")))
    var metadata = file.metadata
    XCTAssertEqual(metadata["momentum.checkpoint"], "1")
    metadata["momentum.checkpoint"] = nil
    XCTAssertEqual(metadata, state.metadata)
    XCTAssertEqual(
      Set(file.tensors.map(\.name)),
      Set(state.tensors.map(\.name) + layout.tensors.map { "parameters/\($0.name)" }))

    // A state comes out of it alone, too.
    let before = run.optimizer.state()
    try run.step(data.gradients[2])
    try StateFile.load(path("vector"), into: &run.optimizer)
    XCTAssertEqual(run.optimizer.state(), before)
    var loaded = try ParameterVector<Float>(layout)
    XCTAssertEqual(try Checkpoint.load(path("flat"), into: &run.optimizer, parameters: &loaded), [:])
    assertSameBits((0..<layout.count).map { parameters[$0] }, (0..<layout.count).map { loaded[$0] })
    loaded.fill(0)
    try loaded.withUnsafeMutableBufferPointer {
      _ = try Checkpoint.load(path("flat"), into: &run.optimizer, parameters: $0)
    }
    assertSameBits((0..<layout.count).map { parameters[$0] }, (0..<layout.count).map { loaded[$0] })
  }

  func testDeathAtAnyCallLeavesTheOldCheckpointOrTheNew() throws {
    let (json, data) = (Self.configurations[0], Data<Float>(steps: 4))
    let runs = [try Saved(run(json, data, steps: 0..<2)), try Saved(run(json, data, steps: 0..<4))]
    var left: Set<String> = []
    var (index, isAlive) = (0, false)
    while !isAlive {
      try runs[0].write("1", to: path("run"), operations: .system)
      let (operations, calls) = Self.operations(dyingAt: index)
      do {
        try runs[1].write("2", to: path("run"), operations: operations)
        isAlive = calls.count <= index
      } catch {}
      var optimizer = try run(json, data, steps: 0..<1).optimizer
      let memory = data.start.map { GuardedMemory($0) }
      let metadata = try Checkpoint.load(path("run"), into: &optimizer, parameters: memory.map(\.buffer))
      let epoch = try XCTUnwrap(metadata["epoch"])
      let whole = runs[epoch == "1" ? 0 : 1]
      XCTAssertEqual(optimizer.state(), whole.run.optimizer.state(), "after \(index) calls")
      XCTAssertEqual(memory.map(\.elements), whole.run.parameters, "after \(index) calls")
      left.insert(epoch)
      index += 1
    }
    XCTAssertEqual(left, ["1", "2"])
    XCTAssertGreaterThan(index, 5)
  }

  /// A run and the memory of its parameters.
  private final class Saved {
    let run: Run<Float>
    private let memory: [GuardedMemory<Float>]

    init(_ run: consuming Run<Float>) {
      memory = run.parameters.map { GuardedMemory($0) }
      self.run = run
    }

    func write(_ epoch: String, to path: String, operations: FileOperations) throws {
      let writer = try Checkpoint.writer(path, of: run.optimizer, memory.map(\.buffer), ["epoch": epoch])
      try SafetensorsWriter.write([writer], operations: operations)
    }
  }

  private final class Calls {
    var count = 0
  }

  /// Calls of the system of which none from this one on has an effect.
  private static func operations(dyingAt index: Int) -> (FileOperations, Calls) {
    let (calls, system) = (Calls(), FileOperations.system)
    func isDead() -> Bool {
      calls.count += 1
      errno = EIO
      return calls.count > index
    }
    var operations = system
    operations.createUnnamed = { isDead() ? -1 : system.createUnnamed($0, $1) }
    operations.giveName = { isDead() ? -1 : system.giveName($0, $1) }
    operations.create = { isDead() ? -1 : system.create($0, $1) }
    operations.setMode = { isDead() ? -1 : system.setMode($0, $1) }
    operations.writeSome = { isDead() ? -1 : system.writeSome($0, UnsafeRawBufferPointer(rebasing: $1.prefix(5000))) }
    operations.synchronize = { _ in isDead() ? -1 : 0 }
    operations.addLink = { isDead() ? -1 : system.addLink($0, $1) }
    operations.move = { isDead() ? -1 : system.move($0, $1) }
    operations.remove = { isDead() ? -1 : system.remove($0) }
    return (operations, calls)
  }

  /// Expects the whole text of a refusal behind the path.
  private func expectRefused(_ text: String, _ name: String, line: UInt = #line, _ body: () throws -> Void) {
    XCTAssertThrowsError(try body(), line: line) {
      XCTAssertEqual("\($0)", "\(path(name)): \(text)", line: line)
    }
  }

  func testWhatIsRefusedChangesNothing() throws {
    let data = Data<Float>(steps: 3)
    var run = try run(Self.configurations[0], data, steps: 0..<3)
    var parameters = try ParameterVector<Float>(run.optimizer.layout)
    parameters.fill(7)
    expectRefused(
      "metadata 'momentum.step' would be taken for this library's; expected keys that do not begin with 'momentum.'",
      "new"
    ) {
      try Checkpoint.save(
        run.optimizer, parameters: parameters, metadata: ["momentum.step": "1"], to: path("new"))
    }
    let short = try ParameterVector<Float>(ParameterLayout(count: 2))
    expectRefused("parameters has count 2; expected 2173", "new") {
      try Checkpoint.save(run.optimizer, parameters: short, to: path("new"))
    }
    expectRefused("list of parameters has count 0; expected 4", "new") {
      try Checkpoint.save(run.optimizer, parameters: [], to: path("new"))
    }
    XCTAssertEqual(try names, [])

    try StateFile.save(run.optimizer, to: path("state"))
    try Checkpoint.save(run.optimizer, parameters: parameters, to: path("run"))
    let before = run.optimizer.state()
    expectRefused("metadata 'momentum.checkpoint' are missing; expected '1', as in a file of Checkpoint.save", "state")
    {
      try Checkpoint.load(path("state"), into: &run.optimizer, parameters: &parameters)
    }

    // Files with a tensor less, one more, and one of another shape.
    let file = try SafetensorsFile(path: path("run"))
    for (name, text) in [
      (
        "less",
        "tensor 'parameters/bias' is missing; expected it as the optimizer and the metadata have it "
          + "(StateFile.migrate adds tensors to a state)"
      ),
      ("more", "tensor 'parameters/more' is unknown; expected only what the optimizer and the metadata have"),
      ("shape", "tensor 'parameters/bias' has shape [1, 3]; expected [3]"),
    ] {
      var writer = SafetensorsWriter(path: path(name), metadata: file.metadata)
      for tensor in file.tensors {
        let isBias = tensor.name == "parameters/bias"
        if name == "less", isBias { continue }
        let shape = name == "shape" && isBias ? [1, 3] : tensor.shape
        try file.withUnsafeBuffer(of: tensor.name, as: Float.self) {
          let copy = UnsafeMutableBufferPointer<Float>.allocate(capacity: $0.count)
          _ = copy.initialize(from: $0)
          try writer.add(tensor.name, shape: shape, values: UnsafeBufferPointer(copy))
        }
      }
      if name == "more" {
        try writer.add("parameters/more", shape: [0], values: UnsafeBufferPointer<Float>(start: nil, count: 0))
      }
      try writer.write()
      expectRefused(text, name) {
        try Checkpoint.load(path(name), into: &run.optimizer, parameters: &parameters)
      }
    }

    // A velocity that cannot be taken on leaves the parameters as they are, too.
    var bytes = try contents("run")
    let header = Int(bytes[0]) | Int(bytes[1]) << 8
    let text = String(decoding: bytes[8..<8 + header], as: UTF8.self)
    let start = try XCTUnwrap(text.firstRange(of: #""velocity/weight":{"dtype":"F32","shape":[7,10],"data_offsets":["#))
    let offset = try XCTUnwrap(Int(text[start.upperBound...].prefix { $0.isNumber }))
    bytes.replaceSubrange(8 + header + offset..<8 + header + offset + 4, with: [0, 0, 0xC0, 0x7F])
    try store(bytes, as: "nan")
    expectRefused("velocity of tensor 'weight' is nan at index 0; expected finite values", "nan") {
      try Checkpoint.load(path("nan"), into: &run.optimizer, parameters: &parameters)
    }
    XCTAssertEqual(run.optimizer.state(), before)
    XCTAssertTrue((0..<parameters.count).allSatisfy { parameters[$0] == 7 })
  }
}
