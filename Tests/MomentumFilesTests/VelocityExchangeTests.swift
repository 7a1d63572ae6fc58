import Foundation
import Momentum
import MomentumFiles
import MomentumReference
import MomentumTestSupport
import XCTest

/// Momentum buffers of other libraries; see Tests/Fixtures/momenta/README.md.
final class VelocityExchangeTests: FolderTestCase {
  private let fixtures = Checkout.fixture("momenta")

  private func fixture(_ name: String) -> String { fixtures.appendingPathComponent("\(name).safetensors").path }

  // MARK: Runs of the peers

  private struct Description: Decodable {
    struct Rule: Decodable {
      let learningRate, momentum: Double
      let dampening, weightDecay: Double?
      let nesterov: Bool?
    }
    let rule: Rule

    func sgd(_ convention: Convention) throws -> SGD {
      try SGD(
        learningRate: rule.learningRate, momentum: rule.momentum, dampening: rule.dampening ?? 0,
        weightDecay: rule.weightDecay ?? 0, nesterov: rule.nesterov ?? false, convention: convention)
    }
  }

  func testTheFixturesAreThoseOfTheManifest() throws {
    let manifest = try ReferenceManifest(
      text: String(contentsOf: fixtures.appendingPathComponent("MANIFEST.txt"), encoding: .utf8))
    XCTAssertEqual(manifest.entries.count, 12)
    for entry in manifest.entries {
      let bytes = try Data(contentsOf: fixtures.appendingPathComponent(entry.file))
      XCTAssertEqual(bytes.count, entry.byteCount, entry.file)
      XCTAssertEqual(FNV1a(bytes).text, entry.digest, entry.file)
    }
  }

  func testARunOfPyTorchGoesOn() throws {
    try goesOn(as: Float.self, "pytorch-float32", VelocityExchange(of: .pytorch), .pytorch)
    try goesOn(as: Double.self, "pytorch-float64", VelocityExchange(of: .pytorch), .pytorch)
  }

  func testARunOfOptaxGoesOn() throws {
    let exchange = VelocityExchange(of: .optax, prefix: "trace/")
    try goesOn(as: Float.self, "optax-float32", exchange, .optax)
    try goesOn(as: Double.self, "optax-float64", exchange, .optax)
  }

  private func goesOn<S: BLASScalar & SafetensorsScalar>(
    as: S.Type, _ name: String, _ exchange: VelocityExchange, _ convention: Convention
  ) throws {
    let run = try SafetensorsFile(path: fixture("\(name)-run"))
    let about = try JSONDecoder().decode(Description.self, from: Data(run.metadata["run"]!.utf8))
    func values(_ tensor: String) throws -> [S] { try run.withUnsafeBuffer(of: tensor, as: S.self) { Array($0) } }
    let tensors = ["layer.weight", "layer.bias", "late"]
    let layout = try ParameterLayout(tensors.map { ($0, run.tensor(named: "start/\($0)")!.shape) })
    var optimizer = try Optimizer<S>(layout, rule: about.sgd(convention))
    try exchange.read(fixture(name), into: &optimizer)
    // PyTorch has no buffer of a tensor without a gradient, Optax has a trace of every tensor.
    XCTAssertEqual(tensors.indices.map { optimizer.hasVelocity(ofTensor: $0) }, [true, true, convention == .optax])

    var parameters = try tensors.flatMap { try values("start/\($0)") }
    for step in 0..<3 {
      let gradients = try tensors.flatMap { try values("gradient/\(step)/\($0)") }
      try parameters.withUnsafeMutableBufferPointer { parameters in
        _ = try gradients.withUnsafeBufferPointer { try optimizer.step(parameters: parameters, gradients: $0) }
      }
    }
    let bound = (16 + 8 * 3) * Double(S.ulpOfOne)
    for (index, tensor) in layout.tensors.enumerated() {
      let velocity = optimizer.withUnsafeVelocity(ofTensor: index) { Array($0) }
      for (what, found) in [("end", Array(parameters[tensor.range])), ("velocity", velocity)] {
        let expected = try values("\(what)/\(tensor.name)").map { Double($0) }
        let largest = expected.map(\.magnitude).max()!
        XCTAssertEqual(found.count, expected.count)
        for (x, y) in zip(found, expected) {
          XCTAssertEqual(Double(x), y, accuracy: bound * largest, "\(name): \(what)")
        }
      }
    }
  }

  /// A run of PyTorch's Muon goes on from its parameters and momenta, under its convention and under that of this library,
  /// which keeps a sum of gradients where PyTorch keeps a mean.
  func testARunOfPyTorchsMuonGoesOn() throws {
    for (name, way) in [("pytorch-muon", 0x1p-5), ("pytorch-muon-in-float", 0)] {
      let run = try SafetensorsFile(path: fixture("\(name)-run"))
      let rule = try JSONDecoder().decode(Description.self, from: Data(run.metadata["run"]!.utf8)).rule
      func values(_ tensor: String) throws -> [Float] {
        try run.withUnsafeBuffer(of: tensor, as: Float.self) { Array($0) }
      }
      let tensors = ["wide", "tall", "square"]
      let layout = try ParameterLayout(tensors.map { ($0, run.tensor(named: "start/\($0)")!.shape) })
      for convention in [Convention.pytorch, .native] {
        let muon = try Muon(
          learningRate: rule.learningRate, momentum: rule.momentum, nesterov: rule.nesterov!,
          weightDecay: rule.weightDecay, convention: convention)
        var optimizer = try Optimizer<Float>(layout, rule: muon)
        try VelocityExchange(of: .pytorch).read(fixture(name), into: &optimizer)
        var parameters = try tensors.flatMap { try values("start/\($0)") }
        for step in 0..<6 {
          let gradients = try tensors.flatMap { try values("gradient/\(step)/\($0)") }
          try parameters.withUnsafeMutableBufferPointer { parameters in
            _ = try gradients.withUnsafeBufferPointer { try optimizer.step(parameters: parameters, gradients: $0) }
          }
        }
        try VelocityExchange(of: .pytorch).write(optimizer, to: path("momenta"))
        let momenta = try SafetensorsFile(path: path("momenta"))
        for tensor in layout.tensors {
          func apart(_ x: some Sequence<Float>, _ y: [Float]) -> Double {
            zip(x, y).reduce(0) { $0 + (Double($1.0) - Double($1.1)) * (Double($1.0) - Double($1.1)) }.squareRoot()
          }
          let (end, momentum) = (try values("end/\(tensor.name)"), try values("velocity/\(tensor.name)"))
          let zeros = end.map { _ in Float(0) }
          let length = rule.learningRate * 6 * Double(tensor.shape.max()!).squareRoot()
          XCTAssertLessThanOrEqual(
            apart(parameters[tensor.range], end), 1e-6 * apart(end, zeros) + way * length,
            "\(name), \(tensor.name), \(convention)")
          let found = try momenta.withUnsafeBuffer(of: tensor.name, as: Float.self) { Array($0) }
          let largest = momentum.map(\.magnitude).max()!
          for (x, y) in zip(found, momentum) {
            XCTAssertEqual(x, y, accuracy: (16 + 8 * 6) * Float.ulpOfOne * largest, "\(name), \(tensor.name)")
          }
        }
      }
    }
  }

  func testWritesWhatThePeersWrote() throws {
    for (name, prefix) in [("pytorch-float32", ""), ("optax-float32", "trace/")] {
      let file = try SafetensorsFile(path: fixture(name))
      let layout = try ParameterLayout(
        ["late": [2, 2], "layer.bias": [3], "layer.weight": [4, 3]].sorted { $0.key < $1.key }.map {
          ($0.key, $0.value)
        })
      var optimizer = try Optimizer<Float>(layout, rule: SGD(learningRate: 1, momentum: 0.5, convention: .pytorch))
      let exchange = VelocityExchange(of: .pytorch, prefix: prefix)
      try exchange.read(file.path, into: &optimizer)
      try exchange.write(optimizer, to: path("copy"))
      XCTAssertEqual(try contents("copy"), Array(try Data(contentsOf: URL(fileURLWithPath: file.path))), name)
    }
  }

  // MARK: Means and sums

  /// An optimizer with one matrix and its velocity.
  private func withVelocity(_ rule: any UpdateRule, _ velocity: [Double]) throws -> Optimizer<Double> {
    var optimizer = try Optimizer<Double>(ParameterLayout([("w", [2, 2])]), rule: rule)
    try velocity.withUnsafeBufferPointer { try optimizer.setVelocity(ofTensor: 0, $0) }
    return optimizer
  }

  private func velocity(_ optimizer: borrowing Optimizer<Double>) -> [Double] {
    optimizer.withUnsafeVelocity(ofTensor: 0) { Array($0) }
  }

  /// PyTorch's momenta of Muon are means, 1 - m times the sums of Keras.
  func testMomentaOfMuonBecomeMeansOrSums() throws {
    let file = path("muon")
    let torch = try withVelocity(Muon(learningRate: 0.5, momentum: 0.75, convention: .pytorch), [1, -2, 3, 4])
    try VelocityExchange(of: .pytorch).write(torch, to: file)
    for (convention, expected) in [
      (Convention.pytorch, [1.0, -2, 3, 4]), (.mlx, [1, -2, 3, 4]), (.optax, [1, -2, 3, 4]), (.keras, [4, -8, 12, 16]),
      (.native, [4, -8, 12, 16]),
    ] {
      let rule = try Muon(learningRate: 0.5, momentum: 0.75, convention: convention)
      var optimizer = try Optimizer<Double>(ParameterLayout([("w", [2, 2])]), rule: rule)
      try VelocityExchange(of: .pytorch).read(file, into: &optimizer)
      XCTAssertEqual(velocity(optimizer), expected, "\(convention)")
      // Back again; and under its own convention as it is, without the learning rate.
      try VelocityExchange(of: .pytorch).write(optimizer, to: path("back"))
      XCTAssertEqual(try read("back"), ["w": [1, -2, 3, 4]], "\(convention)")
      try VelocityExchange(of: convention).write(optimizer, to: path("own"))
      XCTAssertEqual(try read("own"), ["w": expected], "\(convention)")
    }
    // Without a name of a library they are as the rule has them.
    var own = try Optimizer<Double>(ParameterLayout([("w", [2, 2])]), rule: Muon(learningRate: 0.5, momentum: 0.75))
    try VelocityExchange(keepsLearningRate: false).read(file, into: &own)
    XCTAssertEqual(velocity(own), [1, -2, 3, 4])
  }

  /// Keras's velocities of SGD keep the learning rate, its other momenta do not.
  func testMomentaOfKerasKeepNoLearningRate() throws {
    for rule in try [
      Lion(learningRate: 0.5, convention: .keras), AdamW(learningRate: 0.5, convention: .keras),
      Scheduled(Signum(learningRate: 0.5, convention: .keras), learningRate: .constant(0.25)),
    ] as [any UpdateRule] {
      try VelocityExchange(of: .keras).write(try withVelocity(rule, [1, 2, 3, 4]), to: path("keras"))
      XCTAssertEqual(try read("keras"), ["w": [1, 2, 3, 4]], "\(rule)")
    }
  }

  func testVelocitiesMoveFromRuleToRule() throws {
    let lion = try Lion(learningRate: 0.5, beta2: 0.75)
    let inside = try SGD(learningRate: 0.5, momentum: 0.9, convention: .keras)
    var optimizer = try withVelocity(SGD(learningRate: 0.5, momentum: 0.9), [4, 8, 0, 4])
    try optimizer.convertVelocity(from: optimizer.rule, to: lion)
    XCTAssertEqual(velocity(optimizer), [1, 2, 0, 1])
    try optimizer.convertVelocity(from: lion, to: inside)
    XCTAssertEqual(velocity(optimizer), [-2, -4, 0, -2])
    XCTAssertTrue(optimizer.keepsLearningRateInVelocity(ofTensor: 0))
    try optimizer.convertVelocity(from: inside, to: SGD(learningRate: 0.5, momentum: 0.9, dampening: 0.5))
    XCTAssertEqual(velocity(optimizer), [2, 4, 0, 2])
    XCTAssertThrowsError(try optimizer.convertVelocity(from: Lion(learningRate: 1, beta2: 1), to: inside)) {
      XCTAssertEqual(
        "\($0)", "weight of gradients in velocities is 0.0; expected a number > 0 to convert them by")
    }
    XCTAssertEqual(velocity(optimizer), [2, 4, 0, 2])
  }

  // MARK: The learning rate inside and outside

  private func write(_ name: String, _ tensors: [String: [Double]]) throws {
    var writer = SafetensorsWriter(path: path(name))
    for (tensor, values) in tensors {
      try writer.add(tensor, dtype: .f64, shape: [values.count]) { emit throws(SafetensorsError) in
        try values.withUnsafeBufferPointer { bytes throws(SafetensorsError) in try emit(UnsafeRawBufferPointer(bytes)) }
      }
    }
    try writer.write()
  }

  private func read(_ name: String) throws -> [String: [Double]] {
    let file = try SafetensorsFile(path: path(name))
    return try Dictionary(
      uniqueKeysWithValues: file.tensors.map { tensor in
        (tensor.name, try file.withUnsafeBuffer(of: tensor.name, as: Double.self) { Array($0) })
      })
  }

  private func optimizer(_ convention: Convention, groups: [ParameterGroup] = []) throws -> Optimizer<Double> {
    try Optimizer<Double>(
      ParameterLayout([("a", [2]), ("b", [1])]),
      rule: SGD(learningRate: 0.5, momentum: 0.5, convention: convention), groups: groups)
  }

  private func velocities(_ optimizer: inout Optimizer<Double>) -> [[Double]] {
    [0, 1].map { index in optimizer.withUnsafeVelocity(ofTensor: index) { Array($0) } }
  }

  func testConvertsBetweenTheForms() throws {
    try write("outside", ["a": [8, -4], "b": [2]])
    try write("inside", ["a": [-4, 2], "b": [-1]])
    for (convention, own) in [(Convention.keras, "inside"), (.pytorch, "outside")] {
      for (source, name) in [(Convention.keras, "inside"), (.optax, "outside"), (.mlx, "outside")] {
        var optimizer = try optimizer(convention)
        try VelocityExchange(of: source).read(path(name), into: &optimizer)
        XCTAssertEqual(velocities(&optimizer), own == "inside" ? [[-4, 2], [-1]] : [[8, -4], [2]])
        XCTAssertEqual(optimizer.keepsLearningRateInVelocity(ofTensor: 0), own == "inside")
        let before = optimizer.state()
        try VelocityExchange(of: source).write(optimizer, to: path("back"))
        XCTAssertEqual(try read("back"), try read(name), "\(source) from \(convention)")
        XCTAssertEqual(optimizer.state(), before)
      }
    }
  }

  func testConvertsAtTheLearningRateOfTheNextStep() throws {
    try write("outside", ["a": [8, -4], "b": [2]])
    let exchange = VelocityExchange(of: .pytorch)
    // A group has its own rate, behind a schedule and adaptive clipping.
    let scheduled = try Scheduled(
      SGD(learningRate: 1, momentum: 0.5, convention: .keras),
      learningRate: .piecewise(boundaries: [3], values: [1, 0.25]))
    let group = ParameterGroup("b", ["b"], rule: try AdaptiveGradientClipping(scheduled))
    var optimizer = try optimizer(.keras, groups: [group])
    try optimizer.resume(stepCount: 2, lastStepClipped: false)
    try exchange.read(path("outside"), into: &optimizer)
    XCTAssertEqual(velocities(&optimizer), [[-4, 2], [-2]])
    try optimizer.resume(stepCount: 4, lastStepClipped: false)
    try exchange.read(path("outside"), into: &optimizer)
    XCTAssertEqual(velocities(&optimizer), [[-4, 2], [-0.5]])
    try exchange.read(path("outside"), into: &optimizer, learningRate: 0.125)
    XCTAssertEqual(velocities(&optimizer), [[-1, 0.5], [-0.25]])
    try exchange.write(optimizer, to: path("back"), learningRate: 0.125)
    XCTAssertEqual(try read("back"), ["a": [8, -4], "b": [2]])
    XCTAssertEqual(optimizer.stepCount, 4)
  }

  func testLongTensorsAreConvertedWhole() throws {
    let values = (0..<150_001).map { Double($0) }
    try write("long", ["a": values])
    var optimizer = try Optimizer<Double>(
      ParameterLayout([("a", [values.count])]), rule: SGD(learningRate: 0.5, momentum: 0.5, convention: .keras))
    try VelocityExchange(of: .pytorch).read(path("long"), into: &optimizer)
    try VelocityExchange(of: .mlx, prefix: "m.").write(optimizer, to: path("back"))
    XCTAssertEqual(try read("back"), ["m.a": values])
  }

  // MARK: Refusals

  func testRefusalsLeaveTheOptimizerAlone() throws {
    typealias Reason = OptimizerFileError.Reason
    try write("good", ["a": [8, -4], "b": [2]])
    try write("extra", ["a": [8, -4], "c": [2]])
    try write("shape", ["a": [8, -4, 1]])
    var writer = SafetensorsWriter(path: path("float"))
    try [Float](repeating: 1, count: 2).withUnsafeBufferPointer { values in
      try writer.add("a", shape: [2], values: values)
      try writer.write()
    }
    let rate = { (value: Double) in
      Reason.refused(
        .invalidSetting(
          name: "learningRate", value: value, expected: .words("a finite number > 0 to convert velocities at")))
    }
    let table: [(file: String, prefix: String, rate: Double?, tensor: String?, Reason)] = [
      ("extra", "", nil, "c", .unexpectedTensor),
      ("shape", "", nil, "a", .shapeMismatch(shape: [3], expected: [2])),
      ("float", "", nil, "a", .dtypeMismatch(dtype: .f32, expected: .f64)),
      ("good", "trace/", nil, nil, .noTensors(prefix: "trace/")),
      ("good", "", 0, nil, rate(0.0)), ("good", "", -1, nil, rate(-1.0)), ("good", "", .nan, nil, rate(.nan)),
      ("good", "", .infinity, nil, rate(.infinity)),
    ]
    var optimizer = try optimizer(.keras)
    try VelocityExchange(of: .keras).read(path("good"), into: &optimizer)
    let before = optimizer.state()
    for (file, prefix, rate, tensor, reason) in table {
      do {
        try VelocityExchange(of: .pytorch, prefix: prefix).read(path(file), into: &optimizer, learningRate: rate)
        XCTFail("\(file) was read")
      } catch {
        XCTAssertEqual(error, OptimizerFileError(file: path(file), tensor: tensor, reason: reason))
      }
      XCTAssertEqual(optimizer.state(), before)
    }
    XCTAssertThrowsError(try VelocityExchange(of: .pytorch).write(optimizer, to: path("no"), learningRate: 0))
    XCTAssertFalse(FileManager.default.fileExists(atPath: path("no")))
    // A rate that is of no use is none where nothing is converted.
    try VelocityExchange(of: .keras).read(path("good"), into: &optimizer, learningRate: 0)
  }

  func testOtherPrefixesAreNotLookedAt() throws {
    try write("model", ["parameters/a": [1, 2, 3], "trace/b": [7]])
    var optimizer = try optimizer(.pytorch)
    try VelocityExchange(keepsLearningRate: false, prefix: "trace/").read(path("model"), into: &optimizer)
    XCTAssertEqual(velocities(&optimizer), [[0, 0], [7]])
    XCTAssertFalse(optimizer.hasVelocity(ofTensor: 0))
  }
}
