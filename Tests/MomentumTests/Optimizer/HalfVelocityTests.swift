import Foundation
import MomentumTestSupport
import XCTest

@testable import Momentum

/// Velocities `s·u` with u in `BFloat16`.
final class HalfVelocityTests: XCTestCase {
  private static let tensors: [(String, [Int])] = [
    ("a", [50, 50]), ("b", []), ("c", [0, 2]), ("d", [64, 64]), ("e", [7, 9]), ("f", [700]),
  ]

  private struct Settings {
    var rule: any UpdateRule
    var clipping = GradientClipping.none
    var averaging: WeightAveraging?

    /// With the algorithm that gradients in half precision are always summed by.
    func optimizer(
      _ type: ElementType, order: [Int] = Array(0..<6), threads: Int? = nil
    ) throws -> Optimizer<Float> {
      var clipping = clipping
      clipping.algorithm = .portable
      return try Optimizer(
        ParameterLayout(order.map { HalfVelocityTests.tensors[$0] }), rule: rule, clipping: clipping,
        averaging: averaging, velocityType: type, threads: threads)
    }
  }

  private func settings() throws -> [Settings] {
    let momentum = try SGD(learningRate: 0.1, momentum: 0.9, weightDecay: 0.01)
    return try [
      Settings(rule: momentum, clipping: .byGlobalNorm(3)),
      Settings(
        rule: SGD(learningRate: 0.1, momentum: 0.9, nesterov: true),
        clipping: GradientClipping(value: -0.5...0.25, tensor: .norm(4)), averaging: .exponential(decay: 0.9)),
      Settings(rule: LARS(learningRate: 0.1, momentum: 0.9, weightDecay: 0.01)),
      Settings(rule: AdaptiveGradientClipping(momentum, factor: 0.01)),
      Settings(rule: SGD(learningRate: 0.1, momentum: 0.9, convention: .keras)),
      Settings(rule: SGD(learningRate: 0.1)),
    ]
  }

  /// Each step is one of a velocity of `Float`s, which is then rounded. A scale is below 2⁻¹² after 79 steps: until then
  /// no direction is multiplied.
  func testEachStepRoundsTheVelocityOnce() throws {
    for settings in try settings() {
      for threads in [1, 5] {
        let what = "\(settings), \(threads) threads"
        var plain = try settings.optimizer(.float32)
        var rounding = try settings.optimizer(.bfloat16, threads: threads)
        let count = plain.layout.count
        var random = SeededGenerator(seed: 191)
        var expected = try ParameterVector<Float>(random.numbers(count))
        var found = try expected.clone()
        try ThreadTeam.$worthwhileCount.withValue(1) {
          for step in 0..<6 {
            let gradients = try ParameterVector<Float>(random.numbers(count))
            let report = try plain.step(&expected, gradients: gradients)
            try plain.roundVelocity()
            XCTAssertEqual(try rounding.step(&found, gradients: gradients), report, what)
            assertSameBits((0..<count).map { expected[$0] }, (0..<count).map { found[$0] }, "step \(step), \(what)")
          }
        }
        XCTAssertEqual(plain.state(), rounding.state(), what)
      }
    }
  }

  /// Parameters and gradients that are stored otherwise, in vectors and lists, one tensor after the other.
  func testAllFormsOfParametersAndGradients() throws {
    let settings = try settings()[0]
    var random = SeededGenerator(seed: 192)
    let order = [3, 5, 0, 2, 4, 1]
    var plain = try settings.optimizer(.bfloat16)
    var copying = try settings.optimizer(.bfloat16, threads: 3)
    var splitting = try settings.optimizer(.bfloat16, threads: 2)
    var listing = try settings.optimizer(.bfloat16, order: order)
    var accumulating = try settings.optimizer(.bfloat16)
    let layout = plain.layout
    let count = layout.count
    let start = try ParameterVector<Float>(random.numbers(count))
    var expected = try start.clone()
    var master = try start.clone()
    var summed = try start.clone()
    var copy = try ParameterVector<BFloat16>(layout)
    var split = try SplitParameters(start)
    var listed = (0..<count).map { start[$0] }
    var sum = try GradientAccumulator<Float>(layout, algorithm: .portable)
    for step in 0..<5 {
      let halves: [BFloat16] = random.halves(count)
      let half = try ParameterVector(halves)
      let wide = try ParameterVector(halves.map(\.float))
      let report = try plain.step(&expected, gradients: wide)
      XCTAssertEqual(try copying.step(&master, copy: &copy, gradients: half), report)
      XCTAssertEqual(try splitting.step(&split, gradients: half), report)
      try sum.add(wide)
      XCTAssertEqual(try accumulating.step(&summed, gradients: &sum), report)
      try listed.withUnsafeMutableBufferPointer { listed in
        try halves.withUnsafeBufferPointer { halves in
          _ = try listing.step(
            parameters: order.map { ParameterBuffer(.init(rebasing: listed[layout.tensors[$0].range])) },
            gradients: order.map { TensorBuffer(UnsafeBufferPointer(rebasing: halves[layout.tensors[$0].range])) })
        }
      }
      let elements = (0..<count).map { expected[$0] }
      assertSameBits(elements, (0..<count).map { master[$0] }, "master, step \(step)")
      assertSameBits(elements, (0..<count).map { split[$0] }, "split, step \(step)")
      assertSameBits(elements, (0..<count).map { summed[$0] }, "accumulated, step \(step)")
      assertSameBits(elements, listed, "list, step \(step)")
      XCTAssertEqual(copy.bits, elements.map { HalfOracle.bits($0, .bfloat16) })
    }
    XCTAssertEqual(plain.state(), copying.state())
    XCTAssertEqual(plain.state(), splitting.state())
    XCTAssertEqual(plain.state(), try listing.state().migrated(to: layout).state)

    // Everything in half precision: the step of Floats, and both rounded once.
    var all = try settings.optimizer(.bfloat16)
    var reference = try settings.optimizer(.float32)
    var rounded = try ParameterVector<BFloat16>(rounding: start)
    for _ in 0..<3 {
      var wide = try ParameterVector<Float>(widening: rounded)
      let gradients: [BFloat16] = random.halves(count)
      try reference.step(&wide, gradients: ParameterVector(gradients.map(\.float)))
      try reference.roundVelocity()
      try all.step(&rounded, rounding: .nearest, gradients: ParameterVector(gradients))
      XCTAssertEqual(rounded.bits, try ParameterVector<BFloat16>(rounding: wide).bits)
    }
    XCTAssertEqual(reference.state(), all.state())
  }

  // MARK: - One pass, and memory of the caller's

  /// While nothing is clipped a step in one pass is the same step; a correction rounds the velocity once more, and
  /// parameters are not computed from what it was rounded to.
  func testInOnePass() throws {
    for (limit, isClipped) in [(1e3, false), (20, true)] {
      var random = SeededGenerator(seed: 195)
      let layout = try ParameterLayout(Self.tensors)
      func optimizer(_ mode: StepMode) throws -> Optimizer<Float> {
        try Optimizer<Float>(
          layout, rule: SGD(learningRate: 0.1, momentum: 0.9), clipping: .byGlobalNorm(limit),
          nonFinitePolicy: .propagate, mode: mode, velocityType: .bfloat16)
      }
      var twice = try optimizer(.twoPass)
      var once = try optimizer(.onePass)
      twice.clipping.algorithm = .portable
      once.clipping.algorithm = .portable
      var expected = try ParameterVector<Float>(random.numbers(layout.count))
      var found = try expected.clone()
      var factor: Float = 1
      for step in 0..<(isClipped ? 1 : 4) {
        let gradients = try ParameterVector<Float>(random.numbers(layout.count))
        let report = try twice.step(&expected, gradients: gradients)
        XCTAssertEqual(report.wasClipped, isClipped)
        factor = Float(report.clipCoefficient)
        XCTAssertEqual(try once.step(&found, gradients: gradients), report, "step \(step)")
      }
      guard isClipped else {
        assertSameBits((0..<layout.count).map { expected[$0] }, (0..<layout.count).map { found[$0] })
        XCTAssertEqual(twice.state(), once.state())
        continue
      }
      for index in 0..<layout.count { XCTAssertEqual(expected[index], found[index], accuracy: 2e-6) }
      for (x, y) in zip(twice.state().direction, once.state().direction) {
        // What the gradient was before it was clipped decides the first of the two roundings.
        XCTAssertEqual(x, y, accuracy: 0x1p-6 * max(x.magnitude, y.magnitude) / factor + 0x1p-120)
      }
    }
  }

  func testInMemoryOfTheCallers() throws {
    let settings = try settings()[0]
    var random = SeededGenerator(seed: 196)
    var own = try settings.optimizer(.bfloat16)
    var placed = try settings.optimizer(.bfloat16, threads: 2)
    let (layout, count) = (own.layout, own.layout.count)
    let memory = UnsafeMutableBufferPointer<BFloat16>.allocate(capacity: 4 * count)
    defer { memory.deallocate() }
    memory.initialize(repeating: 9)
    let parts = (0..<4).map { UnsafeMutableBufferPointer(rebasing: memory[$0 * count..<($0 + 1) * count]) }
    let velocity = parts[1]
    try placed.placeVelocity(in: parts[0])
    XCTAssertEqual(Set(parts[0]), [0], "no velocity yet")
    var expected = try ParameterVector<Float>(random.numbers(count))
    var found = try expected.clone()
    for step in 0..<4 {
      let gradients = try ParameterVector<BFloat16>(random.halves(count))
      XCTAssertEqual(try own.step(&expected, gradients: gradients), try placed.step(&found, gradients: gradients))
      if step == 1 { try placed.placeVelocity(in: velocity) }
    }
    assertSameBits((0..<count).map { expected[$0] }, (0..<count).map { found[$0] })
    XCTAssertEqual(own.state(), placed.state())
    assertSameBits(own.state().direction, velocity.map(\.float))
    try placed.restore(OptimizerState(layout))
    XCTAssertEqual(Set(velocity), [0])
    try placed.restore(own.state())
    assertSameBits(own.state().direction, velocity.map(\.float))

    // No operand of a step may lie in it.
    let parameters = GuardedMemory<Float>(random.numbers(count))
    let (halves, copies) = (parts[2], parts[3])
    func refuse(_ name: String, line: UInt = #line, _ body: () throws -> Void) {
      XCTAssertThrowsError(try body(), line: line) {
        XCTAssertEqual($0 as? MomentumError, .overlap(first: "velocity", second: name), line: line)
      }
    }
    refuse("gradients") {
      _ = try placed.step(parameters: parameters.buffer, gradients: UnsafeBufferPointer(velocity))
    }
    refuse("copy") {
      _ = try placed.step(
        parameters: parameters.buffer, copy: velocity, gradients: UnsafeBufferPointer(halves))
    }
    refuse("gradients") {
      _ = try placed.step(
        parameters: parameters.buffer, copy: copies, gradients: UnsafeBufferPointer(velocity))
    }
    refuse("parameters") {
      _ = try placed.step(
        parameters: velocity, rounding: .nearest, gradients: UnsafeBufferPointer(halves))
    }
    refuse("gradients") {
      _ = try placed.step(
        parameters: halves, rounding: .nearest, gradients: UnsafeBufferPointer(velocity))
    }
    XCTAssertTrue(copies.allSatisfy { $0 == 9 })
  }

  // MARK: - Accuracy

  private func velocity(
    momentum: Double, steps: Int, count: Int = 3, gradient: (Int) -> Float
  ) throws -> (elements: [Double], state: OptimizerState<Float>) {
    let layout = try ParameterLayout(count: count)
    var optimizer = try Optimizer<Float>(
      layout, rule: SGD(learningRate: 1e-3, momentum: momentum), velocityType: .bfloat16)
    var parameters = try ParameterVector<Float>(layout)
    var gradients = try ParameterVector<Float>(layout)
    for step in 0..<steps {
      gradients.fill(gradient(step))
      try optimizer.step(&parameters, gradients: gradients)
    }
    return (optimizer.withUnsafeVelocity(ofTensor: 0) { $0.map(Double.init) }, optimizer.state())
  }

  /// With the velocities that other libraries keep in BFloat16 it is 64 to 75, and rounded to nearest 97.2.
  func testAConstantGradientReachesItsVelocity() throws {
    let velocity = try velocity(momentum: 0.99, steps: 1000, count: 512) { _ in 1 }.elements
    XCTAssertEqual(velocity.reduce(0, +) / 512, 100, accuracy: 0.1)
    XCTAssertGreaterThan(velocity.count { $0 >= 99 }, 480)
    XCTAssertTrue(velocity.prefix(3).allSatisfy { $0 >= 99 })
    for element in velocity { XCTAssertEqual(element, 100, accuracy: 2) }
  }

  /// What the article says: of all elements together, and of each.
  func testTheMeanOverTheStepsIsRight() throws {
    for (momentum, spread) in [(0.9, 0.015), (0.99, 0.02), (0.995, 0.025), (0.999, 0.03)] {
      for (steps, gradient) in [(1500, 1), (1531, -0.37), (4000, 3.3)] as [(Int, Float)] {
        let velocity = try velocity(momentum: momentum, steps: steps, count: 512) { _ in gradient }.elements
        let exact = Double(gradient) * (1 - pow(momentum, Double(steps))) / (1 - momentum)
        let what = "\(momentum), \(gradient), \(steps) steps"
        XCTAssertEqual(velocity.reduce(0, +) / 512 / exact, 1, accuracy: 1.5e-3, what)
        for element in velocity where (element / exact - 1).magnitude > spread { XCTFail("\(what): \(element)") }
      }
    }
  }

  /// Where it would stay at 1 for ever as a plain number of BFloat16.
  func testWithoutAGradientAVelocityDecaysExactly() throws {
    for steps in [500, 20_000] {
      let (velocity, state) = try velocity(momentum: 0.999, steps: steps + 1) { $0 == 0 ? 1 : 0 }
      let expected = pow(0.999, Double(steps))
      XCTAssertEqual(velocity[0] / expected, 1, accuracy: 0x1p-24 + Double(steps) * 0x1p-52)
      // All of it in the scale: u is a power of two, as the first gradient was.
      XCTAssertEqual(state.direction[0].significand, 1)
    }
  }

  func testScalesStayInTheirRange() throws {
    for momentum in [1e-9, 0.01, 0.5, 0.9999, 1, 1.5] {
      var optimizer = try Optimizer<Float>(
        ParameterLayout(count: 1), rule: SGD(learningRate: 1e-3, momentum: momentum), velocityType: .bfloat16)
      var parameters = try ParameterVector<Float>([0])
      var gradient = try ParameterVector<Float>([1])
      var expected = 1.0
      for step in 0..<60 {
        try optimizer.step(&parameters, gradients: gradient)
        if step == 0 { gradient[0] = 0 } else { expected *= momentum }
        let scale = optimizer.state().velocities[0].scale
        XCTAssertTrue((1...4096).contains(scale), "\(momentum): \(scale)")
        guard expected > 0x1p-120 else { break }
        let velocity = optimizer.withUnsafeVelocity(ofTensor: 0) { Double($0[0]) }
        XCTAssertEqual(velocity / expected, 1, accuracy: 1e-6, "\(momentum), step \(step)")
      }
    }
  }

  // MARK: - State

  func testAResumedRunGoesOnBitForBit() throws {
    for settings in try settings().dropLast() {
      var random = SeededGenerator(seed: 193)
      var whole = try settings.optimizer(.bfloat16)
      let count = whole.layout.count
      var expected = try ParameterVector<Float>(random.numbers(count))
      let gradients = (0..<6).map { _ in random.numbers(count, as: Float.self) }
      for gradient in gradients[..<3] { try whole.step(&expected, gradients: ParameterVector(gradient)) }
      let saved = try JSONDecoder().decode(
        OptimizerState<Float>.self, from: JSONEncoder().encode(whole.state()))
      var resumed = try settings.optimizer(.bfloat16, threads: 2)
      try resumed.restore(saved)
      var found = try expected.clone()
      for gradient in gradients[3...] {
        try whole.step(&expected, gradients: ParameterVector(gradient))
        try resumed.step(&found, gradients: ParameterVector(gradient))
      }
      assertSameBits((0..<count).map { expected[$0] }, (0..<count).map { found[$0] })
      XCTAssertEqual(whole.state(), resumed.state())
    }
  }

  /// A state of Floats is rounded once, and one of BFloat16 is exact as Floats.
  func testStatesOfTheOtherType() throws {
    let settings = try settings()[0]
    var random = SeededGenerator(seed: 194)
    var plain = try settings.optimizer(.float32)
    var rounding = try settings.optimizer(.bfloat16)
    let count = plain.layout.count
    var parameters = try ParameterVector<Float>(random.numbers(count))
    for _ in 0..<2 { try plain.step(&parameters, gradients: ParameterVector(random.numbers(count))) }
    try rounding.restore(plain.state())
    XCTAssertEqual(rounding.state().direction, plain.state().direction.map { BFloat16($0).float })
    XCTAssertEqual(rounding.state().velocities, plain.state().velocities)
    try plain.restore(rounding.state())
    XCTAssertEqual(plain.state(), rounding.state())

    var state = plain.state()
    state.velocities[3].scale = 1
    state.direction[3000] = .greatestFiniteMagnitude
    XCTAssertNoThrow(try plain.restore(state))
    let before = rounding.state()
    XCTAssertThrowsError(try rounding.restore(state)) {
      let place = plain.layout.tensors[3].offset
      XCTAssertEqual(
        $0 as? MomentumError,
        .nonFiniteState(
          what: "velocity", tensor: "d", index: 3000 - place, value: Double(Float.greatestFiniteMagnitude)))
    }
    XCTAssertEqual(rounding.state(), before)
    // A state without a velocity.
    try rounding.restore(OptimizerState(rounding.layout))
    XCTAssertEqual(rounding.state().direction, [])
  }

  func testVelocitiesAreSetFoldedAndConverted() throws {
    let layout = try ParameterLayout([("w", [3])])
    var optimizer = try Optimizer<Float>(
      layout, rule: SGD(learningRate: 0.3, momentum: 0.9), velocityType: .bfloat16)
    try [Float(1), -2.5, 1.00390625].withUnsafeBufferPointer { try optimizer.setVelocity(ofTensor: 0, $0) }
    func velocity() -> [Float] { optimizer.withUnsafeVelocity(ofTensor: 0) { Array($0) } }
    XCTAssertEqual(velocity(), [1, -2.5, 1], "rounded to even")
    // The scale takes in the learning rate, the direction the sign.
    try optimizer.convertVelocity(toKeepLearningRate: true, learningRate: 0.3)
    XCTAssertEqual(velocity(), [-0.3, 0.75, -0.3])
    XCTAssertEqual(Set(optimizer.state().direction.map(\.significand)), [1, 1.25])
    try optimizer.convertVelocity(toKeepLearningRate: false, learningRate: 0.3)
    XCTAssertEqual(velocity(), [1, -2.5, 1])
    try optimizer.convertVelocity(toKeepLearningRate: true, learningRate: 0.3)
    optimizer.foldVelocity()
    XCTAssertEqual(optimizer.state().velocities[0].scale, 1)
    XCTAssertEqual(velocity(), [-0.3, 0.75, -0.3].map { BFloat16($0).float })
    optimizer.resetVelocity()
    XCTAssertEqual(velocity(), [0, 0, 0])
    XCTAssertFalse(optimizer.hasVelocity(ofTensor: 0))
    try [Float(3e38), 0, .greatestFiniteMagnitude].withUnsafeBufferPointer { values in
      XCTAssertThrowsError(try optimizer.setVelocity(ofTensor: 0, values))
    }
    XCTAssertEqual(velocity(), [0, 0, 0])
  }

  func testOverflowIsCounted() throws {
    let layout = try ParameterLayout(count: 2)
    var optimizer = try Optimizer<Float>(
      layout, rule: SGD(learningRate: 0, momentum: 1.5), velocityType: .bfloat16)
    try [Float(0x1.8p127), 1].withUnsafeBufferPointer { try optimizer.setVelocity(ofTensor: 0, $0) }
    var parameters = try ParameterVector<Float>(layout)
    let gradients = try ParameterVector<Float>([1.5 * 0x1.fep125, 0])
    // The momentum is in the scale, so u is 0x1.8p127 + 0x1.fep125: a Float, but above the largest BFloat16.
    XCTAssertEqual(try optimizer.step(&parameters, gradients: gradients).overflowedElements, 1)
  }

  // MARK: - Settings

  func testRefusals() throws {
    let layout = try ParameterLayout(count: 2)
    let rule = try SGD(learningRate: 1, momentum: 0.9)
    func expect(_ text: String, line: UInt = #line, _ body: () throws -> Void) {
      XCTAssertThrowsError(try body(), line: line) { XCTAssertEqual("\($0)", text, line: line) }
    }
    expect("velocityType is float16; expected float32 or bfloat16") {
      _ = try Optimizer<Float>(layout, rule: rule, velocityType: .float16)
    }
    expect("velocityType is float64; expected float32 or bfloat16") {
      _ = try Optimizer<Float>(layout, rule: rule, velocityType: .float64)
    }
    expect("velocityType is bfloat16; expected float64, as the parameters are") {
      _ = try Optimizer<Double>(layout, rule: rule, velocityType: .bfloat16)
    }
    let memory = UnsafeMutableBufferPointer<Float>.allocate(capacity: 2)
    defer { memory.deallocate() }
    let halves = UnsafeMutableBufferPointer<BFloat16>.allocate(capacity: 2)
    defer { halves.deallocate() }
    expect("velocityType is bfloat16; expected float32 for a velocity in memory of that type") {
      var optimizer = try Optimizer<Float>(layout, rule: rule, velocityType: .bfloat16)
      try optimizer.placeVelocity(in: memory)
    }
    expect("velocityType is float32; expected bfloat16 for a velocity in memory of that type") {
      var optimizer = try Optimizer<Float>(layout, rule: rule)
      try optimizer.placeVelocity(in: halves)
    }
    _ = try Optimizer<Double>(layout, rule: rule, velocityType: .float64)
    XCTAssertEqual(try Optimizer<Double>(layout, rule: rule).velocityType, .float64)
  }

  func testConfiguration() throws {
    func configuration(_ type: String) throws -> OptimizerConfiguration {
      let text = #"{"rule": {"learningRate": 0.5, "momentum": 0.9}, "velocityType": "\#(type)"}"#
      return try JSONDecoder().decode(OptimizerConfiguration.self, from: Data(text.utf8))
    }
    let half = try configuration("bfloat16")
    let optimizer: Optimizer<Float> = try half.makeOptimizer(ParameterLayout(count: 2))
    XCTAssertEqual(optimizer.velocityType, .bfloat16)
    XCTAssertTrue(optimizer.description.contains("\nvelocity: bfloat16"), optimizer.description)
    let again = try JSONDecoder().decode(OptimizerConfiguration.self, from: JSONEncoder().encode(half))
    XCTAssertEqual(again.velocityType, .bfloat16)
    XCTAssertThrowsError(try configuration("float16")) {
      XCTAssertTrue("\($0)".contains("velocityType is float16; expected float32, float64 or bfloat16"), "\($0)")
    }
    XCTAssertThrowsError(try configuration("half"))
    XCTAssertThrowsError(try { _ = try half.makeOptimizer(ParameterLayout(count: 2)) as Optimizer<Double> }())
    let plain = try OptimizerConfiguration(rule: RuleConfiguration(learningRate: .constant(0.5)))
    XCTAssertFalse(String(decoding: try JSONEncoder().encode(plain), as: UTF8.self).contains("velocityType"))
    XCTAssertFalse(
      try (plain.makeOptimizer(ParameterLayout(count: 2)) as Optimizer<Float>).description.contains("velocity:"))
  }
}

extension Optimizer where Scalar == Float {
  /// What a velocity of `BFloat16` is after each step.
  fileprivate mutating func roundVelocity() throws {
    var state = state()
    guard !state.direction.isEmpty else { return }
    for tensor in layout.tensors {
      for index in 0..<tensor.count {
        let element = state.direction[tensor.offset + index]
        state.direction[tensor.offset + index] = HalfOracle.dithered(element, step: state.stepCount, index: index)
      }
    }
    try restore(state)
  }
}
