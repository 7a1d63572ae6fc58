import MomentumTestSupport
import XCTest

@testable import Momentum

/// What steps move to and from memory, and how factors are rounded.
final class StepProgramTests: XCTestCase {
  func testTrafficOfEveryKindOfStep() throws {
    // In elements for each parameter: gradient, velocity, parameters read; the last two written.
    try expect(SGD(learningRate: 1, momentum: 0.9), reads: 3, writes: 2)
    try expect(SGD(learningRate: 1), reads: 2, writes: 1)
    try expect(SGD(learningRate: 1, momentum: 0.9, nesterov: true), reads: 3, writes: 2)
    try expect(SGD(learningRate: 1, momentum: 0.9, weightDecay: 0.1), reads: 3, writes: 2)
    try expect(
      SGD(learningRate: 1, momentum: 0.9, weightDecay: 0.1, decoupledWeightDecay: true), reads: 3, writes: 2)
    try expect(SGD(learningRate: 1, momentum: 0.9, convention: .keras), reads: 3, writes: 2)
    // Clips are folded in: no further traffic.
    try expect(SGD(learningRate: 1, momentum: 0.9), .byGlobalNorm(0.1), reads: 3, writes: 2)
    try expect(SGD(learningRate: 1, momentum: 0.9), .byValue(0.1), reads: 3, writes: 2)
    try expect(SGD(learningRate: 1), GradientClipping(value: -1...1, tensor: .norm(0.1)), reads: 2, writes: 1)
  }

  func testAStepWithMomentumIsTwoAxpys() throws {
    var run = try EngineRun<Float>(
      [[1, 2]], rule: SGD(learningRate: 0.5, momentum: 0.5), clipping: .byGlobalNorm(2.5))
    try run.step([[3, 4]])
    try run.step([[3, 4]])
    XCTAssertEqual(
      run.optimizer.lastPrograms[0].operations,
      [
        // The scale has been halved once: 2¹¹.
        .axpy(factor: ScaledDouble(0x1p-12), from: .gradient, into: .direction),
        .axpy(factor: ScaledDouble(-0x1p10), from: .direction, into: .parameters),
      ])
  }

  func testTensorsInTheSameStateShareAProgram() throws {
    var run = try EngineRun<Float>([[1], [1], [1], [1]], rule: SGD(learningRate: 1, momentum: 0.5))
    try run.step([[1], [1], [1], [1]])
    XCTAssertEqual(run.optimizer.lastPrograms.count, 1)
    run.optimizer.clipping = try .byNorm(2)
    try run.step([[1], [9], [1], nil])
    XCTAssertEqual(run.optimizer.lastPrograms.count, 3)
  }

  func testPaths() {
    var program = StepProgram()
    XCTAssertEqual(program.traffic, MemoryTraffic(reads: 0, writes: 0))
    program.append(.scal(factor: ScaledDouble(2), .direction))
    XCTAssertEqual(program.traffic, MemoryTraffic(reads: 1, writes: 1))
    program.append(.copy(from: .parameters, into: .copy))
    XCTAssertEqual(program.traffic, MemoryTraffic(reads: 2, writes: 1), "scratch memory stays in cache")
    program.append(.clamp(lower: -1, upper: 1, inPlace: true))
    XCTAssertEqual(program.traffic, MemoryTraffic(reads: 3, writes: 2))
    XCTAssertEqual(program.traffic.words, 5)
    XCTAssertEqual(program.operations.count, program.count)
  }

  func testFactorsAreRoundedOnce() {
    XCTAssertEqual(RoundedFactor<Float>(ScaledDouble(0.1)).value, 0.1)
    XCTAssertEqual(RoundedFactor<Float>(ScaledDouble(0.1)).prescale, 0)
    XCTAssertTrue(RoundedFactor<Float>(ScaledDouble(.nan)).value.isNaN)
    XCTAssertEqual(RoundedFactor<Float>(ScaledDouble(0)).value, 0)
    for exponent in [-140, 130, -3000, 3000] {
      let factor = RoundedFactor<Float>(ScaledDouble(1.1, exponent: exponent))
      let (value, prescale) = (factor.value, factor.prescale)
      XCTAssertEqual(value, 1.1)
      XCTAssertEqual(prescale, exponent)
    }
  }

  func testTilesOfAnUpdateFillHalfOfACache() {
    for (vectors, kilobytes, float, double) in [
      (3, 32, 1024, 512), (3, 48, 2048, 1024), (2, 32, 2048, 1024), (4, 32, 1024, 512), (5, 32, 512, 256),
      // Never more than a tile of the grid, never less than a call of BLAS is worth.
      (3, 128, 2048, 2048), (5, 4, 256, 256), (0, 32, 2048, 2048),
    ] {
      let what = "\(vectors) vectors, \(kilobytes) KiB"
      XCTAssertEqual(TileProgram<Float>.tileCount(of: vectors, cacheBytes: kilobytes << 10), float, what)
      XCTAssertEqual(TileProgram<Double>.tileCount(of: vectors, cacheBytes: kilobytes << 10), double, what)
    }
    XCTAssertEqual(TileProgram<Float>.tileCount(of: 3, cacheBytes: .max), 2048)
  }

  func testTheSizeOfUpdateTilesChangesNoBit() throws {
    var random = SeededGenerator(seed: 51)
    // Longer than a block that goes backwards, with an end that BLAS would round otherwise.
    let count = 3 * 65_536 + 2048 + 77
    let (gradient, direction, parameters): ([Float], [Float], [Float]) = (
      random.numbers(count), random.numbers(count), random.numbers(count)
    )
    var program = StepProgram()
    program.append(.clamp(lower: -0.7, upper: 0.8, inPlace: false))
    program.append(.axpy(factor: ScaledDouble(0.3), from: .gradient, into: .direction))
    program.append(.copy(from: .parameters, into: .copy))
    program.append(.axpy(factor: ScaledDouble(-0.01), from: .copy, into: .parameters))
    program.append(.axpy(factor: ScaledDouble(-0.2), from: .direction, into: .parameters))
    func run(cacheBytes: Int) throws -> [Float] {
      var (gradient, direction, parameters) = (gradient, direction, parameters)
      let table = try TensorTable<Float>(counts: [count], cacheBytes: cacheBytes)
      gradient.withUnsafeMutableBufferPointer { g in
        direction.withUnsafeMutableBufferPointer { u in
          parameters.withUnsafeMutableBufferPointer { p in
            table.entries[0].gradient = g.baseAddress
            table.entries[0].direction = u.baseAddress
            table.entries[0].parameters = p.baseAddress
            [program].withUnsafeBufferPointer { table.update($0, ThreadTeam(2, elements: count)) }
          }
        }
      }
      return direction + parameters
    }
    let expected = try run(cacheBytes: .max)
    for cacheBytes in [1, 32 << 10, 48 << 10, 1 << 20] {
      assertSameBits(expected, try run(cacheBytes: cacheBytes), seed: 51, "\(cacheBytes) bytes of cache")
    }
  }

  func testAFactorOutOfRangeIsAppliedInTwoSteps() throws {
    // A learning rate below the range of Float times a gradient near its end.
    var run = try EngineRun<Float>([[0, 0]], rule: SGD(learningRate: 0x1.4p-140))
    try run.step([[0x1p127, -0x1.8p120]])
    XCTAssertEqual(run.parameters, [[-0x1.4p-13, 0x1.ep-20]])
    var growing = try EngineRun<Float>([[0]], rule: SGD(learningRate: 0x1.4p140))
    try growing.step([[0x1p-140]])
    XCTAssertEqual(growing.parameters, [[-1.25]])
  }

  private func expect(
    _ rule: SGD, _ clipping: GradientClipping = .none, reads: Int, writes: Int, line: UInt = #line
  ) throws {
    var run = try EngineRun<Float>([[1, 2, 3]], rule: rule, clipping: clipping)
    for _ in 0..<2 {
      try run.step([[1, 2, 3]])
      for program in run.optimizer.lastPrograms {
        XCTAssertEqual(program.traffic, MemoryTraffic(reads: reads, writes: writes), "\(rule)", line: line)
      }
    }
  }
}
