import CMomentumKernels
import MomentumTestSupport
import XCTest

@testable import Momentum

/// The loops that run a program on one tile and sum the squares of the next one: against the loops that do only the one, and
/// sums that do only the other.
final class SummingLoopTests: XCTestCase {
  func testLoopsGiveTheBitsOfBothFloat() throws { try compare(Float.self) }
  func testLoopsGiveTheBitsOfBothDouble() throws { try compare(Double.self) }

  private func compare<S: BLASScalar>(_: S.Type) throws {
    let cases = FusedProgramCases<S>()
    let squares = TileSquares<S>(prefersLoops: true)
    var found = 0
    for number in cases.programs.indices {
      var signature = ProgramSignature()
      for position in 0..<8 {
        signature.set(UInt8(truncatingIfNeeded: cases.programs[number] >> (8 * position)), at: position)
      }
      guard let loop = SummingLoop<S>(signature) else { continue }
      let plain = try XCTUnwrap(FusedLoop<S>(signature), "\(cases.program(number))")
      found += 1
      // A tile is as long as the one before it, or shorter; the shortest vectors test every remainder of a block.
      for (n, nextCount) in [
        (2048, 2048), (2048, 2047), (2048, 33), (2048, 1), (2048, 1024), (100, 97), (70, 64), (31, 9),
      ] {
        compare(cases, number, loop, plain, squares, n, nextCount)
      }
    }
    // There are such loops for the vectors that loops of squares use.
    XCTAssertEqual(found > 8, momentum_squares_vectors(0) != nil && BLASTraits.axpyFuses, "\(found) loops")
  }

  private func compare<S: BLASScalar>(
    _ cases: FusedProgramCases<S>, _ number: Int, _ loop: SummingLoop<S>, _ plain: FusedLoop<S>,
    _ squares: TileSquares<S>, _ n: Int, _ nextCount: Int
  ) {
    let what = "\(S.self), program \(cases.program(number)), \(n) and \(nextCount) elements"
    let (one, two) = (memory(cases, n), memory(cases, n))
    var random = SeededGenerator(seed: UInt64(n + nextCount))
    let next = GuardedMemory(random.numbers(nextCount) as [S], shift: nextCount % 7)
    let lanes = GuardedMemory([S](repeating: .nan, count: S._squaresLanes))
    one.map { $0.base as UnsafeMutablePointer? }.withUnsafeBufferPointer {
      loop.run($0.baseAddress!, cases.factors, n, next: next.base, nextCount & -lanes.count, into: lanes.base)
    }
    two.map { $0.base as UnsafeMutablePointer? }.withUnsafeBufferPointer {
      plain.run($0.baseAddress!, cases.factors, n)
    }
    XCTAssertTrue(lanes.guardsAreIntact, what)
    // Another BLAS sums in an order of its own.
    if squares.takesLanes {
      let sum = squares.sum(ofTile: next.base, nextCount) { count, target in
        XCTAssertEqual(count, nextCount & -lanes.count, what)
        target.update(from: lanes.base, count: lanes.count)
      }
      XCTAssertEqual(sum, TileSum.dot(next.base, nextCount), what)
    }
    for (one, two) in zip(one, two) {
      XCTAssertNil(Closeness.firstDifferentNumber(one.readOnlyBuffer, two.readOnlyBuffer), what)
      XCTAssertTrue(one.guardsAreIntact, what)
    }
  }

  private func memory<S: BLASScalar>(_ cases: FusedProgramCases<S>, _ n: Int) -> [GuardedMemory<S>] {
    cases.vectors.enumerated().map { GuardedMemory(Array($1[..<n]), shift: 3 * $0 % 16) }
  }
}
