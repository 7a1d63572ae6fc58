import CMomentumKernels
import MomentumTestSupport
import XCTest

@testable import Momentum

/// The loops that run a program piece by piece and sum the next piece beside, against loops that only run it, and sums that only sum.
final class SpeculativeLoopTests: XCTestCase {
  func testLoopsGiveTheBitsOfBothFloat() throws { try compare(Float.self) }
  func testLoopsGiveTheBitsOfBothDouble() throws { try compare(Double.self) }

  /// Another length would move the bits of clipped steps.
  func testPiecesAreTilesOfFloatsAndHalvesOfTilesOfDoubles() {
    func pieces<S: BLASScalar>(_: S.Type) -> [Int] {
      [(TileMeasure.squares, false), (.squares, true), (.portableSquares, false)].map {
        SpeculativeTrial<S>(largestSum: 1, $0, ignoresNonFinite: false, isHalf: $1).piece
      }
    }
    XCTAssertEqual(pieces(Float.self), [2048, 2048, 2048])
    XCTAssertEqual(pieces(Double.self), [1024, 2048, 2048])
  }

  private func compare<S: BLASScalar>(_: S.Type) throws {
    let cases = FusedProgramCases<S>()
    var variant: Int32 = 0
    while S._squaresVariant(variant).vectorName != nil {
      var found = 0
      for number in cases.programs.indices {
        guard let loop = S._speculativeLoop(variant, cases.programs[number]) else { continue }
        found += 1
        let plain = try XCTUnwrap(S._fusedLoop(cases.programs[number]), "\(cases.program(number))")
        // Whole tiles and pieces, and ends that leave every kind of rest: of a tile, a piece, a block, a vector.
        for n in [1, 9, 64, 100, 1024, 1025, 2047, 2048, 2049, 3072, 4096, 4097, 5000, 6200, 8192] {
          for piece in [512, 1024, 2048] {
            let run = Run(cases, cases.program(number), variant, loop, plain, n, piece)
            run.expectAllUpdated()
            // What stops a loop is the same code for all programs.
            if found == 1 { run.expectStops() }
          }
        }
      }
      XCTAssertGreaterThan(found, 17, "variant \(variant)")
      variant += 1
    }
  }

  /// The runs of one loop on n elements.
  private struct Run<S: BLASScalar> {
    let cases: FusedProgramCases<S>
    let variant: Int32
    let loop, plain: OpaquePointer
    let n, piece: Int
    let what: String
    let gradient: [S]

    init(
      _ cases: FusedProgramCases<S>, _ program: StepProgram, _ variant: Int32, _ loop: OpaquePointer,
      _ plain: OpaquePointer, _ n: Int, _ piece: Int
    ) {
      (self.cases, self.variant, self.loop, self.plain) = (cases, variant, loop, plain)
      (self.n, self.piece) = (n, piece)
      what = "\(S.self), variant \(variant), program \(program), \(n) elements, pieces of \(piece)"
      var random = SeededGenerator(seed: UInt64(n + piece))
      gradient = random.numbers(n)
    }

    /// The dot products of the parts of a length that lie before a position.
    private func dots(of gradient: [S], length: Int, before end: Int) -> [S] {
      stride(from: 0, to: end, by: length).map { start in
        var sum = S.nan
        gradient[start..<min(start + length, end)].withUnsafeBufferPointer {
          S._sumSquares(variant, $0.baseAddress!, $0.count, fetchingNext: false, into: &sum)
        }
        return sum
      }
    }

    private func memory(_ gradient: [S]) -> [GuardedMemory<S>] {
      cases.vectors.enumerated().map {
        GuardedMemory($0 == Int(Operand.gradient.rawValue) ? gradient : Array($1[..<n]), shift: (3 * $0 + n) % 16)
      }
    }

    func expectAllUpdated() { expect(gradient, upTo: .infinity, updates: n, "no limit") }

    /// Stops before the piece that exceeds the limit, whichever it is, and before one that is not finite.
    func expectStops() {
      var sum = 1.0  // what there was before
      for (number, dot) in dots(of: gradient, length: piece, before: n).enumerated() {
        let (before, after) = (sum, sum + Double(dot))
        let position = number * piece
        expect(gradient, upTo: after.nextDown, updates: position, "a limit before piece \(number)")
        expect(gradient, upTo: after, updates: stop(after: position, sum: before, limit: after), "at \(number)")
        for special in [S.nan, -.infinity, .greatestFiniteMagnitude] {
          var other = gradient
          other[min(position + piece, n) - 1] = special
          expect(other, upTo: .infinity, updates: position, "\(special) in piece \(number)")
        }
        sum = after
      }
    }

    /// The end of the last piece that keeps to a limit, of those from a position on.
    private func stop(after position: Int, sum: Double, limit: Double) -> Int {
      var (sum, end) = (sum, position)
      for dot in dots(of: gradient, length: piece, before: n).dropFirst(position / piece) {
        sum += Double(dot)
        guard sum <= limit else { break }
        end = min(end + piece, n)
      }
      return end
    }

    private func expect(_ gradient: [S], upTo limit: Double, updates end: Int, _ why: String) {
      let what = "\(what), \(why)"
      let (one, two) = (memory(gradient), memory(gradient))
      let tiles = GuardedMemory([S](repeating: .nan, count: (n + Tile.count - 1) / Tile.count))
      var sum = 1.0
      let updated = one.map { $0.base as UnsafeMutablePointer? }.withUnsafeBufferPointer {
        S._runSpeculatively(
          loop, variant, $0.baseAddress!, cases.factors, n, piece: piece, upTo: limit, sum: &sum, into: tiles.base)
      }
      guard updated == end else { return XCTFail("\(what): \(updated) elements instead of \(end)") }
      two.map { $0.base as UnsafeMutablePointer? }.withUnsafeBufferPointer {
        S._runFused(plain, $0.baseAddress!, cases.factors, end, backwards: false)
      }
      XCTAssertEqual(sum, dots(of: gradient, length: piece, before: end).reduce(1.0) { $0 + Double($1) }, what)
      let whole = end == n ? n : end & -Tile.count
      XCTAssertEqual(
        Array(tiles.readOnlyBuffer.prefix((whole + Tile.count - 1) / Tile.count)),
        dots(of: gradient, length: Tile.count, before: whole), what)
      XCTAssertTrue(tiles.guardsAreIntact, what)
      for (one, two) in zip(one, two) {
        XCTAssertNil(Closeness.firstDifferentNumber(one.readOnlyBuffer, two.readOnlyBuffer), what)
        XCTAssertTrue(one.guardsAreIntact, what)
      }
    }
  }
}
