import Foundation
import MomentumTestSupport
import XCTest

@testable import Momentum
@testable import MomentumLAPACK

/// Muon along polar factors, against matrices whose factors are known.
final class PolarMuonTests: XCTestCase {
  override func setUp() { LAPACK.supplyPolarFactors() }

  /// What steps from parameters of 0 with a learning rate of 1 make of some tensors.
  private func stepped<S: BLASScalar>(
    _ tensors: [(shape: [Int], gradient: [S])], steps: Int = 1, threads: Int = 2, view: MatrixView = .firstAxis,
    convention: Convention = .native, nesterov: Bool = true, groups: [ParameterGroup] = []
  ) throws -> [[S]] {
    let layout = try ParameterLayout(tensors.enumerated().map { ("tensor \($0)", $1.shape) })
    let rule = try Muon(
      learningRate: 1, nesterov: nesterov, weightDecay: 0, method: .polar, view: view, scale: Muon.Scale.none,
      convention: convention)
    var optimizer = try Optimizer<S>(
      layout, rule: rule, groups: groups, nonFinitePolicy: .propagate, threads: threads)
    let memory = tensors.map { GuardedMemory([S](repeating: 0, count: $0.gradient.count)) }
    let gradients = tensors.map { GuardedMemory($0.gradient) }
    for gradient in gradients { gradient.forbidWriting() }
    for _ in 0..<steps {
      try optimizer.step(parameters: memory.map(\.buffer), gradients: gradients.map(\.readOnlyBuffer))
    }
    XCTAssertTrue(memory.allSatisfy(\.guardsAreIntact))
    return memory.map(\.elements)
  }

  // MARK: - What a step is

  func testAStepIsThePolarFactorFloat() throws { try polarSteps(Float.self) }
  func testAStepIsThePolarFactorDouble() throws { try polarSteps(Double.self) }

  private func polarSteps<S: LAPACKScalar>(_: S.Type) throws {
    var random = SeededGenerator(seed: 1520)
    let unit = Double(S.ulpOfOne)
    for (rows, columns) in [(1, 1), (1, 9), (9, 1), (5, 5), (3, 200), (64, 64), (65, 20), (40, 120)] {
      let known = try KnownMatrix(
        rows, columns, KnownMatrix.falling(min(rows, columns), condition: 100), &random)
      let gradient = try known.matrix().map { S($0) }
      let factor = try known.matrix { _ in -1 }
      for convention in Convention.allCases {
        for nesterov in [false, true] {
          let found = try stepped([([rows, columns], gradient)], convention: convention, nesterov: nesterov)[0]
          // The perturbation of a polar factor: that of the matrix over its smallest singular value.
          XCTAssertLessThan(
            KnownMatrix.distance(found, factor), 100 * 64 * unit, "\(rows) × \(columns), \(convention)")
        }
      }
      // Gradients that stay the same keep their direction.
      let found = try stepped([([rows, columns], gradient)], steps: 3)[0]
      XCTAssertLessThan(KnownMatrix.distance(found, factor.map { 3 * $0 }), 100 * 64 * unit, "\(rows) × \(columns)")
    }
  }

  /// Directions that a matrix does not have get no step.
  func testRankDeficientMatrices() throws {
    var random = SeededGenerator(seed: 1521)
    for (rows, columns, rank) in [(6, 6, 1), (30, 80, 7), (80, 30, 29)] {
      let values = (0..<min(rows, columns)).map { $0 < rank ? 1 / Double($0 + 1) : 0 }
      let known = try KnownMatrix(rows, columns, values, &random)
      let factor = try known.matrix { $0 > 0 ? -1 : 0 }
      let found = try stepped([([rows, columns], known.matrix())])[0]
      XCTAssertLessThan(KnownMatrix.distance(found, factor), 1e-12, "\(rows) × \(columns) of rank \(rank)")
      let short = try stepped([([rows, columns], known.matrix().map { Float($0) })])[0]
      XCTAssertLessThan(KnownMatrix.distance(short, factor), 1e-4, "\(rows) × \(columns) of rank \(rank)")
    }
  }

  func testZerosAndNumbersThatAreNotFinite() throws {
    let found = try stepped([
      ([2, 3], [Float](repeating: 0, count: 6)), ([2, 3], [1, 2, .nan, 3, 4, 5]),
      ([3, 2], [1, 2, .infinity, 3, 4, 5]), ([0, 4], []), ([1, 2], [-.infinity, 0]),
    ])
    XCTAssertEqual(found[0], [0, 0, 0, 0, 0, 0])
    for index in [1, 2, 4] { XCTAssertTrue(found[index].allSatisfy(\.isNaN), "\(found[index])") }
  }

  // MARK: - Bits

  func testTheNumberOfThreadsAndOtherTensorsChangeNoBit() throws {
    var random = SeededGenerator(seed: 1522)
    let tensors = [[70, 130], [200, 65], [2, 2], [64, 64], [1, 9], [4, 3, 5, 5]].map { shape in
      (shape: shape, gradient: random.numbers(shape.reduce(1, *)) as [Float])
    }
    // Others are orthogonalised by steps, before and between.
    let groups = [
      ParameterGroup("steps", ["tensor 1", "tensor 3"], rule: try Muon(learningRate: 1), mayBeEmpty: true)
    ]
    let whole = try stepped(tensors, steps: 2, threads: 1, groups: groups)
    for threads in [2, 3] {
      for (found, expected) in zip(try stepped(tensors, steps: 2, threads: threads, groups: groups), whole) {
        assertSameBits(expected, found, "\(threads) threads")
      }
    }
    for index in [0, 2, 4, 5] {
      assertSameBits(whole[index], try stepped([tensors[index]], steps: 2)[0], "tensor \(index) alone")
    }
  }

  /// Bits, unless the matrix is square: LAPACK then decomposes another one.
  func testTransposesAndPowersOfTwo() throws {
    var random = SeededGenerator(seed: 1523)
    for (rows, columns) in [(5, 8), (1, 40), (40, 40), (90, 33)] {
      let gradient: [Float] = random.numbers(rows * columns)
      let expected = try stepped([([rows, columns], gradient)])[0]
      for exponent in [-100, 90] {
        let power = Float(sign: .plus, exponent: exponent, significand: 1)
        assertSameBits(
          expected, try stepped([([rows, columns], gradient.map { $0 * power })])[0], "times 2 to \(exponent)")
      }
      func transposed(_ x: [Float], _ rows: Int, _ columns: Int) -> [Float] {
        (0..<rows * columns).map { x[$0 % rows * columns + $0 / rows] }
      }
      let found = transposed(
        try stepped([([columns, rows], transposed(gradient, rows, columns))])[0], columns, rows)
      if rows == columns {
        XCTAssertLessThan(KnownMatrix.distance(found, expected.map(Double.init)), 1e-4)
      } else {
        assertSameBits(expected, found, "\(rows) × \(columns) transposed")
      }
    }
  }

  /// Each matrix of a tensor on its own, wherever its elements lie.
  func testViews() throws {
    var random = SeededGenerator(seed: 1524)
    let shape = [3, 4, 5]
    let gradient: [Double] = random.numbers(60)
    let whole = try stepped([(shape, gradient)], view: .axes(inputs: [0], outputs: [-1]))[0]
    for batch in 0..<4 {
      // Rows are the last axis, columns the first.
      let places = (0..<15).map { $0 % 3 * 20 + batch * 5 + $0 / 3 }
      let alone = try stepped([([5, 3], places.map { gradient[$0] })])[0]
      assertSameBits(alone, places.map { whole[$0] }, "batch \(batch)")
    }
  }

  // MARK: - Settings

  func testConfigurations() throws {
    let json = #"{"rule": {"kind": "muon", "learningRate": 1, "method": "polar"}}"#
    let configuration = try JSONDecoder().decode(OptimizerConfiguration.self, from: Data(json.utf8))
    XCTAssertEqual(configuration.rule.method, .polar)
    let encoded = String(decoding: try JSONEncoder().encode(configuration), as: UTF8.self)
    XCTAssertTrue(encoded.contains(#""method":"polar""#), encoded)
    let rule = try configuration.rule.makeRule(.optax)
    XCTAssertEqual("\(rule)", "Muon, learning rate 1.0, momentum 0.95, Nesterov, method polar, convention optax")
  }

  /// LAPACK's memory for a larger one cannot be counted in 32 bits. Refused before anything is written.
  func testMatricesThatAreTooLarge() {
    XCTAssertThrowsError(try PolarDecomposition<Float>(rows: 20_001, columns: 30_000)) {
      XCTAssertEqual(
        "\($0)",
        "method is polar of a matrix of 20001 × 30000; expected a smaller side of at most 20000, or another method")
    }
  }
}
