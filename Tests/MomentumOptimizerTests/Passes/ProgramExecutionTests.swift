import MomentumTestSupport
import XCTest

@testable import Momentum

/// A program is data that can be run in more than one way: as BLAS calls by the engine, here as one plain loop over the
/// elements, with the same bits.
final class ProgramExecutionTests: XCTestCase {
  func testPlainLoopsGiveTheBitsOfTheCallsFloat() { compare(Float.self, seed: 41) }
  func testPlainLoopsGiveTheBitsOfTheCallsDouble() { compare(Double.self, seed: 42) }

  private func compare<S: BLASScalar>(_: S.Type, seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    let isFused = BLASTraits.behavior.axpyRounding == .fused
    for round in 0..<300 {
      let program = self.program(&random, S.self)
      let count = BLASTraits.granule * Int.random(in: 1...Tile.count / BLASTraits.granule, using: &random)
      let start: [[S]] = Operand.allCases.map { _ in random.numbers(count) }
      var expected = start
      for index in 0..<count { interpret(program, &expected, index, isFused) }

      let found = start.map { GuardedMemory($0) }
      let scratch = UnsafeMutablePointer<S>.allocate(capacity: 2 * Tile.count)
      defer { scratch.deallocate() }
      let storage = UnsafeMutableRawPointer.allocate(byteCount: TileProgram<S>.byteCount, alignment: 64)
      defer { storage.deallocate() }
      var tile = TileProgram<S>(storage: storage)
      withUnsafePointer(to: program) { tile.load($0, cacheBytes: .max, .blas) }
      var run = ProgramRun<S>()
      run.places = OperandPlaces(
        gradient: found[0].buffer.baseAddress, direction: found[1].buffer.baseAddress,
        parameters: found[2].buffer.baseAddress, average: found[3].buffer.baseAddress,
        secondMoment: found[4].buffer.baseAddress)
      run.places[base: .update] = found[5].buffer.baseAddress
      tile.bind(run.places, gradientCopy: scratch, copy: found[6].buffer.baseAddress!)
      BLASExecution(scaledTile: scratch + Tile.count).run(tile, run, at: 0, count, valid: count)

      for (operand, elements) in found.enumerated() {
        assertSameBits(
          expected[operand], elements.elements, seed: seed,
          "round \(round), operand \(operand), \(program.operations)")
      }
    }
  }

  /// A few operations such as rules append, the gradient only read.
  private func program<S: BLASScalar>(_ random: inout SeededGenerator, _: S.Type) -> StepProgram {
    var program = StepProgram()
    if Bool.random(using: &random) { program.append(.copy(from: .parameters, into: .copy)) }
    for _ in 0..<Int.random(in: 1...6, using: &random) {
      let factor = ScaledDouble(Double.random(in: -2...2, using: &random))
      let into = [Operand.direction, .parameters, .average, .secondMoment, .update].randomElement(using: &random)!
      let from = Operand.allCases.filter { $0 != into }.randomElement(using: &random)!
      switch Int.random(in: 0..<9, using: &random) {
      case 0: program.append(.scal(factor: factor, into))
      case 1: program.append(.copy(from: from, into: into))
      case 2: program.append(.sign(into))
      case 3: program.append(.averageSquares(decay: 0.75, factor: factor, from: from, into: into))
      case 4: program.append(.divideByRoot(of: from, epsilon: ScaledDouble(0x1p-3), into))
      default: program.append(.axpy(factor: factor, from: from, into: into))
      }
    }
    return program
  }

  /// Runs a program on one element of each operand.
  private func interpret<S: BLASScalar>(
    _ program: StepProgram, _ vectors: inout [[S]], _ index: Int, _ isFused: Bool
  ) {
    func place(_ operand: Operand) -> Int { Int(operand.rawValue) }
    for operation in program.operations {
      switch operation {
      case .axpy(let factor, let from, let into):
        let (x, y) = (vectors[place(from)][index], vectors[place(into)][index])
        let a = RoundedFactor<S>(factor).value
        vectors[place(into)][index] = isFused ? y.addingProduct(a, x) : y + a * x
      case .scal(let factor, let vector): vectors[place(vector)][index] *= RoundedFactor<S>(factor).value
      case .copy(let from, let into): vectors[place(into)][index] = vectors[place(from)][index]
      case .sign(let vector):
        let x = vectors[place(vector)][index]
        if !x.isNaN { vectors[place(vector)][index] = x > 0 ? 1 : x < 0 ? -1 : 0 }
      case .averageSquares(let decay, let factor, let from, let into):
        let (x, y) = (RoundedFactor<S>(factor).value * vectors[place(from)][index], vectors[place(into)][index])
        vectors[place(into)][index] = S(decay) * y + x * x
      case .divideByRoot(let root, let epsilon, let vector):
        vectors[place(vector)][index] /= vectors[place(root)][index].squareRoot() + S(epsilon.double)
      case .transform, .clearNonFinite, .clamp, .scaleUnits: XCTFail("no such operation was drawn")
      }
    }
  }

  func testTilesAreWholeGranulesAndBelowTheThreadingThreshold() {
    XCTAssertEqual(Tile.count % BLASTraits.granule, 0)
    XCTAssertLessThan(Tile.count, BLASTraits.leastThreadedCount)
  }
}
