import MomentumTestSupport
import XCTest

@testable import Momentum

/// Results that must not depend on anything but the numbers: compared bit by bit.
final class StepBitsTests: XCTestCase {
  func testTheArithmeticIsTheOraclesFloat() throws { try theArithmeticIsTheOracles(Float.self) }
  func testTheArithmeticIsTheOraclesDouble() throws { try theArithmeticIsTheOracles(Double.self) }
  func testThreadsDoNotMatterFloat() throws { try threadsDoNotMatter(Float.self) }
  func testThreadsDoNotMatterDouble() throws { try threadsDoNotMatter(Double.self) }
  func testAlignmentDoesNotMatterFloat() throws { try alignmentDoesNotMatter(Float.self) }
  func testAlignmentDoesNotMatterDouble() throws { try alignmentDoesNotMatter(Double.self) }
  func testOrderAndGroupingDoNotMatterFloat() throws { try orderAndGroupingDoNotMatter(Float.self) }
  func testOrderAndGroupingDoNotMatterDouble() throws { try orderAndGroupingDoNotMatter(Double.self) }

  /// Scale times direction, factors rounded once, one multiply-add a term.
  private func theArithmeticIsTheOracles<S: BLASScalar>(_: S.Type) throws {
    var random = SeededGenerator(seed: 31)
    let counts = [64, 41]
    for rule in StepOptions.rules {
      let start: [[S]] = counts.map { random.numbers($0) }
      let clipping = try Bool.random(using: &random) ? GradientClipping.byNorm(1.5) : .byGlobalNorm(2)
      var run = try EngineRun(start, rule: rule, clipping: clipping)
      var oracles = start.map { ScalarOracle($0, rule: rule) }
      for step in 0..<4 {
        var changed = rule
        changed.learningRate = [0.05, 0.1, 0.025, 0.05][step]
        run.optimizer.rule = changed
        let gradients: [[S]] = counts.map { random.numbers($0) }
        try run.step(gradients)
        let reports = run.optimizer.tensorReports()
        for tensor in counts.indices {
          oracles[tensor].rule = changed
          oracles[tensor].step(gradients[tensor], coefficient: reports[tensor].clipCoefficient)
          let name = "\(changed), step \(step + 1), tensor \(tensor)"
          assertSameBits(oracles[tensor].parameters, run.parameters[tensor], seed: 31, name)
        }
        if rule.momentum > 0 {
          let state = run.optimizer.state()
          XCTAssertEqual(state.velocities.map(\.scale), oracles.map(\.scale))
          assertSameBits(oracles.flatMap(\.direction), state.direction, seed: 31, "direction, \(changed)")
        }
      }
    }
  }

  private func threadsDoNotMatter<S: BLASScalar>(_: S.Type) throws {
    var random = SeededGenerator(seed: 32)
    let counts = [2500, 1, 0, 2048, 33, 700]
    let start: [[S]] = counts.map { random.numbers($0) }
    let gradients: [[[S]]] = (0..<2).map { _ in counts.map { random.numbers($0) } }
    for clipping in try [
      GradientClipping.byGlobalNorm(3),
      GradientClipping(value: -0.5...0.5, tensor: .norm(4), whole: .norm(9), normType: .l1),
      .byGlobalNorm(3, type: .p(3)),
    ] {
      for storage in clipping.tensor == nil ? [EngineRun<S>.Storage.flat] : [.separate] {
        // One element a thread suffices: the smallest vectors are shared.
        let results = try ThreadTeam.withWorthwhileCount(1) {
          try (1...16).map { threads in
            try trajectory(start, gradients, clipping, storage: storage, threads: threads)
          }
        }
        for (threads, result) in results.enumerated() {
          XCTAssertEqual(result.reports, results[0].reports, "\(threads + 1) threads, \(clipping)")
          assertSameBits(results[0].elements, result.elements, seed: 32, "\(threads + 1) threads, \(clipping)")
        }
      }
    }
  }

  func testLargeVectorsUseThreadsOfTheirOwnAccord() throws {
    let count = 9 * 32_768 + 5
    XCTAssertEqual(ThreadTeam(8, elements: count).count, 8)
    var random = SeededGenerator(seed: 33)
    let start: [[Float]] = [random.numbers(count)]
    let gradients: [[[Float]]] = [[random.numbers(count)]]
    let results = try [1, 2, 8].map {
      try trajectory(start, gradients, .byGlobalNorm(3), storage: .flat, threads: $0)
    }
    for result in results {
      XCTAssertEqual(result.reports, results[0].reports)
      assertSameBits(results[0].elements, result.elements, seed: 33)
    }
  }

  func testSmallStepsUseWorkersThatAreAwake() throws {
    // Too small to wake a worker for; in a loop, some of the steps find it awake.
    let count = 3 * 8192 + 5
    let team = ThreadTeam(2, elements: count)
    XCTAssertEqual(team.count, 1)
    XCTAssertEqual(team.mostCount, min(2, Machine.availableProcessors))
    var random = SeededGenerator(seed: 36)
    let start: [[Float]] = [random.numbers(count)]
    let gradients: [[[Float]]] = (0..<60).map { _ in [random.numbers(count)] }
    let results = try [1, 2].map {
      try trajectory(start, gradients, .byGlobalNorm(3), storage: .flat, threads: $0)
    }
    XCTAssertEqual(results[1].reports, results[0].reports)
    assertSameBits(results[0].elements, results[1].elements, seed: 36)
  }

  private func alignmentDoesNotMatter<S: BLASScalar>(_: S.Type) throws {
    var random = SeededGenerator(seed: 34)
    let counts = [2100, 45]
    let start: [[S]] = counts.map { random.numbers($0) }
    let gradients: [[[S]]] = (0..<2).map { _ in counts.map { random.numbers($0) } }
    let clipping = try GradientClipping(value: -0.9...0.9, whole: .norm(3))
    let first = try trajectory(start, gradients, clipping, storage: .flat, threads: 1)
    for shift in 0..<64 {
      for storage in EngineRun<S>.Storage.allCases {
        let result = try trajectory(start, gradients, clipping, storage: storage, threads: 1, shift: shift)
        XCTAssertEqual(result.reports, first.reports, "shift \(shift)")
        assertSameBits(first.elements, result.elements, seed: 34, "shift \(shift), \(storage)")
      }
    }
  }

  private func orderAndGroupingDoNotMatter<S: BLASScalar>(_: S.Type) throws {
    var random = SeededGenerator(seed: 35)
    // Multiples of the tile, so that the tensors may also be one.
    let counts = [2048, 4096, 2048, 100]
    let start: [[S]] = counts.map { random.numbers($0) }
    let gradients: [[S]] = counts.map { random.numbers($0) }
    for type in [NormType.l2, .l1, .infinity, .p(3)] {
      let clipping = try GradientClipping.byGlobalNorm(2, type: type)
      let expected = try trajectory(start, [gradients], clipping, storage: .separate, threads: 1)
      let whole = try trajectory(
        [start.flatMap { $0 }], [[gradients.flatMap { $0 }]], clipping, storage: .flat, threads: 1)
      XCTAssertEqual(whole.reports, expected.reports, "\(type)")
      assertSameBits(expected.elements, whole.elements, "\(type)")
      for _ in 0..<4 {
        let order = Array(counts.indices).shuffled(using: &random)
        let shuffled = try trajectory(
          order.map { start[$0] }, [order.map { gradients[$0] }], clipping, storage: .separate, threads: 1)
        XCTAssertEqual(shuffled.reports, expected.reports, "\(type)")
        var rest = shuffled.elements[...]
        for index in order {
          let place = counts[..<index].reduce(0, +)
          assertSameBits(Array(expected.elements[place..<place + counts[index]]), Array(rest.prefix(counts[index])))
          rest = rest.dropFirst(counts[index])
        }
      }
    }
  }

  private func trajectory<S: BLASScalar>(
    _ start: [[S]], _ gradients: [[[S]]], _ clipping: GradientClipping, storage: EngineRun<S>.Storage, threads: Int,
    shift: Int = 0
  ) throws -> (elements: [S], reports: [StepReport]) {
    var run = try EngineRun(
      start, rule: SGD(learningRate: 0.1, momentum: 0.9, weightDecay: 0.01), clipping: clipping, threads: threads,
      storage: storage, shift: shift)
    let reports = try gradients.map { try run.step($0) }
    XCTAssertTrue(run.guardsAreIntact, "wrote outside the parameters")
    return (run.parameters.flatMap { $0 }, reports)
  }
}
