import MomentumTestSupport
import XCTest

@testable import Momentum

/// Steps that clip by value and by nothing else, which measure the clip while they update: against the same steps by calls of
/// BLAS, which measure it before.
final class ClampingStepTests: XCTestCase {
  private let layout = try! ParameterLayout([("a", [41, 500]), ("b", [3]), ("c", [2048]), ("d", [2801]), ("e", [0])])

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
    let wide = ParameterGroup("g", ["c", "d"], clipping: try GradientClipping(value: -0.5...0.7))
    let open = ParameterGroup("g", ["c", "d"], clipping: GradientClipping.none)
    for (number, rule) in rules.enumerated() {
      for groups in [[], [wide], [open]] {
        for (threads, policy) in [(1, NonFinitePolicy.throw), (3, .skipStep), (2, .propagate), (2, .zero)] {
          try ThreadTeam.$worthwhileCount.withValue(threads == 1 ? 1 << 20 : 1) {
            try compare(S.self, rule, bounds, groups, threads, policy, seed: UInt64(number))
          }
        }
      }
    }
  }

  private func compare<S: BLASScalar>(
    _: S.Type, _ rule: any UpdateRule, _ clipping: GradientClipping, _ groups: [ParameterGroup], _ threads: Int,
    _ policy: NonFinitePolicy, seed: UInt64
  ) throws {
    func optimizer(_ kernels: StepKernels) throws -> Optimizer<S> {
      var optimizer = try Optimizer<S>(
        layout, rule: rule, groups: groups, clipping: clipping, nonFinitePolicy: policy, threads: threads)
      optimizer.kernels = kernels
      return optimizer
    }
    let what = "\(S.self), \(rule), \(groups.count) groups, \(threads) threads, \(policy)"
    var random = SeededGenerator(seed: seed)
    var fused = try optimizer(.fused)
    var before = try optimizer(.blas)
    let start: [S] = random.numbers(layout.count)
    var (one, two) = (start, start)
    for step in 0..<5 {
      var gradients: [S] = random.numbers(layout.count)
      // Tiles within the bounds, tiny ones, a tile of zeros, and elements that are not finite.
      for index in 4096..<8192 { gradients[index] *= 0.001 }
      for index in 8192..<10240 { gradients[index] = 0 }
      for index in 10240..<12288 { gradients[index] *= S.leastNormalMagnitude }
      if step == 3 { (gradients[77], gradients[20600]) = (.infinity, -.infinity) }
      var results: [Result<StepReport, MomentumError>] = []
      func take(_ optimizer: inout Optimizer<S>, _ parameters: inout [S]) {
        var span = parameters.mutableSpan
        results.append(
          Result { () throws(MomentumError) in try optimizer.step(&span, gradients: gradients.span) })
      }
      take(&fused, &one)
      take(&before, &two)
      switch (results[0], results[1]) {
      case (.success(let x), .success(let y)):
        XCTAssertEqual(x, y, "\(what), step \(step)")
        if step != 3 { XCTAssertGreaterThan(x.valueClippedCount, 0, what) }
      case (.failure(let x), .failure(let y)): XCTAssertEqual(x, y, what)
      default: XCTFail("\(what), step \(step): \(results)")
      }
      XCTAssertTrue(one.elementsEqual(two) { $0 == $1 || ($0.isNaN && $1.isNaN) }, "\(what), step \(step)")
      XCTAssertEqual(fused.tensorReports(), before.tensorReports(), what)
      XCTAssertEqual(fused.groupReports(), before.groupReports(), what)
    }
  }

  func testAccumulatedGradientsAreMeasuredOnce() throws {
    let value = try GradientClipping(value: -0.3...0.2)
    var random = SeededGenerator(seed: 5)
    let parts = (0..<2).map { _ in random.numbers(layout.count) as [Float] }
    var reports: [StepReport] = []
    var results: [[Float]] = []
    for kernels in [StepKernels.fused, .blas] {
      var optimizer = try Optimizer<Float>(
        layout, rule: SGD(learningRate: 0.1, momentum: 0.9), clipping: value, threads: 2)
      optimizer.kernels = kernels
      var gradients = try GradientAccumulator<Float>(layout, threads: 2)
      var parameters = try ParameterVector<Float>(layout)
      for part in parts { try part.withUnsafeBufferPointer { try gradients.add($0) } }
      reports.append(try optimizer.step(&parameters, gradients: &gradients))
      results.append(parameters.withUnsafeBufferPointer { Array($0) })
    }
    XCTAssertEqual(reports[0], reports[1])
    XCTAssertGreaterThan(reports[0].valueClippedCount, 0)
    XCTAssertEqual(results[0], results[1])
  }
}
