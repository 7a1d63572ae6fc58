import CMomentumKernels
import CMomentumLoadedBLAS
import MomentumTestSupport
import XCTest

@testable import Momentum

/// Sums of squares by loops over several tiles have the bits of one dot product a tile.
final class SquaresLoopTests: XCTestCase {
  override func tearDown() { StepKernels.outsideSteps = .automatic }

  func testOpenBLASKernelsHaveALoop() {
    let loops = [BLASTraits.behavior.floatNormLoop, BLASTraits.behavior.doubleNormLoop]
    // The widest vectors of this processor that a loop is written for.
    var widest: String?
    var variant: Int32 = 0
    while let vectors = Float._squaresVariant(variant).vectorName {
      (widest, variant) = (String(cString: vectors), variant + 1)
    }
    let core = BLAS.LibraryInfo.current.coreName ?? ""
    let isNarrow = ["Haswell", "Zen"].contains(core)
    let isWide = ["SkylakeX", "Cooperlake", "SapphireRapids"].contains(core)
    if widest == nil {
      XCTAssertEqual(loops, [nil, nil], "this processor has no loops")
    } else if isNarrow || isWide {
      XCTAssertEqual(loops, [widest, widest], core)
    } else {
      XCTAssertTrue(
        loops.allSatisfy { $0 == nil || $0 == widest }, "the order of these kernels is whatever it is: \(loops)")
    }
    XCTAssertEqual(BLASTraits.squaresVariant(Float.self), BLASTraits.behavior.floatSquaresVariant)
    XCTAssertEqual(BLASTraits.squaresVariant(Double.self), BLASTraits.behavior.doubleSquaresVariant)
    XCTAssertNil(Float._squaresVariant(-1).vectorName)
    XCTAssertNil(Double._squaresVariant(-1).vectorName)
    // As many sums as a call may give.
    XCTAssertEqual(TileSquares<Float>.Sums(repeating: 0).count, Int(MOMENTUM_SQUARES_TILES))
  }

  // MARK: The probe

  func testTheProbeNoticesAnotherOrderFloat() { probeNoticesAnotherOrder(Float.self) }
  func testTheProbeNoticesAnotherOrderDouble() { probeNoticesAnotherOrder(Double.self) }

  private func probeNoticesAnotherOrder<S: BLASScalar>(_: S.Type) {
    func dots(_ x: UnsafePointer<S>, _ n: Int, _ sums: UnsafeMutablePointer<S>) {
      for (index, start) in stride(from: 0, to: n, by: Tile.count).enumerated() {
        sums[index] = S._dot(Int32(min(Tile.count, n - start)), x + start, 1, x + start, 1)
      }
    }
    let tiles = Int(MOMENTUM_SQUARES_TILES)
    XCTAssertTrue(BLAS.Behavior.sumsAgree(S.self, tiles: tiles, dots))
    // Off by one bit in the last tile of one length only.
    for wrong in [1, 131, Tile.count + 31, 2 * Tile.count + 97, 3 * Tile.count, tiles * Tile.count] {
      let agree = BLAS.Behavior.sumsAgree(S.self, tiles: tiles) { x, n, sums in
        dots(x, n, sums)
        if n == wrong { sums[Tile.number(of: n) - 1] = sums[Tile.number(of: n) - 1].nextUp }
      }
      XCTAssertFalse(agree, "\(wrong)")
    }
    // Loops for other libraries: some differ in the last elements of a call alone.
    if let variant = BLASTraits.squaresVariant(Double.self), S.self == Double.self {
      var other: Int32 = 0
      while S._squaresVariant(other).vectorName != nil {
        // Narrower vectors in the same order have the same bits: two variants before.
        let isSameOrder = other == variant || other == variant - 2 && variant < 4
        let agree = BLAS.Behavior.sumsAgree(S.self, tiles: S._squaresVariant(other).most) {
          S._sumSquares(other, $0, $1, fetchingNext: false, into: $2)
        }
        XCTAssertEqual(agree, isSameOrder, "\(other)")
        other += 1
      }
    }
    // Another order of the same numbers.
    let agree = BLAS.Behavior.sumsAgree(S.self, tiles: tiles) { x, n, sums in
      let reversed = Array(UnsafeBufferPointer(start: x, count: n))
      for (index, start) in stride(from: 0, to: n, by: Tile.count).enumerated() {
        let tile = Array(reversed[start..<min(start + Tile.count, n)].reversed())
        sums[index] = tile.withUnsafeBufferPointer { S._dot(Int32($0.count), $0.baseAddress!, 1, $0.baseAddress!, 1) }
      }
    }
    XCTAssertFalse(agree)
  }

  // MARK: Loops

  func testSumsHaveTheBitsOfDotFloat() throws { try sumsHaveTheBitsOfDot(Float.self) }
  func testSumsHaveTheBitsOfDotDouble() throws { try sumsHaveTheBitsOfDot(Double.self) }

  private func sumsHaveTheBitsOfDot<S: BLASScalar>(_: S.Type) throws {
    // Where no loop has the bits of this BLAS, its dot is called either way.
    var random = SeededGenerator(seed: 141)
    let (squares, dots) = (TileSquares<S>(prefersLoops: true), TileSquares<S>(prefersLoops: false))
    let most = 8 * Tile.count
    let near = (0...5).flatMap { tiles in (-70...70).map { tiles * Tile.count + $0 } }
    let lengths = Set(near + Array(stride(from: 1, through: most, by: 137))).filter { (1...most).contains($0) }.sorted()
    let (small, large) = (S.leastNormalMagnitude.exponent - 20, S.greatestFiniteMagnitude.exponent)
    for exponents in [-1...1, -40...40, small...large / 2 - 8, small...large / 2 + 2] {
      let all: [S] = random.numbers(most, exponents: exponents)
      for length in lengths {
        var x = Array(all[..<length])
        if length % 11 == 3 { x[length / 2] = length % 2 == 0 ? .nan : .infinity }
        let memory = GuardedMemory(x, shift: length % 16)
        let base = memory.readOnlyBuffer.baseAddress!
        var (start, sums, dot) = (0, TileSquares<S>.Sums(repeating: 0), TileSquares<S>.Sums(repeating: 0))
        while start < length {
          let tiles = squares.sum(base + start, length - start, into: &sums)
          XCTAssertLessThanOrEqual(tiles, Int(MOMENTUM_SQUARES_TILES))
          for tile in 0..<tiles {
            XCTAssertEqual(dots.sum(base + start, length - start, into: &dot), 1)
            XCTAssert(
              sums[tile].isNaN ? dot[0].isNaN : sums[tile] == dot[0],
              "\(length) elements of \(exponents) from \(start): \(sums[tile]), expected \(dot[0])")
            start += Tile.count
          }
        }
        XCTAssertGreaterThanOrEqual(start, length)
      }
    }
  }

  func testClampedSumsHaveTheBitsOfDotFloat() throws { try clampedSumsHaveTheBitsOfDot(Float.self) }
  func testClampedSumsHaveTheBitsOfDotDouble() throws { try clampedSumsHaveTheBitsOfDot(Double.self) }

  private func clampedSumsHaveTheBitsOfDot<S: BLASScalar>(_: S.Type) throws {
    let squares = TileSquares<S>(prefersLoops: true)
    var sums = TileSquares<S>.Sums(repeating: 0)
    XCTAssertNil(TileSquares<S>(prefersLoops: false).sumClamped([1], 1, to: -1, 1, into: &sums))
    guard BLASTraits.squaresVariant(S.self) != nil else {
      return XCTAssertNil(squares.sumClamped([1], 1, to: -1, 1, into: &sums), "no loop has the bits of this BLAS")
    }
    var random = SeededGenerator(seed: 144)
    let bounds: [(S, S)] = [
      (-0.5, 0.5), (-1e-3, 1.25), (0, 1), (-1, -0.0), (-.infinity, .infinity), (-1e-30, 1e-30), (2, 3),
    ]
    var clamped = [S](repeating: 0, count: Tile.count)
    for length in Array(1...140) + Array(Tile.count - 70...Tile.count) {
      for (number, (lower, upper)) in bounds.enumerated() {
        var x: [S] = random.numbers(length, exponents: -3...1)
        if length % 5 == 1 { x[length / 2] = -0.0 }
        if length % 5 == 2 { x[length / 3] = lower }
        if length % 7 == 3 { x[length - 1] = number % 2 == 0 ? .nan : -.infinity }
        if length % 7 == 4 { x[0] = number % 2 == 0 ? .infinity : -.nan }
        let memory = GuardedMemory(x, shift: length % 16)
        let base = memory.readOnlyBuffer.baseAddress!
        let changed = squares.sumClamped(base, length, to: lower, upper, into: &sums)
        let dot = TileSum.dot(base, length)
        // The elements are looked at one by one: a clamp counts numbers only.
        var expected = 0
        for (index, value) in x.enumerated() {
          clamped[index] = value < lower ? lower : value > upper ? upper : value
          if clamped[index] < value || clamped[index] > value { expected += 1 }
        }
        let what = "\(length) elements between \(lower) and \(upper)"
        XCTAssertEqual(changed, expected, what)
        XCTAssert(dot.isNaN ? sums[0].isNaN : sums[0] == dot, what)
        let other = clamped.withUnsafeBufferPointer { TileSum.dot($0.baseAddress!, length) }
        XCTAssert(other.isNaN ? sums[1].isNaN : sums[1] == other, "\(what): \(sums[1]), expected \(other)")
      }
    }
  }

  /// The order of Haswell's kernels in vectors of 512 bits, whatever the BLAS at hand does.
  func testWiderVectorsGiveTheSameBitsInTheSameOrder() throws {
    guard Float._squaresVariant(1).vectorName != nil else { throw XCTSkip("this processor has no AVX-512") }
    compareOrders(Float.self, [(0, 1)])
    compareOrders(Double.self, [(0, 2), (1, 3)])
  }

  private func compareOrders<S: BLASScalar>(_: S.Type, _ pairs: [(Int32, Int32)]) {
    var random = SeededGenerator(seed: 145)
    let all: [S] = random.numbers(3 * Tile.count, exponents: -30...30)
    for length in Array(1...200) + [Tile.count + 99, 2 * Tile.count + 17, 3 * Tile.count - 40, 3 * Tile.count] {
      for (narrow, wide) in pairs {
        for bounds in [(S(-3), S(3)), (-0.5, 2)] {
          var (one, two) = ([S](repeating: 0, count: 3), [S](repeating: 0, count: 3))
          S._sumSquares(narrow, all, length, fetchingNext: false, into: &one)
          // To fetch what comes next, which may be nobody's memory, changes nothing.
          S._sumSquares(wide, all, length, fetchingNext: true, into: &two)
          XCTAssertEqual(one, two, "\(length) elements, variants \(narrow) and \(wide)")
          let n = min(length, Tile.count)
          let counts = (
            S._sumClampedSquares(narrow, all, n, to: bounds.0, bounds.1, into: &one),
            S._sumClampedSquares(wide, all, n, to: bounds.0, bounds.1, into: &two)
          )
          XCTAssertEqual(counts.0, counts.1, "\(n) elements between \(bounds)")
          XCTAssertEqual(one, two, "\(n) elements between \(bounds), variants \(narrow) and \(wide)")
        }
      }
    }
  }

  // MARK: Norms and steps

  func testNormsHaveTheSameBitsFloat() throws { try normsHaveTheSameBits(Float.self) }
  func testNormsHaveTheSameBitsDouble() throws { try normsHaveTheSameBits(Double.self) }

  private func normsHaveTheSameBits<S: BLASScalar>(_: S.Type) throws {
    var random = SeededGenerator(seed: 142)
    for tiles in 0...9 {
      for rest in [1, 77, Tile.count] {
        var x: [S] = random.numbers(tiles * Tile.count + rest, exponents: -20...20)
        for special in [nil, S.nan, .infinity, 0] {
          if let special { x[min(x.count - 1, (tiles / 2) * Tile.count + 5)] = special }
          if special == 0 { for i in x.indices.suffix(Tile.count) { x[i] = 0 } }
          let memory = GuardedMemory(x, shift: tiles)
          let buffers = [memory.readOnlyBuffer, UnsafeBufferPointer(rebasing: memory.readOnlyBuffer.dropFirst(3))]
          var found: [StepKernels: (NormReport, NormReport, NormPartial)] = [:]
          for kernels in [StepKernels.blas, .fused] {
            StepKernels.outsideSteps = kernels
            for threads in [1, 3] {
              try ThreadTeam.withWorthwhileCount(Tile.count) {
                let result = try (
                  Gradients.norm(of: buffers[0], threads: threads), Gradients.norm(of: buffers, threads: threads),
                  NormPartial(of: buffers[0], threads: threads)
                )
                guard let first = found[kernels] else { return found[kernels] = result }
                XCTAssertTrue(same(first.0, result.0) && same(first.1, result.1) && first.2 == result.2)
              }
            }
          }
          let (blas, fused) = (found[.blas]!, found[.fused]!)
          let what = "\(x.count) elements, \(String(describing: special))"
          XCTAssertTrue(same(blas.0, fused.0), what)
          XCTAssertTrue(same(blas.1, fused.1), what)
          XCTAssertEqual(blas.2, fused.2, what)
        }
      }
    }
  }

  private func same(_ x: NormReport, _ y: NormReport) -> Bool {
    x.norm.bitPattern == y.norm.bitPattern && x.nanCount == y.nanCount && x.infinityCount == y.infinityCount
  }

  func testStepsHaveTheSameBitsFloat() throws { try stepsHaveTheSameBits(Float.self) }
  func testStepsHaveTheSameBitsDouble() throws { try stepsHaveTheSameBits(Double.self) }

  /// Tensors of up to nine tiles, whose gradients are measured before the step, with clipping by value, or tile by tile.
  private func stepsHaveTheSameBits<S: BLASScalar>(_: S.Type) throws {
    let layout = try ParameterLayout([
      ("a", [4 * Tile.count]), ("b", [3]), ("c", [2 * Tile.count + 9]), ("d", [9 * Tile.count - 1]),
      ("e", [Tile.count]),
    ])
    let settings: [(GradientClipping, StepMode)] = [
      (try .byGlobalNorm(0.5), .twoPass), (try GradientClipping(value: -0.9...0.5), .twoPass),
      (try .byGlobalNorm(1e4), .onePass), (try .byGlobalNorm(60), .onePass),
    ]
    for (clipping, mode) in settings {
      var (results, reports): ([[S]], [[StepReport]]) = ([], [])
      for (kernels, threads) in [(StepKernels.blas, 1), (.fused, 1), (.fused, 3)] {
        try ThreadTeam.withWorthwhileCount(Tile.count) {
          var random = SeededGenerator(seed: 143)
          var parameters: [S] = random.numbers(layout.count)
          var optimizer = try Optimizer<S>(
            layout, rule: try SGD(learningRate: 0.1, momentum: 0.9), clipping: clipping, nonFinitePolicy: .zero,
            mode: mode, threads: threads)
          optimizer.kernels = kernels
          var steps: [StepReport] = []
          for step in 0..<3 {
            var gradient: [S] = random.numbers(layout.count)
            if step == 1 { gradient[5 * Tile.count] = .nan }
            var span = parameters.mutableSpan
            steps.append(try optimizer.step(&span, gradients: gradient.span))
          }
          results.append(parameters)
          reports.append(steps)
        }
      }
      for number in 1...2 {
        XCTAssertEqual(results[number], results[0], "\(clipping), \(mode)")
        XCTAssertEqual(reports[number], reports[0], "\(clipping), \(mode)")
      }
    }
  }
}
