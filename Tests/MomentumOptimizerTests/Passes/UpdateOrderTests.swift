import MomentumTestSupport
import XCTest

@testable import Momentum

/// Updates go forwards or backwards, whichever finds more in cache. Nothing but speed depends on it.
final class UpdateOrderTests: XCTestCase {
  private static let counts = [0, 5, 3000, 0, 17, 4096, 1, 0, 2500, 700, 0]

  func testPartsAreTheSameInEitherOrder() throws {
    let table = try TensorTable<Float>(counts: Self.counts)
    for lower in stride(from: 0, through: table.count, by: 7) {
      for upper in [lower, lower + 1, lower + 2999, lower + 5000, table.count] where (lower...table.count) ~= upper {
        var expected: [String] = []
        table.forEach(in: lower..<upper) { expected.append("\($0) \($1)") }
        let parts = [PassOrder.forwards, .backwards].map { order in
          table.parts(of: lower..<upper, order).map { "\($0.index) \($0.part)" }
        }
        XCTAssertEqual(parts[0], expected, "\(lower)..<\(upper)")
        XCTAssertEqual(parts[1], expected.reversed(), "\(lower)..<\(upper)")
      }
    }
  }

  // MARK: Bits

  func testUpdatesHaveTheSameBitsFloat() throws { try compareUpdates(Float.self) }
  func testUpdatesHaveTheSameBitsDouble() throws { try compareUpdates(Double.self) }

  /// Tensors that lie behind each other in memory are run as one, in either order; those with another program, without a
  /// gradient, or somewhere else are not.
  private func compareUpdates<S: BLASScalar>(_: S.Type) throws {
    var programs = [StepProgram(), StepProgram()]
    for (number, factor) in [0.5, -0.25].enumerated() {
      programs[number].append(.axpy(factor: ScaledDouble(factor), from: .gradient, into: .direction))
      programs[number].append(.axpy(factor: ScaledDouble(-0.125), from: .direction, into: .parameters))
    }
    var random = SeededGenerator(seed: 90)
    for round in 0..<40 {
      let owners = Self.counts.map { _ in Int.random(in: -1...1, using: &random) }
      let gaps = Self.counts.map { _ in Bool.random(using: &random) ? 0 : 16 }
      let room = zip(Self.counts, gaps).reduce(0) { $0 + $1.0 + $1.1 }
      let start: [[S]] = (0..<3).map { _ in random.numbers(room) }
      var found: [[[S]]] = []
      for kernels in [StepKernels.blas, .automatic] {
        for order in [PassOrder.forwards, .backwards] {
          for threads in [1, 3] {
            found.append(try update(start, programs, owners, gaps, kernels, order, threads))
          }
        }
      }
      for other in found.dropFirst() {
        for (operand, (expected, observed)) in zip(found[0], other).enumerated() {
          assertSameBits(expected, observed, seed: 90, "round \(round), operand \(operand)")
        }
      }
      XCTAssertEqual(owners.contains { $0 >= 0 }, found[0][2] != start[2], "round \(round)")
    }
  }

  /// The gradients, directions and parameters after an update.
  private func update<S: BLASScalar>(
    _ start: [[S]], _ programs: [StepProgram], _ owners: [Int], _ gaps: [Int], _ kernels: StepKernels,
    _ order: PassOrder,
    _ threads: Int
  ) throws -> [[S]] {
    let memory = start.map { GuardedMemory($0) }
    let table = try TensorTable<S>(counts: Self.counts)
    table.kernels = kernels
    var place = 0
    for index in Self.counts.indices {
      let entry = table.entry(index)
      entry.pointee.gradient = owners[index] < 0 ? nil : memory[0].base + place
      entry.pointee.direction = memory[1].base + place
      entry.pointee.parameters = memory[2].base + place
      entry.pointee.program = owners[index]
      place += Self.counts[index] + gaps[index]
    }
    table.lastOrder = order.opposite
    ThreadTeam.withWorthwhileCount(1) {
      programs.withUnsafeBufferPointer { table.update($0, ThreadTeam(threads, elements: table.count)) }
    }
    XCTAssertEqual(table.lastOrder, order)
    for memory in memory { XCTAssertTrue(memory.guardsAreIntact) }
    return memory.map { Array($0.readOnlyBuffer) }
  }

  // MARK: Where an update begins

  private func orders(
    _ clipping: GradientClipping, _ mode: StepMode = .twoPass, policy: NonFinitePolicy = .propagate
  ) throws -> [PassOrder] {
    let layout = try ParameterLayout([("a", [5000]), ("b", [3])])
    var parameters = try ParameterVector<Float>(layout)
    var gradients = try ParameterVector<Float>(layout)
    for index in 0..<layout.count { gradients[index] = Float(index % 7) - 3 }
    var optimizer = try Optimizer<Float>(
      layout, rule: SGD(learningRate: 0.1, momentum: 0.9), clipping: clipping, nonFinitePolicy: policy, mode: mode,
      threads: 1)
    return try (0..<4).map { _ in
      try optimizer.step(&parameters, gradients: gradients)
      return optimizer.table.lastOrder
    }
  }

  func testAnUpdateBeginsWhereThePassBeforeHasEnded() throws {
    let turns = [PassOrder.backwards, .forwards, .backwards, .forwards]
    XCTAssertEqual(try orders(.none), turns)
    XCTAssertEqual(try orders(.byGlobalNorm(1e6), .onePass), turns)
    // A norm is measured forwards.
    let behindNorms = [PassOrder](repeating: .backwards, count: 4)
    XCTAssertEqual(try orders(.byGlobalNorm(1)), behindNorms)
    XCTAssertEqual(try orders(.byValue(1)), behindNorms)
    XCTAssertEqual(try orders(.none, policy: .throw), behindNorms)
  }

  func testASumThatWasMeasuredIsUpdatedBackwards() throws {
    let layout = try ParameterLayout([("a", [5000])])
    var parameters = try ParameterVector<Float>(layout)
    var gradients = try ParameterVector<Float>(layout)
    gradients[0] = 1
    var sum = try GradientAccumulator<Float>(layout)
    var optimizer = try Optimizer<Float>(
      layout, rule: SGD(learningRate: 0.1), clipping: .byGlobalNorm(1), threads: 1)
    for _ in 0..<3 {
      try sum.add(gradients)
      try optimizer.step(&parameters, gradients: &sum)
      XCTAssertEqual(optimizer.table.lastOrder, .backwards)
    }
  }
}
