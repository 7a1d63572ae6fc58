import Foundation
import MomentumTestSupport
import XCTest

@testable import Momentum

/// Steps with velocities `s·u` with u in `BFloat16`.
final class HalfVelocityTests: XCTestCase {
  /// Each step is one of a velocity of `Float`s, which is then rounded. A scale is below 2⁻¹² after 79 steps: until then
  /// no direction is multiplied.
  func testEachStepRoundsTheVelocityOnce() throws {
    for settings in try HalfVelocitySetup.all() {
      for threads in [1, 5] {
        let what = "\(settings), \(threads) threads"
        var plain = try settings.optimizer(.float32)
        var rounding = try settings.optimizer(.bfloat16, threads: threads)
        let count = plain.layout.count
        var random = SeededGenerator(seed: 191)
        var expected = try ParameterVector<Float>(random.numbers(count))
        var found = try expected.clone()
        try ThreadTeam.withWorthwhileCount(1) {
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

  /// How the last step ran stays what it was, whatever else the optimizer does to its velocity.
  func testHowTheLastStepRanIsKept() throws {
    for kernels in StepKernels.allCases {
      var optimizer = try Optimizer<Float>(
        ParameterLayout(count: 5000), rule: SGD(learningRate: 0.1, momentum: 0.9), velocityType: .bfloat16, threads: 1)
      optimizer.kernels = kernels
      var parameters = try ParameterVector<Float>(optimizer.layout)
      let gradients = try ParameterVector([Float](repeating: 1, count: 5000))
      for _ in 0..<2 { try optimizer.step(&parameters, gradients: gradients) }
      let wasFused = optimizer.lastStepWasFused
      if kernels == .blas { XCTAssertFalse(wasFused) }
      if kernels == .fused { XCTAssertEqual(wasFused, StepKernels.vectors != nil && BLASTraits.axpyFuses) }
      optimizer.foldVelocity()
      XCTAssertEqual(optimizer.lastStepWasFused, wasFused, "\(kernels)")
      optimizer.threads = 7
      XCTAssertEqual(optimizer.lastStepWasFused, wasFused, "\(kernels)")
    }
  }

  /// Parameters and gradients that are stored otherwise, in vectors and lists, one tensor after the other.
  func testAllFormsOfParametersAndGradients() throws {
    let settings = try HalfVelocitySetup.all()[0]
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
      let layout = try ParameterLayout(HalfVelocitySetup.tensors)
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
    let settings = try HalfVelocitySetup.all()[0]
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
}
