import CMomentumKernels
import MomentumTestSupport
import XCTest

@testable import Momentum

/// The loops of whole programs, each variant that this processor runs against the operations one after another.
final class FusedLoopTests: XCTestCase {
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
    let programs = Self.programs
    XCTAssertGreaterThan(programs.count, 50)
    XCTAssertEqual(Set(programs).count, programs.count)
    XCTAssertEqual(momentum_fused_program(-1), 0)
  }

  func testLoopsGiveTheBitsOfTheirOperationsFloat() throws {
    try forEachVariant { name, loops in
      for program in Self.programs {
        let loop = try XCTUnwrap(loops.find_float(program), name)
        compare(Float.self, program, name) { loop($0, $1, $2) }
      }
      XCTAssertNil(loops.find_float(0), name)
    }
  }

  func testLoopsGiveTheBitsOfTheirOperationsDouble() throws {
    try forEachVariant { name, loops in
      for program in Self.programs {
        let loop = try XCTUnwrap(loops.find_double(program), name)
        compare(Double.self, program, name) { loop($0, $1, $2) }
      }
      XCTAssertNil(loops.find_double(0), name)
    }
  }

  private static let programs = (0...).lazy.map { momentum_fused_program($0) }.prefix { $0 != 0 } as [UInt64]

  private func forEachVariant(_ body: (String, momentum_fused_loops) throws -> Void) throws {
    guard momentum_fused_vectors() != nil else { throw XCTSkip("this processor has no loops") }
    var position: Int32 = 0
    while let loops = momentum_fused_loops_variant(position)?.pointee {
      try body(String(cString: loops.name), loops)
      position += 1
    }
    XCTAssertGreaterThan(position, 0)
    XCTAssertNil(momentum_fused_loops_variant(-1))
  }

  /// Runs a loop at several lengths and places, the memory around it guarded.
  private func compare<S: BLASScalar>(
    _: S.Type, _ program: UInt64, _ name: String,
    _ loop: (UnsafePointer<UnsafeMutablePointer<S>?>, UnsafePointer<S>, Int) -> Void
  ) {
    var random = SeededGenerator(seed: program)
    let special: [S] = [
      .nan, .infinity, -.infinity, 0, -0.0, .leastNonzeroMagnitude, .greatestFiniteMagnitude, 0.25, -0.25,
    ]
    for count in [0, 1, 7, 16, 21, 67] {
      var vectors: [[S]] = (0..<Operand.vectorCount).map { _ in random.numbers(count) }
      for vector in vectors.indices where count > 0 {
        for _ in 0..<count / 4 {
          vectors[vector][Int.random(in: 0..<count, using: &random)] = special.randomElement(using: &random)!
        }
      }
      // The lower bound of a clamp, or the factor; then the upper bound, or the decay.
      let factors: [S] = (0..<8).map { _ in S(Double.random(in: -0.3 ... -0.2, using: &random)) }
      let bounds: [S] = (0..<8).map { _ in S(Double.random(in: 0.2...0.3, using: &random)) }

      let memory = vectors.map { GuardedMemory($0) }
      memory.map(\.buffer.baseAddress).withUnsafeBufferPointer { loop($0.baseAddress!, factors + bounds, count) }
      for index in 0..<count { interpret(program, &vectors, index, factors, bounds) }
      for (operand, expected) in vectors.enumerated() {
        let found = memory[operand].elements
        // A NaN is one, whatever its payload.
        let isSame = zip(expected, found).allSatisfy { $0.isNaN ? $1.isNaN : $0 == $1 && $0.sign == $1.sign }
        XCTAssertTrue(
          isSame && expected.count == found.count,
          "\(name), \(S.self), program \(String(program, radix: 16)), count \(count), operand \(operand)")
      }
    }
  }

  /// Runs a program on one element of each vector.
  private func interpret<S: BLASScalar>(
    _ program: UInt64, _ vectors: inout [[S]], _ index: Int, _ factors: [S], _ bounds: [S]
  ) {
    let operands = UInt64(MOMENTUM_FUSED_OPERANDS.rawValue)
    var x = vectors.map { $0[index] } + [0]
    // What a filter leaves for the operations after it stays out of memory.
    var isFiltered = false
    for position in 0..<8 where program >> (8 * position) & 0xff != 0 {
      let code = program >> (8 * position) & 0xff - 1
      let (verb, into) = (UInt32(code / operands), Int(code % operands))
      let (factor, bound) = (factors[position], bounds[position])
      let from = Int(verb) % Int(operands)
      switch verb {
      case MOMENTUM_FUSED_SCAL.rawValue: x[into] = factor * x[into]
      case MOMENTUM_FUSED_SIGN.rawValue: x[into] = x[into].isNaN ? x[into] : x[into] > 0 ? 1 : x[into] < 0 ? -1 : 0
      case MOMENTUM_FUSED_CLEAR.rawValue:
        x[0] = x[0].isFinite ? x[0] : 0
        isFiltered = isFiltered || into != 0
      case MOMENTUM_FUSED_CLAMP.rawValue:
        x[0] = x[0] < factor ? factor : x[0] > bound ? bound : x[0]
        isFiltered = isFiltered || into != 0
      case MOMENTUM_FUSED_ASSIGN.rawValue..<MOMENTUM_FUSED_AVERAGE_SQUARES.rawValue: x[into] = x[from]
      case MOMENTUM_FUSED_AVERAGE_SQUARES.rawValue..<MOMENTUM_FUSED_DIVIDE_BY_ROOT.rawValue:
        x[into] = bound * x[into] + (factor * x[from]) * (factor * x[from])
      case MOMENTUM_FUSED_DIVIDE_BY_ROOT.rawValue..<MOMENTUM_FUSED_SCAL.rawValue:
        x[into] /= x[from].squareRoot() + factor
      default: x[into] = x[into].addingProduct(factor, x[from])
      }
    }
    for operand in vectors.indices where operand != 0 || !isFiltered { vectors[operand][index] = x[operand] }
  }
}
