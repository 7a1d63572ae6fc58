import MomentumTestSupport
import XCTest

@testable import Momentum

/// Steps that clip by value and by nothing else, which measure the clip while they update: against the same steps by calls of
/// BLAS, which measure it before.
final class ClampingStepTests: XCTestCase {
  private var layout = try! ParameterLayout([("a", [41, 500]), ("b", [3]), ("c", [2048]), ("d", [2801]), ("e", [0])])

  func testReportsAndBitsAreThoseOfMeasuringBeforeFloat() throws { try compare(Float.self) }
  func testReportsAndBitsAreThoseOfMeasuringBeforeDouble() throws { try compare(Double.self) }

  private func compare<S: BLASScalar>(_: S.Type) throws {
    let bounds = try GradientClipping(value: -0.3...0.2)
    let rules: [any UpdateRule] = [
      try SGD(learningRate: 0.05), try SGD(learningRate: 0.05, momentum: 0.9),
      try SGD(learningRate: 0.05, momentum: 0.9, nesterov: true),
      try SGD(learningRate: 0.05, momentum: 0.9, weightDecay: 0.1),
      // No loop sums beside its program.
      try AdamW(learningRate: 0.05),
    ]
    let (all, some) = (layout.tensors.map(\.name), ["c", "d"])
    let groupings: [[ParameterGroup]] = [
      [], [ParameterGroup("g", all, clipping: try GradientClipping(value: -0.5...0.7))],
      [ParameterGroup("g", some, clipping: try GradientClipping(value: -0.5...0.7))],
      [ParameterGroup("g", some, clipping: GradientClipping.none)],
    ]
    for (number, rule) in rules.enumerated() {
      for groups in groupings {
        for (threads, policy) in [(1, NonFinitePolicy.throw), (3, .skipStep), (2, .propagate), (2, .zero)] {
          try ThreadTeam.withWorthwhileCount(threads == 1 ? 1 << 20 : 1) {
            try compare(S.self, rule, bounds, groups, threads, policy, seed: UInt64(number))
          }
        }
      }
    }
    // Nothing but zeros, sums of squares that underflow or overflow, and bounds on one side of 0.
    for value in [0.0...0, -1e-30...1e-30, 0.1...0.2, -Double.infinity...0.1, -1e30...1e30] {
      let clipping = try GradientClipping(value: value)
      try compare(S.self, rules[1], clipping, [], 1, .throw, seed: 9, scale: value.upperBound == 1e30 ? 1e32 : 1)
    }
  }

  private func compare<S: BLASScalar>(
    _: S.Type, _ rule: any UpdateRule, _ clipping: GradientClipping, _ groups: [ParameterGroup], _ threads: Int,
    _ policy: NonFinitePolicy, seed: UInt64, scale: S = 1
  ) throws {
    func optimizer(_ kernels: StepKernels) throws -> Optimizer<S> {
      var optimizer = try Optimizer<S>(
        layout, rule: rule, groups: groups, clipping: clipping, nonFinitePolicy: policy,
        lossScale: seed % 2 == 0 ? .fixed(8) : .none, threads: threads)
      optimizer.kernels = kernels
      return optimizer
    }
    let what = "\(S.self), \(rule), \(clipping), \(groups.count) groups, \(threads) threads, \(policy)"
    var random = SeededGenerator(seed: seed)
    var fused = try optimizer(.fused)
    var before = try optimizer(.blas)
    let start: [S] = random.numbers(layout.count)
    var (one, two) = (start, start)
    // Elements that are not finite in the first step and in a later one.
    for step in 0..<6 {
      var gradients: [S] = random.numbers(layout.count)
      for index in gradients.indices { gradients[index] *= scale * 8 }
      // Tiles within the bounds, tiny ones, and a tile of zeros.
      for index in 4096..<8192 { gradients[index] *= 0.001 }
      for index in 8192..<10240 { gradients[index] = 0 }
      for index in 10240..<12288 { gradients[index] *= S.leastNormalMagnitude }
      if step % 3 == 0 { (gradients[77], gradients[20600]) = (.infinity, -.infinity) }
      if step == 5 {
        let isAlike = groups.allSatisfy { $0.patterns.count == layout.tensors.count }
        let hasLoop = BLASTraits.squaresVariant(S.self) != nil && BLASTraits.axpyFuses
        XCTAssertEqual(fused.hadClampingLoop, hasLoop && isAlike && rule is SGD && policy != .zero, what)
        XCTAssertFalse(before.hadClampingLoop)
      }
      // At last a tensor without a gradient; its state then differs from those of others.
      let isPartial = step == 5
      func take(_ optimizer: inout Optimizer<S>, _ parameters: inout [S]) -> Result<StepReport, MomentumError> {
        parameters.withUnsafeMutableBufferPointer { parameters in
          gradients.withUnsafeBufferPointer { gradients in
            Result { () throws(MomentumError) in
              try optimizer.step(
                parameters: layout.tensors.map { UnsafeMutableBufferPointer(rebasing: parameters[$0.range]) },
                gradients: layout.tensors.map {
                  isPartial && $0.name == "a" ? nil : UnsafeBufferPointer(rebasing: gradients[$0.range])
                })
            }
          }
        }
      }
      XCTAssertEqual(take(&fused, &one), take(&before, &two), "\(what), step \(step)")
      XCTAssertTrue(one.elementsEqual(two, by: Self.haveSameBits), "\(what), step \(step)")
      XCTAssertEqual(fused.tensorReports(), before.tensorReports(), what)
      XCTAssertEqual(fused.groupReports(), before.groupReports(), what)
      let (x, y) = (fused.state(), before.state())
      XCTAssertTrue(x.direction.elementsEqual(y.direction, by: Self.haveSameBits), "\(what), step \(step)")
      XCTAssertEqual(x.stepCount, y.stepCount, what)
    }
  }

  private static func haveSameBits<S: BLASScalar>(_ x: S, _ y: S) -> Bool {
    x.isNaN ? y.isNaN : x == y && x.sign == y.sign
  }

  /// Blocks of 32 and of 512 tiles, with some amid them that are within the bounds, and one whose dot product does not tell.
  func testLongRunsOfTiles() throws {
    let rule = try SGD(learningRate: 0.05, momentum: 0.9)
    for (count, threads) in [(1 << 17 + 2049, 1), (1 << 17 + 2049, 3), (1 << 22 + 2049, 1)] {
      layout = try ParameterLayout([("a", [count]), ("b", [2801])])
      try ThreadTeam.withWorthwhileCount(threads == 1 ? 1 << 30 : 1) {
        try compare(Float.self, rule, .byValue(0.3), [], threads, .throw, seed: 4)
        if count < 1 << 20 { try compare(Double.self, rule, .byValue(0.3), [], threads, .throw, seed: 5) }
      }
    }
  }

  func testAccumulatedGradientsAreMeasuredOnce() throws {
    let value = try GradientClipping(value: -0.3...0.2)
    var random = SeededGenerator(seed: 5)
    let parts = (0..<6).map { _ in random.numbers(layout.count) as [Float] }
    var reports: [[StepReport]] = []
    var results: [[Float]] = []
    for kernels in [StepKernels.fused, .blas] {
      var optimizer = try Optimizer<Float>(
        layout, rule: SGD(learningRate: 0.1, momentum: 0.9), clipping: value, threads: 2)
      optimizer.kernels = kernels
      var gradients = try GradientAccumulator<Float>(layout, threads: 2)
      var parameters = try ParameterVector<Float>(layout)
      var own: [StepReport] = []
      // Only the first step measures the clip before it updates.
      for first in stride(from: 0, to: parts.count, by: 2) {
        for part in parts[first..<first + 2] { try part.withUnsafeBufferPointer { try gradients.add($0) } }
        own.append(try optimizer.step(&parameters, gradients: &gradients))
        let hasLoop = BLASTraits.squaresVariant(Float.self) != nil && BLASTraits.axpyFuses
        XCTAssertEqual(optimizer.hadClampingLoop, kernels == .fused && hasLoop)
      }
      reports.append(own)
      results.append(parameters.withUnsafeBufferPointer { Array($0) })
    }
    XCTAssertEqual(reports[0], reports[1])
    XCTAssertTrue(reports[0].allSatisfy { $0.valueClippedCount > 0 })
    XCTAssertEqual(results[0], results[1])
  }
}
