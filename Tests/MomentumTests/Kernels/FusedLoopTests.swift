import CMomentumKernels
import CMomentumLoadedBLAS
import MomentumTestSupport
import XCTest

@testable import Momentum

/// The loops of whole programs: each variant that this processor runs against the operations one after another, and those
/// against the calls of BLAS that the engine makes of them.
final class FusedLoopTests: XCTestCase {
  private typealias Loop<S> = (UnsafePointer<UnsafeMutablePointer<S>?>, UnsafePointer<S>, Int, _ backwards: Int32) ->
    Void

  func testOperandsHaveTheNumbersOfTheLoops() {
    let numbers: [(Operand, momentum_fused_operand)] = [
      (.gradient, MOMENTUM_FUSED_GRADIENT), (.direction, MOMENTUM_FUSED_DIRECTION),
      (.parameters, MOMENTUM_FUSED_PARAMETERS), (.average, MOMENTUM_FUSED_AVERAGE),
      (.secondMoment, MOMENTUM_FUSED_SECOND_MOMENT), (.update, MOMENTUM_FUSED_UPDATE),
      (.copy, MOMENTUM_FUSED_COPY),
    ]
    for (operand, number) in numbers { XCTAssertEqual(UInt32(operand.rawValue), number.rawValue) }
    XCTAssertEqual(Operand.allCases.count, Int(MOMENTUM_FUSED_OPERANDS.rawValue))
    XCTAssertEqual(Operand.vectorCount, Int(MOMENTUM_FUSED_COPY.rawValue))
  }

  func testProgramsAreDistinct() {
    let programs = FusedProgramCases<Float>.programs
    XCTAssertGreaterThan(programs.count, 50)
    XCTAssertEqual(Set(programs).count, programs.count)
    XCTAssertEqual(momentum_fused_program(-1), 0)
  }

  /// So that no test below is skipped where there is something to test.
  func testEveryProcessorThatFusesHasLoops() {
    #if arch(arm64)
      let fuses = true
    #else
      let fuses = momentum_processor_vectors().has_256_bits != 0
    #endif
    XCTAssertEqual(momentum_fused_vectors() != nil, fuses)
    XCTAssertEqual(momentum_fused_loops_variant(0) != nil, fuses)
    XCTAssertEqual(momentum_has_tile_products() != 0, fuses)
    XCTAssertEqual(momentum_tile_products_variant(0) != nil, fuses)
    #if arch(x86_64)
      XCTAssertEqual(momentum_squares_variant_float(0).pointee.vector_name != nil, fuses)
      XCTAssertEqual(momentum_squares_variant_double(0).pointee.vector_name != nil, fuses)
    #endif
  }

  // MARK: Against the operations

  func testLoopsGiveTheBitsOfTheirOperationsFloat() throws {
    let cases = FusedProgramCases<Float>()
    try forEachVariant { name, loops in
      XCTAssertNil(loops.find_float(0), name)
      let found = try cases.programs.map { program -> Loop<Float> in
        let loop = try XCTUnwrap(loops.find_float(program), name)
        return { loop($0, $1, $2, $3) }
      }
      compare(cases, name, found)
    }
  }

  func testLoopsGiveTheBitsOfTheirOperationsDouble() throws {
    let cases = FusedProgramCases<Double>()
    try forEachVariant { name, loops in
      XCTAssertNil(loops.find_double(0), name)
      let found = try cases.programs.map { program -> Loop<Double> in
        let loop = try XCTUnwrap(loops.find_double(program), name)
        return { loop($0, $1, $2, $3) }
      }
      compare(cases, name, found)
    }
  }

  private func forEachVariant(_ body: (String, momentum_fused_loops) throws -> Void) throws {
    var position: Int32 = 0
    while let loops = momentum_fused_loops_variant(position)?.pointee {
      try body(String(cString: loops.name), loops)
      position += 1
    }
    XCTAssertEqual(position > 0, momentum_fused_vectors() != nil)
    XCTAssertNil(momentum_fused_loops_variant(-1))
  }

  /// Runs the loops of all programs at every length, in both orders: at some on vectors that begin with a cache line, at
  /// others on such that begin anywhere, each somewhere else. Ends at the first difference.
  private func compare<S: BLASScalar>(_ cases: FusedProgramCases<S>, _ name: String, _ loops: [Loop<S>]) {
    for count in FusedProgramCases<S>.counts {
      let shift = count % 3 == 0 ? 0 : 1 + count % 15
      let memory = cases.vectors.enumerated().map { operand, vector in
        GuardedMemory(Array(vector[..<count]), shift: shift * (2 * operand + 1) % 16)
      }
      for (program, loop) in loops.enumerated() {
        for backwards in [Int32(0), 1] {
          for (vector, memory) in zip(cases.vectors, memory) {
            vector.withUnsafeBufferPointer { memory.base.update(from: $0.baseAddress!, count: count) }
          }
          memory.map { $0.base as UnsafeMutablePointer? }.withUnsafeBufferPointer {
            loop($0.baseAddress!, cases.factors, count, backwards)
          }
          for (operand, (expected, memory)) in zip(cases.expected[program], memory).enumerated() {
            let difference = expected.withUnsafeBufferPointer {
              Closeness.firstDifferentNumber(UnsafeBufferPointer(rebasing: $0[..<count]), memory.readOnlyBuffer)
            }
            if difference == nil, memory.guardsAreIntact { continue }
            return XCTFail(
              """
              \(name), \(S.self), program \(cases.program(program)), count \(count), shift \(shift), backwards \(backwards), \
              operand \(operand): \
              \(difference.map { "\(memory.buffer[$0]), not \(expected[$0]), at \($0)" } ?? "written beside the vector")
              """)
          }
        }
      }
    }
  }

  // MARK: Against calls of BLAS

  func testOperationsHaveTheBitsOfBLASFloat() throws { try compareCalls(Float.self) }
  func testOperationsHaveTheBitsOfBLASDouble() throws { try compareCalls(Double.self) }

  private func compareCalls<S: BLASScalar>(_: S.Type) throws {
    let cases = FusedProgramCases<S>()
    let scratch = UnsafeMutableRawPointer.allocate(byteCount: ThreadScratch<S>.byteCount, alignment: 64)
    defer { scratch.deallocate() }
    for number in cases.programs.indices {
      let program = cases.program(number)
      var runner = TileRunner<S>(ThreadScratch(scratch, thread: 0))
      withUnsafePointer(to: program) { runner.program.load($0, cacheBytes: .max, .fused) }
      // Where BLAS rounds an axpy twice its bits are others, and no loop runs in its place.
      guard BLASTraits.axpyFuses else {
        XCTAssertNil(runner.program.loop, "\(program)")
        continue
      }
      XCTAssertEqual(runner.program.signature?.number, cases.programs[number], "\(program)")
      withUnsafePointer(to: program) { runner.program.load($0, cacheBytes: .max, .blas) }
      XCTAssertNil(runner.program.loop)

      for order in [PassOrder.forwards, .backwards] {
        let memory = cases.vectors.enumerated().map { GuardedMemory($1, shift: $0) }
        for operand in Operand.allCases.dropLast() {
          runner.current.places[base: operand] = memory[Int(operand.rawValue)].base
        }
        runner.execute(memory[0].count, order)
        for (operand, memory) in memory.enumerated() {
          let difference = cases.expected[number][operand].withUnsafeBufferPointer {
            Closeness.firstDifferentNumber($0, memory.readOnlyBuffer)
          }
          XCTAssertNil(difference, "\(S.self), \(order), program \(program), operand \(operand)")
          XCTAssertTrue(memory.guardsAreIntact, "\(program)")
        }
      }
    }
  }
}
