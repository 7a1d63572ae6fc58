import MomentumTestSupport
import XCTest

@testable import Momentum

/// Steps of `Float`s with gradients in half precision: bit for bit those with the widened gradients.
final class HalfGradientTests: XCTestCase {
  func testStepsAreThoseOfWidenedGradientsBFloat16() throws { try stepsAreThoseOfWidenedGradients(BFloat16.self) }
  func testAccumulatedBFloat16() throws { try sumsAreThoseOfWidenedGradients(BFloat16.self) }
  #if !(os(macOS) && arch(x86_64))
    func testStepsAreThoseOfWidenedGradientsFloat16() throws { try stepsAreThoseOfWidenedGradients(Float16.self) }
    func testAccumulatedFloat16() throws { try sumsAreThoseOfWidenedGradients(Float16.self) }
  #endif

  private static let counts = [2500, 1, 0, 4096, 63, 700]
  private static var layout: ParameterLayout {
    get throws {
      try ParameterLayout([
        ("a", [50, 50]), ("b", []), ("c", [0, 2]), ("d", [64, 64]), ("e", [7, 9]), ("f", [700]),
      ])
    }
  }

  private struct Settings {
    var rule: any UpdateRule
    var groups: [ParameterGroup] = []
    var clipping = GradientClipping.none
    var policy: NonFinitePolicy?
    var mode = StepMode.twoPass
    var averaging: WeightAveraging?
    var lossScale = LossScale.none

    func optimizer(threads: Int? = nil) throws -> Optimizer<Float> {
      try Optimizer(
        HalfGradientTests.layout, rule: rule, groups: groups, clipping: clipping, nonFinitePolicy: policy, mode: mode,
        averaging: averaging, lossScale: lossScale, threads: threads)
    }
  }

  private func settings() throws -> [Settings] {
    let momentum = try SGD(learningRate: 0.1, momentum: 0.9, weightDecay: 0.01)
    func portable(_ clipping: GradientClipping) -> GradientClipping {
      var clipping = clipping
      clipping.algorithm = .portable
      return clipping
    }
    return try [
      Settings(rule: SGD(learningRate: 0.1), clipping: portable(.none)),
      Settings(rule: momentum, clipping: portable(.byGlobalNorm(3))),
      Settings(rule: momentum, clipping: portable(.byGlobalNorm(1e4))),
      Settings(rule: SGD(learningRate: 0.1, momentum: 0.9, nesterov: true), clipping: .byGlobalNorm(2, type: .l1)),
      Settings(
        rule: momentum, groups: [ParameterGroup("small", ["b", "e"], clipping: portable(.byGlobalNorm(0.5)))],
        clipping: portable(GradientClipping(value: -0.5...0.25, tensor: .norm(4), whole: .norm(2)))),
      Settings(
        rule: momentum, groups: [ParameterGroup("matrices", ["a", "d", "e"], clipping: .byNorm(0.5, of: .firstAxis))],
        averaging: .exponential(decay: 0.9)),
      Settings(rule: LARS(learningRate: 0.1, momentum: 0.9, weightDecay: 0.01), clipping: portable(.byGlobalNorm(3))),
      Settings(rule: AdaptiveGradientClipping(momentum, factor: 0.01), clipping: portable(.none)),
      Settings(rule: Lion(learningRate: 0.1, weightDecay: 0.1), clipping: portable(.byGlobalNorm(3))),
      Settings(
        rule: AdamW(learningRate: 0.1),
        groups: [ParameterGroup("matrices", ["a", "d", "e"], rule: Muon(learningRate: 0.1, weightDecay: 0.1))],
        clipping: portable(.byGlobalNorm(3))),
      Settings(rule: momentum, clipping: portable(.byGlobalNorm(3)), policy: .zero),
      Settings(rule: momentum, clipping: portable(.byGlobalNorm(3)), policy: .propagate, mode: .onePass),
      Settings(rule: momentum, clipping: portable(.byGlobalNorm(1e4)), policy: .propagate, mode: .onePass),
      Settings(rule: momentum, clipping: portable(.byGlobalNorm(3)), lossScale: .fixed(1024)),
    ]
  }

  private func stepsAreThoseOfWidenedGradients<Half: TestHalf>(_: Half.Type) throws {
    for settings in try settings() {
      for (isFlat, threads) in [(true, 1), (false, 1), (true, 5), (false, 3)] {
        let what = "\(Half.self), \(settings), flat: \(isFlat), \(threads) threads"
        var random = SeededGenerator(seed: 167)
        let start: [[Float]] = Self.counts.map { random.numbers($0) }
        var reference = try settings.optimizer(threads: threads)
        var optimizer = try settings.optimizer(threads: threads)
        var (expected, found) = (start, start)
        try ThreadTeam.withWorthwhileCount(1) {
          for step in 0..<5 {
            var gradients: [[Half]?] = Self.counts.map { random.halves($0) }
            if settings.policy == .zero { gradients[0]![1700] = Half(.nan) }
            // A step of Floats in between, and a tensor without a gradient.
            if !isFlat, step == 3 { gradients[4] = nil }
            let wide = gradients.map { $0?.map(\.float) }
            let wideReport = try take(&reference, &expected, wide, isFlat: isFlat)
            let report =
              step == 2
              ? try take(&optimizer, &found, wide, isFlat: isFlat)
              : try take(&optimizer, &found, gradients, isFlat: isFlat)
            // Units are clipped with the other algorithm only, which gives the norm of Floats other last bits.
            if !settings.groups.contains(where: { $0.clipping?.unitLimit != nil }) {
              XCTAssertEqual(report, wideReport, what)
              XCTAssertEqual(optimizer.tensorReports(), reference.tensorReports(), what)
            }
            assertSameBits(expected.flatMap { $0 }, found.flatMap { $0 }, "step \(step + 1), \(what)")
          }
        }
        let (state, other) = (optimizer.state(), reference.state())
        assertSameBits(other.direction, state.direction, what)
        assertSameBits(other.average, state.average, what)
        XCTAssertEqual(state.velocities, other.velocities, what)
      }
    }
  }

  private func take(
    _ optimizer: inout Optimizer<Float>, _ parameters: inout [[Float]], _ gradients: [[Float]?], isFlat: Bool
  ) throws -> StepReport {
    if isFlat {
      var flat = parameters.flatMap { $0 }
      let gradient = gradients.flatMap { $0! }
      defer { parameters = Self.split(flat) }
      var span = flat.mutableSpan
      return try optimizer.step(&span, gradients: gradient.span)
    }
    return try withBuffers(parameters) { buffers in
      try withBuffers(gradients) { gradients in
        let buffers = buffers.map { UnsafeMutableBufferPointer(mutating: $0!) }
        defer { parameters = buffers.map(Array.init) }
        return try optimizer.step(parameters: buffers, gradients: gradients)
      }
    }
  }

  private func take<Half: TestHalf>(
    _ optimizer: inout Optimizer<Float>, _ parameters: inout [[Float]], _ gradients: [[Half]?], isFlat: Bool
  ) throws -> StepReport {
    if isFlat {
      var flat = parameters.flatMap { $0 }
      let gradient = gradients.flatMap { $0! }
      defer { parameters = Self.split(flat) }
      var span = flat.mutableSpan
      return try optimizer.step(&span, gradients: gradient.span)
    }
    return try withBuffers(parameters) { buffers in
      try withBuffers(gradients) { gradients in
        let buffers = buffers.map { UnsafeMutableBufferPointer(mutating: $0!) }
        defer { parameters = buffers.map(Array.init) }
        return try optimizer.step(parameters: buffers, gradients: gradients)
      }
    }
  }

  private static func split(_ flat: [Float]) -> [[Float]] {
    var rest = flat[...]
    return counts.map { count in
      defer { rest = rest.dropFirst(count) }
      return Array(rest.prefix(count))
    }
  }

  private func sumsAreThoseOfWidenedGradients<Half: TestHalf>(_: Half.Type) throws {
    let layout = try Self.layout
    for weights in [[1, 1, 1], [1, 8, 3], [0x1p100, 1, 0x1p-40]] {
      for threads in [1, 4] {
        var random = SeededGenerator(seed: 168)
        let rule = try SGD(learningRate: 0.1, momentum: 0.9)
        var optimizer = try Optimizer<Float>(layout, rule: rule, clipping: .byGlobalNorm(2), threads: threads)
        var reference = try Optimizer<Float>(layout, rule: rule, clipping: .byGlobalNorm(2), threads: threads)
        let start: [Float] = random.numbers(layout.count)
        var parameters = try ParameterVector(start)
        var expected = try ParameterVector(start)
        var sums = try GradientAccumulator<Float>(layout, threads: threads)
        var wideSums = try GradientAccumulator<Float>(layout, threads: threads)
        try ThreadTeam.withWorthwhileCount(1) {
          for (index, weight) in weights.enumerated() {
            let gradients: [[Half]?] = Self.counts.enumerated().map { $0 == 4 && index == 0 ? nil : random.halves($1) }
            try withBuffers(gradients) { try sums.add($0, weight: weight) }
            try withBuffers(gradients.map { $0?.map(\.float) }) { try wideSums.add($0, weight: weight) }
          }
          // One of Floats among them.
          let last: [Float] = random.numbers(layout.count)
          try sums.add(last.span)
          try wideSums.add(last.span)
          let flat: [Half] = random.halves(layout.count)
          try sums.add(ParameterVector(flat))
          try wideSums.add(ParameterVector(flat.map(\.float)))
          XCTAssertEqual(
            try optimizer.step(&parameters, gradients: &sums), try reference.step(&expected, gradients: &wideSums))
        }
        assertSameBits((0..<layout.count).map { expected[$0] }, (0..<layout.count).map { parameters[$0] })
      }
    }
  }

  func testDynamicLossScalesAreFoundInBFloat16() throws { try dynamicLossScales(BFloat16.self) }
  #if !(os(macOS) && arch(x86_64))
    func testDynamicLossScalesAreFoundInFloat16() throws { try dynamicLossScales(Float16.self) }
  #endif

  /// A gradient that was multiplied by the scale takes the step of the gradient itself; one that overflowed is skipped.
  private func dynamicLossScales<Half: TestHalf>(_: Half.Type) throws {
    let layout = try ParameterLayout([("w", [40])])
    var random = SeededGenerator(seed: 169)
    let start: [Float] = random.numbers(40)
    let rule = try SGD(learningRate: 0.1, momentum: 0.9)
    var scaled = try Optimizer<Float>(
      layout, rule: rule, clipping: .byGlobalNorm(1), lossScale: .dynamic(initial: 1024, growthInterval: 100))
    var plain = try Optimizer<Float>(layout, rule: rule, clipping: .byGlobalNorm(1))
    var found = try ParameterVector(start)
    var expected = try ParameterVector(start)
    let gradients: [Half] = random.halves(40)
    var overflowed = gradients.map { Half($0.float * 1024) }
    overflowed[39] = Half(.infinity)
    let report = try scaled.step(&found, gradients: ParameterVector(overflowed))
    XCTAssertTrue(report.wasSkipped)
    XCTAssertEqual([report.infinityCount, scaled.stepCount], [1, 0])
    XCTAssertEqual(scaled.lossScale.current, 512)
    assertSameBits((0..<40).map { found[$0] }, start)
    for _ in 0..<3 {
      try scaled.step(&found, gradients: ParameterVector(gradients.map { Half($0.float * 512) }))
      try plain.step(&expected, gradients: ParameterVector(gradients))
    }
    assertSameBits((0..<40).map { found[$0] }, (0..<40).map { expected[$0] })
    XCTAssertNotEqual((0..<40).map { found[$0] }, start)
  }

  func testNormsOfStepsAreExact() throws {
    let layout = try ParameterLayout((0..<10).map { ("\($0)", [10_000]) })
    var optimizer = try Optimizer<Float>(layout, rule: SGD(learningRate: 0.1), clipping: .byGlobalNorm(1))
    var parameters = try ParameterVector<Float>(layout)
    var gradients = try ParameterVector<BFloat16>(layout)
    gradients.fill(0.01)
    let report = try optimizer.step(&parameters, gradients: gradients)
    XCTAssertEqual(report.totalNorm, (1e5 * 0.010009765625 * 0.010009765625).squareRoot())
  }

  func testErrorsComeBeforeWrites() throws {
    let layout = try ParameterLayout([("w", [3]), ("b", [2])])
    var optimizer = try Optimizer<Float>(layout, rule: SGD(learningRate: 0.1), clipping: .byGlobalNorm(1))
    var parameters = try ParameterVector<Float>(layout)
    var gradients = try ParameterVector<BFloat16>(layout)
    gradients.fill(1)
    gradients[4] = .nan
    func refuses(_ expected: MomentumError, _ step: () throws -> Void) {
      XCTAssertThrowsError(try step()) { XCTAssertEqual("\($0)", "\(expected)") }
    }
    refuses(.nonFiniteGradient(tensor: "b", index: 1, value: .nan)) {
      try optimizer.step(&parameters, gradients: gradients)
    }
    refuses(.countMismatch(what: "gradients", count: 4, expected: 5)) {
      try parameters.withUnsafeMutableBufferPointer { parameters in
        try [BFloat16](repeating: 1, count: 4).withUnsafeBufferPointer {
          _ = try optimizer.step(parameters: parameters, gradients: $0)
        }
      }
    }
    // The gradients lie in the memory of the parameters.
    refuses(.overlap(first: "gradients", second: "parameters")) {
      try parameters.withUnsafeMutableBufferPointer { parameters in
        let inside = UnsafeRawPointer(parameters.baseAddress!).bindMemory(to: BFloat16.self, capacity: 5)
        _ = try optimizer.step(parameters: parameters, gradients: UnsafeBufferPointer(start: inside, count: 5))
      }
    }
    XCTAssertEqual((0..<5).map { parameters[$0] }, [0, 0, 0, 0, 0])
    XCTAssertEqual(optimizer.stepCount, 0)
  }

  /// Lists that were found separate as halves overlap when the same addresses are those of `Float`s.
  func testListsOfFloatsAreCheckedAfterListsOfHalves() throws {
    let layout = try ParameterLayout([("w", [4]), ("b", [4])])
    var optimizer = try Optimizer<Float>(layout, rule: SGD(learningRate: 0.1))
    let memory = UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 16)
    memory.initializeMemory(as: UInt8.self, repeating: 0, count: 64)
    defer { memory.deallocate() }
    try withBuffers([[Float]](repeating: [1, 1, 1, 1], count: 2)) { parameters in
      let parameters = parameters.map { UnsafeMutableBufferPointer(mutating: $0!) }
      let halves = [0, 8].map {
        UnsafeBufferPointer<BFloat16>(start: (memory + $0).assumingMemoryBound(to: BFloat16.self), count: 4)
      }
      let floats = [0, 8].map {
        UnsafeBufferPointer<Float>(start: (memory + $0).assumingMemoryBound(to: Float.self), count: 4)
      }
      for _ in 0..<3 { try optimizer.step(parameters: parameters, gradients: halves) }
      XCTAssertThrowsError(try optimizer.step(parameters: parameters, gradients: floats))
      try optimizer.step(parameters: parameters, gradients: halves)
    }
  }
}
