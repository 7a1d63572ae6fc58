import MomentumTestSupport
import XCTest

@testable import Momentum

/// Steps of vectors, of which an optimizer remembers where they lie, beside the same steps of lists.
final class VectorStepTests: XCTestCase {
  private let counts = [700, 1, 0, 2100, 64]

  func testReportsAreCopiedInWholePieces() {
    // An optional number at the end would add a piece of another size; see ``StepReport``.
    XCTAssertTrue(MemoryLayout<StepReport>.size.isMultiple(of: 16))
  }

  func testVectorsAreFoundWhereverTheyLieFloat() throws { try vectorsAreFound(Float.self) }
  func testVectorsAreFoundWhereverTheyLieDouble() throws { try vectorsAreFound(Double.self) }

  /// Vectors that move, lists between them, a velocity that gets another place, and programs that differ from step to step.
  private func vectorsAreFound<S: BLASScalar>(_: S.Type) throws {
    for kernels in [StepKernels.blas, .fused] {
      for threads in [1, 3] {
        try ThreadTeam.withWorthwhileCount(threads == 1 ? .max : 64) {
          try vectorsAreFound(S.self, kernels, threads)
        }
      }
    }
  }

  private func vectorsAreFound<S: BLASScalar>(_: S.Type, _ kernels: StepKernels, _ threads: Int) throws {
    let layout = try ParameterLayout(counts.enumerated().map { ("\($0.offset)", [$0.element]) })
    var random = SeededGenerator(seed: 210)
    let start: [S] = random.numbers(layout.count)
    // Momentum 0.05 multiplies the velocity's scale into it every few steps.
    let rule = try SGD(learningRate: 0.1, momentum: 0.05, nesterov: true)
    var optimizer = try Optimizer<S>(layout, rule: rule, clipping: .byGlobalNorm(3), threads: threads)
    optimizer.kernels = kernels
    var run = try EngineRun<S>(
      layout.tensors.map { Array(start[$0.range]) }, rule: rule, clipping: .byGlobalNorm(3))
    let places = [GuardedMemory(start), GuardedMemory(start, shift: 3)]
    var current = 0
    for step in 0..<12 {
      let what = "\(S.self), \(kernels), \(threads) threads, step \(step)"
      let gradients: [S] = random.numbers(layout.count)
      switch step {
      case 3, 4:
        places[1 - current].base.update(from: places[current].base, count: layout.count)
        current = 1 - current
      case 6:
        let memory = UnsafeMutableBufferPointer<S>.allocate(capacity: layout.count)
        try optimizer.placeVelocity(in: memory) { $0.deallocate() }
      case 8:
        optimizer.foldVelocity()
        run.optimizer.foldVelocity()
      default: break
      }
      let expected = try run.step(layout.tensors.map { Array(gradients[$0.range]) })
      let (x, g) = (places[current].buffer, GuardedMemory(gradients))
      let report =
        step == 5
        ? try optimizer.step(
          parameters: layout.tensors.map { UnsafeMutableBufferPointer(rebasing: x[$0.range]) },
          gradients: layout.tensors.map { UnsafeMutableBufferPointer(rebasing: g.buffer[$0.range]) })
        : try optimizer.step(parameters: x, gradients: g.readOnlyBuffer)
      XCTAssertEqual(report, expected, what)
      for (index, tensor) in layout.tensors.enumerated() {
        assertSameBits(Array(x[tensor.range]), run.parameters[index], seed: 210, what)
      }
      XCTAssertTrue(places.allSatisfy(\.guardsAreIntact), what)
    }
  }

  /// A velocity of the wrong form is refused in the first step in which its tensor has a gradient.
  func testAVelocityIsCheckedWhenItsTensorHasAGradient() throws {
    var run = try EngineRun<Double>([[0, 0], [0]], rule: SGD(learningRate: 1, momentum: 0.5))
    try run.step([[3, 4], [12]])
    run.optimizer.rule = try SGD(learningRate: 1, momentum: 0.5, convention: .keras)
    run.optimizer.convertVelocities(to: [
      VelocityForm(keepsLearningRate: false, learningRate: 1), VelocityForm(keepsLearningRate: true, learningRate: 1),
    ])
    try run.step([nil, [1]])
    let before = run.parameters
    XCTAssertThrowsError(try run.step([[1, 1], [1]])) {
      XCTAssert("\($0)".contains("keeps the learning rate"), "\($0)")
    }
    XCTAssertEqual(run.parameters, before)
  }
}
