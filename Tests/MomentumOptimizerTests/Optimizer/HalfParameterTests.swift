import MomentumTestSupport
import XCTest

@testable import Momentum

/// Steps of masters with copies, of split parameters, and of parameters in half precision alone.
final class HalfParameterTests: XCTestCase {
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
    var mode = StepMode.twoPass
    var averaging: WeightAveraging?

    /// With the algorithm that gradients in half precision are always summed by.
    func optimizer(threads: Int? = nil) throws -> Optimizer<Float> {
      var clipping = clipping
      clipping.algorithm = .portable
      return try Optimizer(
        HalfParameterTests.layout, rule: rule, groups: groups, clipping: clipping,
        nonFinitePolicy: mode == .onePass ? .propagate : nil, mode: mode, averaging: averaging, threads: threads)
    }
  }

  private func settings() throws -> [Settings] {
    let momentum = try SGD(learningRate: 0.1, momentum: 0.9, weightDecay: 0.01)
    return try [
      Settings(rule: SGD(learningRate: 0.1)),
      Settings(rule: momentum, clipping: .byGlobalNorm(3)),
      Settings(
        rule: momentum, clipping: GradientClipping(value: -0.5...0.25, tensor: .norm(4)),
        averaging: .exponential(decay: 0.9)),
      Settings(rule: LARS(learningRate: 0.1, momentum: 0.9, weightDecay: 0.01)),
      Settings(rule: AdaptiveGradientClipping(momentum, factor: 0.01)),
      Settings(
        rule: AdamW(learningRate: 0.1),
        groups: [ParameterGroup("matrices", ["a", "d", "e"], rule: Muon(learningRate: 0.1, weightDecay: 0.1))],
        clipping: .byGlobalNorm(3)),
      Settings(
        rule: momentum, clipping: .byGlobalNorm(3), mode: .onePass),
    ]
  }

  /// Masters with copies and split parameters go through the bits of a plain master.
  func testMastersAndSplitParametersAreThoseOfFloats() throws {
    let layout = try Self.layout
    for settings in try settings() {
      for threads in [1, 5] {
        let what = "\(settings), \(threads) threads"
        var random = SeededGenerator(seed: 171)
        let start: [Float] = random.numbers(layout.count)
        var plain = try settings.optimizer(threads: threads)
        var copying = try settings.optimizer(threads: threads)
        var splitting = try settings.optimizer(threads: threads)
        var expected = try ParameterVector(start)
        var master = try ParameterVector(start)
        var copy = try ParameterVector<BFloat16>(layout)
        var split = try SplitParameters(expected)
        try ThreadTeam.withWorthwhileCount(1) {
          for step in 0..<6 {
            let gradients: [BFloat16] = random.halves(layout.count)
            let half = try ParameterVector(gradients)
            let wide = try ParameterVector(gradients.map(\.float))
            let report = try plain.step(&expected, gradients: wide)
            let copied =
              try step % 2 == 0
              ? copying.step(&master, copy: &copy, gradients: half)
              : copying.step(&master, copy: &copy, gradients: wide)
            let divided =
              try step % 2 == 1
              ? splitting.step(&split, gradients: half) : splitting.step(&split, gradients: wide)
            XCTAssertEqual(copied, report, what)
            XCTAssertEqual(divided, report, what)
            let elements = (0..<layout.count).map { expected[$0] }
            assertSameBits(elements, (0..<layout.count).map { master[$0] }, "master, step \(step), \(what)")
            assertSameBits(elements, (0..<layout.count).map { split[$0] }, "split, step \(step), \(what)")
            XCTAssertEqual(copy.bits, elements.map { HalfOracle.bits($0, .bfloat16) }, what)
          }
        }
        assertSameBits(plain.state().direction, splitting.state().direction, what)
        assertSameBits(plain.state().average, splitting.state().average, what)
      }
    }
  }

  func testSplitParametersAreAMasterOverAThousandSteps() throws {
    let layout = try ParameterLayout(count: 300)
    let rule = try SGD(learningRate: 1e-3, momentum: 0.9)
    var plain = try Optimizer<Float>(layout, rule: rule)
    var splitting = try Optimizer<Float>(layout, rule: rule)
    var random = SeededGenerator(seed: 172)
    var expected = try ParameterVector<Float>(random.numbers(300))
    var split = try SplitParameters(expected)
    for _ in 0..<1000 {
      let gradients: [Float] = random.numbers(300)
      let vector = try ParameterVector(gradients)
      try plain.step(&expected, gradients: vector)
      try splitting.step(&split, gradients: vector)
    }
    let joined = try split.joined()
    assertSameBits((0..<300).map { expected[$0] }, (0..<300).map { joined[$0] })
    XCTAssertEqual(split.bfloat16.bits.count, 300)
  }

  func testSplitParametersAreSavedInTwoParts() throws {
    var random = SeededGenerator(seed: 173)
    let master = try ParameterVector<Float>(random.numbers(5000))
    let split = try SplitParameters(master, threads: 3)
    let halves = try split.bfloat16.clone()
    let again = try split.withUnsafeRemainders { remainders throws(MomentumError) in
      try SplitParameters(bfloat16: halves.clone(), remainders: remainders)
    }
    assertSameBits((0..<5000).map { master[$0] }, (0..<5000).map { again[$0] })
    func putTogether() throws {
      _ = try SplitParameters(bfloat16: halves.clone(), remainders: UnsafeBufferPointer(start: nil, count: 0))
    }
    XCTAssertThrowsError(try putTogether()) {
      XCTAssertEqual($0 as? MomentumError, .countMismatch(what: "remainders", count: 0, expected: 5000))
    }
  }

  /// What other libraries do with such parameters: nothing.
  private func run(_ rounding: Rounding, steps: Int) throws -> (mean: Double, lost: [Int]) {
    let layout = try ParameterLayout([("w", [1000])])
    var optimizer = try Optimizer<Float>(layout, rule: SGD(learningRate: 1e-3, momentum: 0.9))
    var parameters = try ParameterVector<BFloat16>(layout)
    var gradients = try ParameterVector<BFloat16>(layout)
    parameters.fill(1)
    gradients.fill(0.01)
    var lost: [Int] = []
    for _ in 0..<steps {
      let report = try optimizer.step(&parameters, rounding: rounding, gradients: gradients)
      lost.append(report.lostUpdates)
      XCTAssertEqual(
        "\(report)".hasSuffix(", \(report.lostUpdates) updates lost to rounding"), report.lostUpdates > 0, "\(report)")
    }
    return ((0..<1000).reduce(0) { $0 + Double(parameters[$1]) } / 1000, lost)
  }

  func testRoundedToNearestParametersStallAndTheReportSaysSo() throws {
    let (mean, lost) = try run(.nearest, steps: 50)
    XCTAssertEqual(mean, 1)
    XCTAssertEqual(lost, Array(repeating: 1000, count: 50))
  }

  /// The run of ``run(_:steps:)`` with a master in one of its forms.
  func testMastersMoveAsFloats() throws {
    let layout = try ParameterLayout([("w", [100])])
    let rule = try SGD(learningRate: 1e-3, momentum: 0.9)
    var plain = try Optimizer<Float>(layout, rule: rule)
    var copying = try Optimizer<Float>(layout, rule: rule)
    var splitting = try Optimizer<Float>(layout, rule: rule)
    var expected = try ParameterVector<Float>(layout)
    var gradients = try ParameterVector<BFloat16>(layout)
    expected.fill(1)
    gradients.fill(0.01)
    let wide = try ParameterVector<Float>(widening: gradients)
    var master = try expected.clone()
    var copy = try ParameterVector<BFloat16>(rounding: master)
    var split = try SplitParameters(master)
    for _ in 0..<1000 {
      try plain.step(&expected, gradients: wide)
      try copying.step(&master, copy: &copy, gradients: gradients)
      try splitting.step(&split, gradients: gradients)
    }
    XCTAssertEqual(expected[0], 0.9008, accuracy: 5e-5)
    assertSameBits((0..<100).map { expected[$0] }, (0..<100).map { master[$0] })
    assertSameBits((0..<100).map { expected[$0] }, (0..<100).map { split[$0] })
    XCTAssertEqual(copy.bits, (0..<100).map { HalfOracle.bits(expected[$0], .bfloat16) })
  }

  /// A rule may do without its transform in some steps: the copy is written then, too.
  func testCopiesOfARuleThatTransformsLater() throws {
    struct WarmUp: UpdateRule {
      var convention: Convention { .native }
      var usesVelocity: Bool { false }
      var transform: MatrixTransform? { MatrixTransform(.jordan()) }
      func validate() throws(MomentumError) {}
      func compile(_ tensor: TensorState, into program: inout StepProgram) -> Double {
        if tensor.step == 1 {
          program.append(.axpy(factor: ScaledDouble(-0.5), from: .gradient, into: .parameters))
        } else {
          program.append(.copy(from: .gradient, into: .update))
          program.append(.transform)
          program.append(.axpy(factor: ScaledDouble(-0.5), from: .update, into: .parameters))
        }
        return tensor.velocityScale
      }
    }
    let layout = try ParameterLayout([("w", [2, 3])])
    var optimizer = try Optimizer<Float>(layout, rule: WarmUp())
    var master = try ParameterVector<Float>([1, 2, 3, 4, 5, 6])
    var copy = try ParameterVector<BFloat16>(layout)
    let gradients = try ParameterVector<Float>([2, 2, 4, 4, 6, 6])
    for step in 1...3 {
      let before = (0..<6).map { master[$0] }
      try optimizer.step(&master, copy: &copy, gradients: gradients)
      let elements = (0..<6).map { master[$0] }
      if step == 1 { XCTAssertEqual(elements, [0, 1, 1, 2, 2, 3]) } else { XCTAssertNotEqual(elements, before) }
      XCTAssertEqual(copy.bits, elements.map { HalfOracle.bits($0, .bfloat16) }, "step \(step)")
    }
  }

  func testRoundedAtRandomParametersMove() throws {
    let (mean, lost) = try run(.stochastic(seed: 1), steps: 1000)
    // The exact value is 0.9008; 0.019 is the spread of one parameter.
    XCTAssertEqual(mean, 0.9008, accuracy: 4 * 0.019 / 1000.0.squareRoot())
    XCTAssertEqual(Set(lost), [0])
    XCTAssertNotEqual(try run(.stochastic(seed: 2), steps: 100).mean, try run(.stochastic(seed: 1), steps: 100).mean)
  }

  /// Not on threads, the order of tensors, or an interruption.
  func testWhatStochasticRoundingDependsOn() throws {
    let tensors = [("first", [2500]), ("second", [4096]), ("third", [63])]
    var random = SeededGenerator(seed: 174)
    let start = tensors.map { random.halves($0.1[0], as: BFloat16.self) }
    let gradients = (0..<4).map { _ in tensors.map { random.halves($0.1[0], as: BFloat16.self) } }
    func run(_ order: [Int], threads: Int, interruptedAfter interruption: Int? = nil) throws -> [[UInt16]] {
      let layout = try ParameterLayout(order.map { (tensors[$0].0, tensors[$0].1) })
      let rule = try SGD(learningRate: 0.01, momentum: 0.9)
      var optimizer = try Optimizer<Float>(layout, rule: rule, clipping: .byGlobalNorm(5), threads: threads)
      var parameters = try ParameterVector(order.flatMap { start[$0] })
      for (step, gradient) in gradients.enumerated() {
        if step == interruption {
          let state = optimizer.state()
          optimizer = try Optimizer<Float>(layout, rule: rule, clipping: .byGlobalNorm(5), threads: threads)
          try optimizer.restore(state)
        }
        try ThreadTeam.withWorthwhileCount(1) {
          _ = try optimizer.step(
            &parameters, rounding: .stochastic(seed: 9), gradients: ParameterVector(order.flatMap { gradient[$0] }))
        }
      }
      var found = [[UInt16]](repeating: [], count: tensors.count)
      for (place, tensor) in zip(layout.tensors, order) { found[tensor] = Array(parameters.bits[place.range]) }
      return found
    }
    let expected = try run([0, 1, 2], threads: 1)
    for threads in 2...6 { XCTAssertEqual(try run([0, 1, 2], threads: threads), expected, "\(threads) threads") }
    XCTAssertEqual(try run([2, 0, 1], threads: 2), expected)
    XCTAssertEqual(try run([1, 2, 0], threads: 3, interruptedAfter: 2), expected)
  }

  /// A step of parameters in half precision is a step of `Float`s, rounded once.
  func testStepsAreThoseOfFloatsRoundedOnce() throws {
    let layout = try Self.layout
    for settings in try settings() where settings.mode == .twoPass {
      var random = SeededGenerator(seed: 175)
      var optimizer = try settings.optimizer()
      var reference = try settings.optimizer()
      let start: [BFloat16] = random.halves(layout.count)
      var parameters = try ParameterVector(start)
      for _ in 0..<3 {
        var expected = try ParameterVector<Float>(widening: parameters)
        let gradients: [BFloat16] = random.halves(layout.count)
        try reference.step(&expected, gradients: ParameterVector(gradients.map(\.float)))
        let report = try optimizer.step(&parameters, rounding: .nearest, gradients: ParameterVector(gradients))
        XCTAssertEqual(report.overflowedElements, 0)
        XCTAssertEqual(parameters.bits, try ParameterVector<BFloat16>(rounding: expected).bits, "\(settings)")
      }
    }
  }

  /// A parameter that has reached the largest number stays there while steps push it on, and comes back.
  func testParametersSaturate() throws {
    let layout = try ParameterLayout([("w", [5])])
    let largest = BFloat16.greatestFiniteMagnitude
    for kernels in StepKernels.allCases {
      for rounding in [Rounding.nearest, .stochastic(seed: 3)] {
        var optimizer = try Optimizer<Float>(
          layout, rule: SGD(learningRate: 1, momentum: 0.5), nonFinitePolicy: .propagate)
        (optimizer.kernels, optimizer.overflowPolicy) = (kernels, .saturate)
        var parameters = try ParameterVector<BFloat16>([largest, -largest, .infinity, .nan, 1])
        let gradients = try ParameterVector<Float>([-8e35, 8e35, 0, 0, 0])
        for _ in 0..<2 {
          let report = try optimizer.step(&parameters, rounding: rounding, gradients: gradients)
          XCTAssertEqual([report.overflowedElements, report.lostUpdates], [2, 0], "\(kernels), \(rounding)")
          XCTAssertEqual((0..<3).map { parameters[$0] }, [largest, -largest, .infinity])
          XCTAssertTrue(parameters[3].isNaN)
        }
        try optimizer.step(&parameters, rounding: rounding, gradients: ParameterVector<Float>([3e38, -3e38, 0, 0, 0]))
        XCTAssertLessThan(parameters[0], 1e38)
        XCTAssertGreaterThan(parameters[1], -1e38)
      }
    }
  }

  func testCopiesSaturateAndMastersGoOn() throws {
    let layout = try ParameterLayout([("w", [3])])
    var optimizer = try Optimizer<Float>(layout, rule: SGD(learningRate: 1))
    optimizer.overflowPolicy = .saturate
    var master = try ParameterVector<Float>([3.395e38, -3.395e38, 1])
    var copy = try ParameterVector<BFloat16>(layout)
    let gradients = try ParameterVector<Float>([-0.005e38, 0.005e38, 0])
    XCTAssertEqual(try optimizer.step(&master, copy: &copy, gradients: gradients).overflowedElements, 2)
    XCTAssertEqual((0..<3).map { copy[$0] }, [.greatestFiniteMagnitude, -.greatestFiniteMagnitude, 1])
    XCTAssertEqual(master[0], 3.395e38 + 0.005e38)
    #if !(os(macOS) && arch(x86_64))
      var small = try ParameterVector<Float>([65_519, -65_519, .infinity])
      var half = try ParameterVector<Float16>(layout)
      let step = try ParameterVector<Float>([-1, 1, 0])
      XCTAssertEqual(try optimizer.step(&small, copy: &half, gradients: step).overflowedElements, 2)
      XCTAssertEqual((0..<3).map { half[$0] }, [65_504, -65_504, .infinity])
      // What did not overflow is rounded to nearest, as ever.
      var below = try ParameterVector<Float>([65_518, 0, 0])
      XCTAssertEqual(try optimizer.step(&below, copy: &half, gradients: step).overflowedElements, 0)
      XCTAssertEqual(half[0], 65_504)
    #endif
  }

  /// What a step in one pass corrects is written twice, and overflows once.
  func testCopiesThatAreCorrectedAreCountedOnce() throws {
    let count = 100_000
    for limit in [1, 1e3] {
      var reports: [[Int]] = []
      for (mode, threads) in [(StepMode.twoPass, 1), (.onePass, 1), (.onePass, 3)] {
        var optimizer = try Optimizer<Float>(
          ParameterLayout(count: count), rule: SGD(learningRate: 1), clipping: .byGlobalNorm(limit),
          nonFinitePolicy: .propagate, mode: mode, threads: threads)
        var master = try ParameterVector((0..<count).map { $0 % 20 == 0 ? Float(3.4e38) : 1 })
        var copy = try ParameterVector<BFloat16>(master.layout)
        let gradients = try ParameterVector([Float](repeating: 0.01, count: count))
        let report = try optimizer.step(&master, copy: &copy, gradients: gradients)
        XCTAssertEqual(report.clip.wasClipped, limit == 1)
        reports.append([report.overflowedElements, report.lostUpdates])
      }
      XCTAssertEqual(reports, Array(repeating: [count / 20, 0], count: 3), "\(limit)")
    }
  }

  func testConversionsSaturate() throws {
    let numbers: [Float] = [0x1.fefffep127, 0x1.ffp127, -.greatestFiniteMagnitude, .infinity, -.infinity, .nan, 1]
    let vector = try ParameterVector(Array(repeating: numbers, count: 300).flatMap(\.self))
    let usual = try ParameterVector<BFloat16>(rounding: vector)
    let saturated = try ParameterVector<BFloat16>(rounding: vector, overflowPolicy: .saturate)
    for index in 0..<vector.count {
      let expected: BFloat16 = index % 7 == 1 ? .greatestFiniteMagnitude : -.greatestFiniteMagnitude
      XCTAssertEqual(
        saturated[index].bitPattern, (1...2).contains(index % 7) ? expected.bitPattern : usual[index].bitPattern)
      XCTAssertEqual(usual[index].isInfinite, (1...4).contains(index % 7))
    }
  }

  func testOverflowIsCounted() throws {
    let layout = try ParameterLayout([("w", [3])])
    var optimizer = try Optimizer<Float>(layout, rule: SGD(learningRate: 1))
    var parameters = try ParameterVector<BFloat16>([.greatestFiniteMagnitude, 1, 2])
    let gradients = try ParameterVector<Float>([-1.2e36, 0, 0])
    let report = try optimizer.step(&parameters, rounding: .nearest, gradients: gradients)
    XCTAssertEqual(report.overflowedElements, 1)
    XCTAssertEqual(parameters[0], .infinity)

    var master = try ParameterVector<Float>([60_000, 1, 2])
    #if !(os(macOS) && arch(x86_64))
      var copy = try ParameterVector<Float16>(layout)
      let step = try ParameterVector<Float>([-6000, 0, 0])
      XCTAssertEqual(try optimizer.step(&master, copy: &copy, gradients: step).overflowedElements, 1)
      XCTAssertEqual(master[0], 66_000)
      XCTAssertEqual(copy[0], .infinity)
    #endif
  }

  func testRefusals() throws {
    let layout = try ParameterLayout([("w", [4])])
    var optimizer = try Optimizer<Float>(
      layout, rule: SGD(learningRate: 1), nonFinitePolicy: .propagate, mode: .onePass)
    var parameters = try ParameterVector<BFloat16>(layout)
    let gradients = try ParameterVector<Float>(layout)
    XCTAssertThrowsError(try optimizer.step(&parameters, rounding: .nearest, gradients: gradients)) {
      XCTAssertEqual(
        "\($0)", "mode is onePass; expected twoPass with parameters that are rounded to half precision")
    }
    optimizer.mode = .twoPass
    var short = try ParameterVector<BFloat16>([1, 2, 3])
    XCTAssertThrowsError(try optimizer.step(&short, rounding: .nearest, gradients: gradients))
    // A copy in the memory of the master.
    var master = try ParameterVector<Float>(layout)
    try master.withUnsafeMutableBufferPointer { master in
      let inside = UnsafeMutableRawPointer(master.baseAddress! + 2).bindMemory(to: BFloat16.self, capacity: 4)
      try gradients.withUnsafeBufferPointer { gradients in
        XCTAssertThrowsError(
          try optimizer.step(
            parameters: master, copy: UnsafeMutableBufferPointer(start: inside, count: 4), gradients: gradients)
        ) {
          XCTAssertEqual($0 as? MomentumError, .overlap(first: "parameters", second: "copy"))
        }
      }
    }
    XCTAssertEqual(optimizer.stepCount, 0)
  }

  func testConversionsOfVectors() throws {
    var random = SeededGenerator(seed: 176)
    let layout = try Self.layout
    let numbers: [Float] = random.numbers(layout.count)
    let vector = try ParameterVector(numbers)
    let bits = try ThreadTeam.withWorthwhileCount(1) {
      try ParameterVector<BFloat16>(rounding: vector, threads: 4).bits
    }
    XCTAssertEqual(bits, numbers.map { HalfOracle.bits($0, .bfloat16) })
    let half = try ParameterVector<BFloat16>(rounding: vector)
    let wide = try ParameterVector<Float>(widening: half)
    XCTAssertEqual((0..<layout.count).map { wide[$0] }, (0..<layout.count).map { Float(half[$0]) })
  }
}
