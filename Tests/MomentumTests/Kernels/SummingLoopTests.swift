import CMomentumKernels
import MomentumTestSupport
import XCTest

@testable import Momentum

/// The loops that sum what they clamp, against the loops that do only the one, and sums that do only the other; and how loops that sum
/// are found.
final class SummingLoopTests: XCTestCase {
  func testClampingLoopsGiveTheBitsOfBothFloat() throws { try compareClamping(Float.self) }
  func testClampingLoopsGiveTheBitsOfBothDouble() throws { try compareClamping(Double.self) }

  private func compareClamping<S: BLASScalar>(_: S.Type) throws {
    let cases = FusedProgramCases<S>()
    var variant: Int32 = 0
    while S._squaresVariant(variant).vectorName != nil {
      var found = 0
      for number in cases.programs.indices {
        guard let loop = S._clampingLoop(variant, cases.programs[number]) else { continue }
        let plain = try XCTUnwrap(S._fusedLoop(cases.programs[number]), "\(cases.program(number))")
        found += 1
        // Ends behind blocks of all variants and amid one, and amid a vector; tiles of which the last is whole, and is not.
        for n in [1, 32, 96, 127, 2048, 2048 + 45, 2 * 2048] {
          compareClamping(cases, number, variant, loop, plain, n)
        }
        // Bounds that are equal, zeros of both signs, and without an end.
        for bounds in [(S(0.1), S(0.1)), (-0.0, 0), (0, 0), (-.infinity, -0.1), (0.1, .infinity)] {
          compareClamping(cases, number, variant, loop, plain, 2048 + 45, to: bounds)
        }
      }
      XCTAssertGreaterThan(found, 8, "variant \(variant)")
      variant += 1
    }
  }

  private func compareClamping<S: BLASScalar>(
    _ cases: FusedProgramCases<S>, _ number: Int, _ variant: Int32, _ loop: OpaquePointer, _ plain: OpaquePointer,
    _ n: Int, to bounds: (lower: S, upper: S)? = nil
  ) {
    // A clamp is the first operation of such a program.
    var factors = cases.factors
    if let bounds { (factors[0], factors[ProgramSignature.longest]) = (bounds.lower, bounds.upper) }
    let (lower, upper) = (factors[0], factors[ProgramSignature.longest])
    let what =
      "\(S.self), variant \(variant), program \(cases.program(number)), \(n) elements, \(lower) to \(upper)"
    let (one, two) = (memory(cases, n), memory(cases, n))
    // Once with elements that are not finite, which only the vectors and the count tell about, and once without.
    for isFinite in [false, true] {
      if isFinite {
        for vectors in [one, two] {
          for index in 0..<n { vectors[0].base[index] = S(index % 23) / 16 - 0.5 }
        }
      }
      let gradient = Array(one[0].readOnlyBuffer)
      let tiles = GuardedMemory([S](repeating: .nan, count: Tile.number(of: n)))
      let changed = one.map { $0.base as UnsafeMutablePointer? }.withUnsafeBufferPointer {
        S._runClamping(loop, variant, $0.baseAddress!, factors, n, into: tiles.base)
      }
      two.map { $0.base as UnsafeMutablePointer? }.withUnsafeBufferPointer {
        S._runFused(plain, $0.baseAddress!, factors, n, backwards: false)
      }
      XCTAssertTrue(tiles.guardsAreIntact, what)
      var expected = 0
      for tile in 0..<Tile.number(of: n) {
        let elements = Array(gradient[(tile * Tile.count)..<min(n, (tile + 1) * Tile.count)])
        var sums = [S.nan, .nan]
        expected += S._sumClampedSquares(variant, elements, elements.count, to: lower, upper, into: &sums)
        let sum = tiles.base[tile]
        XCTAssertTrue(sum == sums[1] || (sum.isNaN && sums[1].isNaN && !isFinite), "\(what), tile \(tile)")
      }
      XCTAssertEqual(changed, expected, what)
      XCTAssertTrue(n == 1 || 0 < changed && (changed < n || lower == upper), what)
      for (one, two) in zip(one, two) {
        XCTAssertNil(Closeness.firstDifferentNumber(one.readOnlyBuffer, two.readOnlyBuffer), what)
        XCTAssertTrue(one.guardsAreIntact, what)
      }
    }
  }

  func testTheLoopIsThatOfTheOrderOfThisBLAS() {
    var momentum = ProgramSignature()
    momentum.set(ProgramSignature.code(.axpy(Operand.gradient.rawValue), into: Operand.direction.rawValue), at: 0)
    momentum.set(ProgramSignature.code(.axpy(Operand.direction.rawValue), into: Operand.parameters.rawValue), at: 1)
    let vectors = [BLASTraits.behavior.floatNormLoop, BLASTraits.behavior.doubleNormLoop]
    XCTAssertEqual(SpeculativeLoop<Float>(momentum) != nil, vectors[0] != nil && BLASTraits.axpyFuses)
    XCTAssertEqual(SpeculativeLoop<Double>(momentum) != nil, vectors[1] != nil && BLASTraits.axpyFuses)
  }

  func testFoundLoopsAreThoseOfTheProgram() throws {
    let factors = UnsafeMutablePointer<Float>.allocate(capacity: ProgramLoop<Float>.factorCount)
    defer { factors.deallocate() }
    var found = FoundLoops<Float>()
    XCTAssertNil(found.find(ProgramSignature(), factors), "a program that does nothing has none")
    let cases = FusedProgramCases<Float>()
    // In turns with a program that nothing has a loop for, so that each is looked for anew, and once more as it is known.
    for number in cases.programs.indices {
      let signature = try XCTUnwrap(cases.program(number).signature)
      for _ in 0..<2 {
        let loop = found.find(signature, factors)
        XCTAssertEqual(loop != nil, hasLoops, "\(cases.program(number))")
        XCTAssertEqual(
          loop?.canSpeculate ?? false, SpeculativeLoop<Float>(signature) != nil, "\(cases.program(number))")
        XCTAssertEqual(loop?.canClamp ?? false, ClampingLoop<Float>(signature) != nil, "\(cases.program(number))")
      }
      var unknown = ProgramSignature()
      unknown.set(255, at: 0)
      XCTAssertNil(found.find(unknown, factors))
    }
  }

  func testFoundHalfLoopsAreThoseOfTheProgramAndTheStorage() throws {
    var (found, known) = (FoundLoops<Float>(), 0)
    let cases = FusedProgramCases<Float>()
    let storages: [FusedHalfLoop.Storage] = [
      .init(gradient: .bfloat16, hasHalfDirection: false, .float),
      .init(gradient: .float16, hasHalfDirection: false, .float),
      // Has no loop.
      .init(gradient: .float16, hasHalfDirection: true, .nearest),
      .init(gradient: .bfloat16, hasHalfDirection: true, .nearest),
    ]
    for number in cases.programs.indices {
      let signature = try XCTUnwrap(cases.program(number).signature)
      for storage in storages + storages.reversed() {
        let expected = FusedHalfLoop(signature, storage)
        XCTAssertEqual(found.find(signature, storage), expected, "\(cases.program(number))")
        if expected != nil { known += 1 }
      }
    }
    XCTAssertEqual(known > 8, hasLoops)
  }

  /// Whether this processor has loops that give the bits of this library.
  private var hasLoops: Bool { StepKernels.vectors != nil && BLASTraits.axpyFuses }

  private func memory<S: BLASScalar>(_ cases: FusedProgramCases<S>, _ n: Int) -> [GuardedMemory<S>] {
    cases.vectors.enumerated().map { GuardedMemory(Array($1[..<n]), shift: 3 * $0 % 16) }
  }
}
