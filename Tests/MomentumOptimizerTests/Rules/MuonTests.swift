import MomentumTestSupport
import XCTest

@testable import Momentum

/// Muon against its formulas (``MuonReference``), and what every rule has to keep.
final class MuonTests: XCTestCase {
  func testRandomRunsFloat() throws { try compareRandomRuns(Float.self, seed: 91, tolerance: 2e-4) }
  func testRandomRunsDouble() throws { try compareRandomRuns(Double.self, seed: 92, tolerance: 1e-11) }

  private func compareRandomRuns<S: BLASScalar>(_: S.Type, seed: UInt64, tolerance: Double) throws {
    var random = SeededGenerator(seed: seed)
    for (trial, convention) in Trials.ofConventions(8) {
      func pick<T>(_ values: T...) -> T { values.randomElement(using: &random)! }
      let rule = try Muon(
        learningRate: pick(0.01, 0.5), momentum: pick(0.5, 0.95), nesterov: pick(true, false),
        weightDecay: pick(nil, 0, 0.25), method: pick(nil, .polarExpress(), .dion),
        scale: pick(nil, .fanRatio, .matchingRMS(0.2), .spectral, Muon.Scale.none), convention: convention)
      let shapes = (0..<Int.random(in: 1...3, using: &random)).map { _ -> [Int] in
        (0..<pick(2, 2, 3)).map { _ in Int.random(in: 1...12, using: &random) }
      }
      let layout = try ParameterLayout(shapes.enumerated().map { ("tensor \($0)", $1) })
      var optimizer = try Optimizer<S>(layout, rule: rule, threads: Int.random(in: 1...3, using: &random))
      let start: [[S]] = layout.tensors.map { random.numbers($0.count) }
      let memory = start.map { GuardedMemory($0, shift: trial % 4) }
      var references = zip(start, shapes).map { MuonReference(rule, $1, $0.map { Double($0) }) }
      let steps = Int.random(in: 1...4, using: &random)
      for _ in 0..<steps {
        let gradients: [[S]] = layout.tensors.map { random.numbers($0.count) }
        let read = gradients.map { GuardedMemory($0) }
        for gradient in read { gradient.forbidWriting() }
        try optimizer.step(parameters: memory.map(\.buffer), gradients: read.map(\.readOnlyBuffer))
        for index in references.indices {
          references[index].step(gradients[index].map { Double($0) })
        }
      }
      for (index, reference) in references.enumerated() {
        XCTAssertTrue(memory[index].guardsAreIntact)
        for (found, expected) in zip(memory[index].elements, reference.parameters) {
          XCTAssertEqual(
            Double(found), expected, accuracy: tolerance * (1 + expected.magnitude),
            "seed \(seed), trial \(trial), \(rule), scale \(rule.scale), shape \(shapes[index]), \(steps) steps")
        }
      }
    }
  }

  /// Under the conventions whose gradients enter with 1 - momentum, that factor is negative then. Optax's mean of gradients
  /// needs a momentum below 1.
  func testMomentumAboveOne() throws {
    var random = SeededGenerator(seed: 93)
    for convention in Convention.allCases where convention != .optax {
      for nesterov in [false, true] {
        let rule = try Muon(
          learningRate: 0.5, momentum: 1.5, nesterov: nesterov, weightDecay: 0.25, convention: convention)
        let (shape, start): ([Int], [Double]) = ([3, 4], random.numbers(12))
        var reference = MuonReference(rule, shape, start)
        let layout = try ParameterLayout([("matrix", shape)])
        var optimizer = try Optimizer<Double>(layout, rule: rule)
        var parameters = start
        for _ in 0..<2 {
          let gradients: [Double] = random.numbers(12)
          var span = parameters.mutableSpan
          try optimizer.step(&span, gradients: gradients.span)
          reference.step(gradients)
          for (found, expected) in zip(parameters, reference.parameters) {
            XCTAssertEqual(found, expected, accuracy: 1e-11, "\(convention), nesterov \(nesterov)")
          }
        }
      }
    }
  }

  /// The same bits for any number of threads, and whatever other tensors there are.
  func testBitsDependOnNothingElse() throws {
    let shapes = [[70, 130], [3], [200, 65], [2, 2], [64, 64], [1, 9]]
    var random = SeededGenerator(seed: 93)
    let start: [[Float]] = shapes.map { random.numbers($0.reduce(1, *)) }
    let gradients: [[Float]] = shapes.map { random.numbers($0.reduce(1, *)) }
    func run(_ tensors: [Int], threads: Int, steps: Int = 2) throws -> [[Float]] {
      let layout = try ParameterLayout(tensors.map { ("tensor \($0)", shapes[$0]) })
      let groups = [ParameterGroup("rest", ["tensor 1"], rule: try AdamW(learningRate: 0.1), mayBeEmpty: true)]
      var optimizer = try Optimizer<Float>(layout, rule: Muon(learningRate: 0.1), groups: groups, threads: threads)
      let memory = tensors.map { GuardedMemory(start[$0], shift: threads) }
      let read = tensors.map { GuardedMemory(gradients[$0]) }
      for _ in 0..<steps {
        try optimizer.step(parameters: memory.map(\.buffer), gradients: read.map(\.readOnlyBuffer))
      }
      return memory.map(\.elements)
    }
    let expected = try run([0, 1, 2, 3, 4, 5], threads: 1)
    for threads in [2, 3] {
      for (found, expected) in zip(try run([0, 1, 2, 3, 4, 5], threads: threads), expected) {
        assertSameBits(expected, found, "\(threads) threads")
      }
    }
    for order in [[5, 4, 3, 2, 1, 0], [2, 0], [4]] {
      for (found, tensor) in zip(try run(order, threads: 2), order) {
        assertSameBits(expected[tensor], found, "tensor \(tensor) of \(order)")
      }
    }
  }

  /// Matrices that do not fit beside each other: one wave after the other, also where one has no gradient.
  func testWaves() throws {
    let shapes = [[1024, 1025], [300, 500], [1025, 1024]]
    var random = SeededGenerator(seed: 95)
    let gradients: [[Float]] = shapes.map { random.numbers($0[0] * $0[1]) }
    func run(_ tensors: [Int], skipping: Int? = nil) throws -> [[Float]] {
      let layout = try ParameterLayout(tensors.map { ("tensor \($0)", shapes[$0]) })
      var optimizer = try Optimizer<Float>(layout, rule: Muon(learningRate: 1, method: .jordan(steps: 1)), threads: 2)
      let memory = tensors.map { GuardedMemory([Float](repeating: 0, count: gradients[$0].count)) }
      let read = tensors.map { GuardedMemory(gradients[$0]) }
      try optimizer.step(
        parameters: memory.map(\.buffer),
        gradients: zip(tensors, read).map { $0 == skipping ? nil : $1.readOnlyBuffer })
      XCTAssertEqual(optimizer.lastPrograms.last?.traffic, MemoryTraffic(reads: 4, writes: 3))
      return memory.map(\.elements)
    }
    let whole = try run([0, 1, 2])
    for tensor in 0..<3 { assertSameBits(try run([tensor])[0], whole[tensor], "tensor \(tensor)") }
    let without = try run([0, 1, 2], skipping: 0)
    XCTAssertTrue(without[0].allSatisfy { $0 == 0 })
    for tensor in 1...2 { assertSameBits(whole[tensor], without[tensor], "tensor \(tensor) without the first") }
  }

  /// The matrix is made of the velocity before it is rounded: a first step is the same for both kinds of storage.
  func testAVelocityOfBFloat16IsRoundedAfterTheMatrixIsMade() throws {
    let layout = try ParameterLayout([("w", [5, 8])])
    var random = SeededGenerator(seed: 77)
    let gradient: [Float] = random.numbers(40)
    let start: [Float] = random.numbers(40)
    for (nesterov, convention) in [(false, Convention.native), (true, .native), (false, .pytorch), (true, .optax)] {
      let rule = try Muon(learningRate: 0.5, momentum: 0.75, nesterov: nesterov, convention: convention)
      func step(_ type: ElementType?) throws -> (parameters: [Float], velocity: [Float]) {
        var optimizer = try Optimizer<Float>(layout, rule: rule, velocityType: type)
        var parameters = start
        try parameters.withUnsafeMutableBufferPointer { parameters in
          _ = try gradient.withUnsafeBufferPointer { try optimizer.step(parameters: parameters, gradients: $0) }
        }
        return (parameters, optimizer.withUnsafeVelocity(ofTensor: 0) { Array($0) })
      }
      let (exact, half) = (try step(nil), try step(.bfloat16))
      XCTAssertNotEqual(exact.velocity, half.velocity)
      XCTAssertEqual(exact.parameters, half.parameters, "\(convention), Nesterov \(nesterov)")
    }
  }

  /// A matrix of any scale: powers of two change no bit of the native update.
  func testScaleInvariance() throws {
    var random = SeededGenerator(seed: 94)
    let gradient: [Float] = random.numbers(35)
    var results: [[Float]] = []
    for exponent in [0, -80, 100] {
      var optimizer = try Optimizer<Float>(ParameterLayout([("w", [5, 7])]), rule: Muon(learningRate: 1))
      let memory = GuardedMemory([Float](repeating: 0, count: 35))
      let scaled = GuardedMemory(gradient.map { $0 * Float(sign: .plus, exponent: exponent, significand: 1) })
      for _ in 0..<2 { try optimizer.step(parameters: memory.buffer, gradients: scaled.readOnlyBuffer) }
      results.append(memory.elements)
    }
    assertSameBits(results[0], results[1])
    assertSameBits(results[0], results[2])
    XCTAssertGreaterThan(results[0].map(\.magnitude).max()!, 0.1)
  }

  func testZerosNaNAndTensorsWithoutAGradient() throws {
    let layout = try ParameterLayout([("a", [2, 3]), ("b", [2, 3]), ("c", [2, 3])])
    var optimizer = try Optimizer<Float>(layout, rule: Muon(learningRate: 1), nonFinitePolicy: .propagate)
    let memory = (0..<3).map { _ in GuardedMemory([Float](repeating: 1, count: 6)) }
    let (zeros, broken) = (
      GuardedMemory([Float](repeating: 0, count: 6)), GuardedMemory([1, 2, .nan, 3, 4, 5] as [Float])
    )
    try optimizer.step(parameters: memory.map(\.buffer), gradients: [zeros.readOnlyBuffer, nil, broken.readOnlyBuffer])
    XCTAssertEqual(memory[0].elements, [1, 1, 1, 1, 1, 1])
    XCTAssertEqual(memory[1].elements, [1, 1, 1, 1, 1, 1])
    XCTAssertTrue(memory[2].elements.allSatisfy(\.isNaN))
    XCTAssertFalse(optimizer.hasVelocity(ofTensor: 1))
  }

  func testWhatIsRefused() throws {
    let layout = try ParameterLayout([("w", [2, 3]), ("bias", [3])])
    func refuse(_ text: String, _ body: () throws(MomentumError) -> Int) { expect(text) { try body() } }
    refuse("view of tensor 'bias' is firstAxis of the shape [3]; expected a tensor of at least 2 axes") {
      () throws(MomentumError) in
      let optimizer = try Optimizer<Float>(layout, rule: Muon(learningRate: 1))
      return optimizer.stepCount
    }
    refuse("mode is onePass; expected twoPass with a rule that transforms whole tensors") { () throws(MomentumError) in
      let optimizer = try Optimizer<Float>(
        ParameterLayout([("w", [2, 3])]), rule: Muon(learningRate: 1), nonFinitePolicy: .propagate, mode: .onePass)
      return optimizer.stepCount
    }
    expect("momentum is -1.0; expected a finite number >= 0") { try Muon(learningRate: 1, momentum: -1) }
    expect("momentum is 1.0; expected below 1 under the optax convention") {
      try Muon(learningRate: 1, momentum: 1, convention: .optax)
    }
    expect("view is row blocks [1, 2]; expected blocks of as many rows each, or the scale none") {
      try Muon(learningRate: 1, view: .rowBlocks([1, 2], of: .firstAxis))
    }
    // A rule that is set later is checked by the next step, before anything is written.
    var optimizer = try Optimizer<Float>(layout, rule: SGD(learningRate: 1))
    optimizer.rule = try Muon(learningRate: 1)
    var parameters = try ParameterVector<Float>(layout)
    var gradients = try ParameterVector<Float>(layout)
    gradients.fill(1)
    expect("view of tensor 'bias' is firstAxis of the shape [3]; expected a tensor of at least 2 axes") {
      try optimizer.step(&parameters, gradients: gradients)
    }
    XCTAssertEqual(parameters[0], 0)
  }

  /// In a program without that library. This one has it, and another test may have called it.
  func testPolarFactorsNeedTheLibraryThatHasThem() throws {
    let run = try CommandRun(["polar"], of: "MomentumTestHost")
    let text =
      "method is polar; expected a program that uses MomentumLAPACK and has called LAPACK.supplyPolarFactors(), or "
      + "another method\n"
    XCTAssertEqual(run.output, text + text)
    XCTAssertEqual(run.status, 0)
  }

  /// Operations around a transform that other passes could not run.
  func testProgramsThatAreRefused() throws {
    struct Foreign: UpdateRule {
      var convention: Convention { .native }
      var usesVelocity: Bool { false }
      var transform: MatrixTransform?
      var operations: [StepOperation]
      func validate() throws(MomentumError) {}
      func compile(_ tensor: TensorState, into program: inout StepProgram) -> Double {
        for operation in operations { program.append(operation) }
        return tensor.velocityScale
      }
    }
    let (one, method) = (ScaledDouble(1), MatrixTransform(.jordan()))
    for (transform, operations, position, words) in [
      (nil, [.transform], 0, "uses the update; expected transform to be set"),
      (nil, [.copy(from: .gradient, into: .update)], 0, "uses the update; expected transform to be set"),
      (method, [.transform, .transform], 1, "transforms the update for a second time; expected one transform"),
      (
        method, [.transform, .axpy(factor: one, from: .gradient, into: .parameters)], 1,
        "reads the gradient or the copy behind the transform; expected it to read them before"
      ),
      (
        method, [.copy(from: .update, into: .copy), .transform, .axpy(factor: one, from: .copy, into: .parameters)], 2,
        "reads the gradient or the copy behind the transform; expected it to read them before"
      ),
    ] as [(MatrixTransform?, [StepOperation], Int, String)] {
      let layout = try ParameterLayout([("w", [2, 2])])
      var optimizer = try Optimizer<Float>(layout, rule: Foreign(transform: transform, operations: operations))
      var parameters = try ParameterVector<Float>(layout)
      var gradients = try ParameterVector<Float>(layout)
      gradients.fill(1)
      expect("operation \(position) of the update rule's program of tensor 'w' \(words)") {
        try optimizer.step(&parameters, gradients: gradients)
      }
    }
  }

  func testDefaults() throws {
    for (convention, decay, epsilon, scale) in [
      (Convention.native, 0.0, 0.0, Muon.Scale.fanRatio), (.pytorch, 0.1, 1e-7, .fanRatio),
      (.keras, 0.004, 1e-7, .matchingRMS(0.2)), (.optax, 0, 1e-8, .fanRatio), (.mlx, 0.01, 1e-7, .fanRatio),
    ] {
      let rule = try Muon(learningRate: 1, convention: convention)
      XCTAssertEqual(rule.weightDecay, decay)
      guard case .newtonSchulz(let method) = rule.method else { return XCTFail("\(convention)") }
      XCTAssertEqual(method.epsilon, epsilon)
      XCTAssertEqual(method.epsilonUse, convention == .pytorch ? .least : .added)
      XCTAssertEqual(rule.scale, scale)
      XCTAssertEqual(method.steps.count, 5)
    }
  }
}
