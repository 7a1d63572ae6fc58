import MomentumTestSupport
import XCTest

@testable import Momentum

/// Orthogonalised matrices against the steps as they are written down, computed in `Double` by whole products.
final class NewtonSchulzTests: XCTestCase {
  private static let methods: [(name: String, method: NewtonSchulz)] = [
    ("jordan", .jordan()), ("one step", .jordan(steps: 1)), ("without restarts", .jordan(steps: 3, restarts: [])),
    ("polarExpress", .polarExpress(steps: 8)), ("dion", .dion),
    ("own", NewtonSchulz([.init(1.5, -0.5, 0), .init(2, -1.5, 0.5)], restarts: [1])),
  ]

  func testEveryMethodIsTheStepsAsWrittenFloat() throws { try methodsAreAsWritten(Float.self, within: 1e-5) }
  func testEveryMethodIsTheStepsAsWrittenDouble() throws { try methodsAreAsWritten(Double.self, within: 1e-11) }

  private func methodsAreAsWritten<S: BLASScalar>(_: S.Type, within bound: Double) throws {
    var random = SeededGenerator(seed: 1501)
    for (rows, columns) in [(1, 1), (1, 9), (5, 5), (64, 64), (65, 64), (100, 300), (129, 70), (130, 130)] {
      let x: [S] = random.numbers(rows * columns)
      for (name, method) in Self.methods {
        let distance = Matrices.distance(
          try Matrices.orthogonalized(x, rows, columns, method), Matrices.steps(x, rows, columns, method))
        XCTAssertLessThan(distance, bound, "\(name), \(rows) × \(columns)")
      }
    }
  }

  /// Every side around the seams of one and two tiles.
  func testEverySide() throws {
    var random = SeededGenerator(seed: 1502)
    for side in 1...130 {
      for (rows, columns) in [(side, 131 - side), (side, side)] {
        let x: [Double] = random.numbers(rows * columns)
        let method = NewtonSchulz.jordan(steps: 3, restarts: side % 2 == 0 ? [2] : [])
        let distance = Matrices.distance(
          try Matrices.orthogonalized(x, rows, columns, method), Matrices.steps(x, rows, columns, method))
        XCTAssertLessThan(distance, 1e-12, "\(rows) × \(columns)")
      }
    }
  }

  func testRowsMayLieApart() throws {
    var random = SeededGenerator(seed: 1503)
    for (rows, columns) in [(70, 90), (90, 70), (3, 5)] {
      let dense: [Float] = random.numbers(rows * columns)
      let expected = try Matrices.orthogonalized(dense, rows, columns, .jordan())
      let ld = columns + 3
      let memory = GuardedMemory<Float>(
        (0..<rows * ld).map { $0 % ld < columns ? dense[$0 / ld * columns + $0 % ld] : .nan }, shift: 1)
      try NewtonSchulz.jordan().orthogonalize(
        BLAS.MutableMatrix(memory.buffer.baseAddress, rows: rows, columns: columns, leadingDimension: ld))
      let found = memory.elements
      XCTAssertTrue(memory.guardsAreIntact && found.indices.allSatisfy { $0 % ld < columns || found[$0].isNaN })
      assertSameBits(expected, (0..<rows * columns).map { found[$0 / columns * ld + $0 % columns] })
    }
  }

  /// Square matrices, others whose sides are nearly the same, and those in one tile lose hardly more to rounding than by the
  /// steps as they are written down in `Float`: the root of the mean square of what is wrong, for matrices of random numbers.
  func testSquareMatricesAreAsAccurateAsPlainSteps() throws {
    var random = SeededGenerator(seed: 1509)
    let methods: [(name: String, method: NewtonSchulz)] = [
      ("jordan", .jordan()), ("jordan(8)", .jordan(steps: 8)), ("polarExpress", .polarExpress()),
      ("polarExpress(8)", .polarExpress(steps: 8)), ("dion", .dion), ("no restart asked for", .jordan(restarts: [])),
    ]
    // Of some small matrices many are needed: the worst among them outweigh the others.
    for (rows, columns, count) in [
      (16, 16, 24), (33, 33, 24), (64, 66, 24), (70, 70, 24), (40, 9, 400), (12, 64, 400),
    ] {
      for (name, method) in methods {
        var (ours, plain) = (0.0, 0.0)
        for _ in 0..<count {
          let x: [Float] = random.numbers(rows * columns)
          let exact = Matrices.steps(x, rows, columns, method)
          let ourDistance = Matrices.distance(try Matrices.orthogonalized(x, rows, columns, method), exact)
          let plainDistance = Matrices.distance(Matrices.steps(x, rows, columns, method, in: Float.self), exact)
          ours += ourDistance * ourDistance
          plain += plainDistance * plainDistance
        }
        XCTAssertLessThan(ours.squareRoot(), 1.3 * plain.squareRoot(), "\(name), \(rows) × \(columns)")
      }
    }
  }

  // MARK: - Properties

  func testScaleDoesNotMatterFloat() throws { try scaleDoesNotMatter(Float.self, powers: [-140, -60, 1, 60, 120]) }
  func testScaleDoesNotMatterDouble() throws {
    try scaleDoesNotMatter(Double.self, powers: [-1060, -500, 1, 500, 1000])
  }

  /// Numbers of few digits, so that they are exact on every scale, among subnormal numbers too.
  private func scaleDoesNotMatter<S: BLASScalar>(_: S.Type, powers: [Int]) throws {
    var random = SeededGenerator(seed: 1504)
    for (rows, columns) in [(3, 4), (80, 70), (40, 150)] {
      let x: [S] = (0..<rows * columns).map { _ in S(Int.random(in: -31...31, using: &random)) }
      let expected = try Matrices.orthogonalized(x, rows, columns, .jordan())
      for power in powers {
        let scaled = x.map {
          S(sign: .plus, exponent: power / 2, significand: $0)
            * S(sign: .plus, exponent: power - power / 2, significand: 1)
        }
        assertSameBits(expected, try Matrices.orthogonalized(scaled, rows, columns, .jordan()), "2^\(power)")
      }
    }
  }

  /// X is scaled by the largest element of its first columns: these may have nothing, or elements of another size than the others.
  func testFirstColumnsOfAnotherSize() throws {
    try firstColumnsOfAnotherSize(Float.self, powers: [-120, -30, -5, -4, 4, 5, 30, 100], within: 1e-5)
    try firstColumnsOfAnotherSize(Double.self, powers: [-450, -5, 4, 450], within: 1e-13)
  }

  private func firstColumnsOfAnotherSize<S: BLASScalar>(_: S.Type, powers: [Int], within tolerance: Double) throws {
    let (rows, columns) = (6, 16_640)
    let first = TiledMatrix<S>(base: .init(bitPattern: 8)!, rows: rows, columns: columns).piece(from: 0)
    let start = first.count * MatrixTile.side
    XCTAssertLessThan(start, columns, "there is a second piece")
    var random = SeededGenerator(seed: 1510)
    let x: [S] = random.numbers(rows * columns)
    func orthogonalized(_ factor: S) throws -> (x: [S], result: [S]) {
      let scaled = x.enumerated().map { $0 % columns < start ? $1 * factor : $1 }
      return (scaled, try Matrices.orthogonalized(scaled, rows, columns, .jordan(), threads: 2))
    }
    for factor in powers.map({ S(sign: .plus, exponent: S.Exponent($0), significand: 1) }) + [0] {
      let (scaled, result) = try orthogonalized(factor)
      let exact = Matrices.steps(scaled.map(Double.init), rows, columns, .jordan())
      XCTAssertLessThan(Matrices.distance(result, exact), tolerance, "\(factor)")
      // The columns and their order are the same in the transpose.
      let transposed = try Matrices.orthogonalized(
        Matrices.transposed(scaled, rows, columns), columns, rows, .jordan(), threads: 1)
      assertSameBits(result, Matrices.transposed(transposed, columns, rows), "\(factor)")
      let halved = try Matrices.orthogonalized(scaled.map { $0 / 2 }, rows, columns, .jordan())
      if factor == 0 || factor.magnitude > S.leastNormalMagnitude * 1024 {
        assertSameBits(result, halved, "\(factor), halved")
      }
    }
    for value in [S.nan, .infinity] {
      for place in [start - 1, start, columns - 1] {
        var broken = x
        broken[place] = value
        let result = try Matrices.orthogonalized(broken, rows, columns, .jordan())
        XCTAssertTrue(result.allSatisfy(\.isNaN), "\(value) at \(place)")
      }
    }
    let zeros = [S](repeating: 0, count: rows * columns)
    XCTAssertTrue(try Matrices.orthogonalized(zeros, rows, columns, .jordan()).allSatisfy { $0 == 0 })
  }

  func testTranspositionFloat() throws { try transposition(Float.self) }
  func testTranspositionDouble() throws { try transposition(Double.self) }

  /// Bits, unless the matrix is square: then X Xᵀ is another matrix than Xᵀ X.
  private func transposition<S: BLASScalar>(_: S.Type) throws {
    var random = SeededGenerator(seed: 1505)
    for (rows, columns) in [(1, 7), (64, 65), (30, 200), (128, 100), (50, 50)] {
      let x: [S] = random.numbers(rows * columns)
      let found = Matrices.transposed(
        try Matrices.orthogonalized(Matrices.transposed(x, rows, columns), columns, rows, .dion), columns, rows)
      let expected = try Matrices.orthogonalized(x, rows, columns, .dion)
      if rows == columns {
        XCTAssertLessThan(Matrices.distance(found, expected.map(Double.init)), S.self == Float.self ? 3e-6 : 1e-13)
      } else {
        assertSameBits(expected, found, "\(rows) × \(columns)")
      }
    }
  }

  func testThreadsDoNotMatterFloat() throws { try threadsDoNotMatter(Float.self) }
  func testThreadsDoNotMatterDouble() throws { try threadsDoNotMatter(Double.self) }

  private func threadsDoNotMatter<S: BLASScalar>(_: S.Type) throws {
    var random = SeededGenerator(seed: 1506)
    for (rows, columns) in [(200, 130), (129, 400)] {
      let x: [S] = random.numbers(rows * columns)
      for method in [NewtonSchulz.jordan(), .polarExpress(steps: 4)] {
        let expected = try Matrices.orthogonalized(x, rows, columns, method, threads: 1)
        for threads in 2...8 {
          // Otherwise there are no more threads than are worth it.
          try ThreadTeam.withWorthwhileCount(1) {
            assertSameBits(
              expected, try Matrices.orthogonalized(x, rows, columns, method, threads: threads), "\(threads) threads")
          }
        }
      }
    }
  }

  func testAWaveIsItsMatricesFloat() throws { try waveIsItsMatrices(Float.self) }
  func testAWaveIsItsMatricesDouble() throws { try waveIsItsMatrices(Double.self) }

  /// Small matrices and large ones, empty ones and strided ones, in one list and one after the other.
  private func waveIsItsMatrices<S: BLASScalar>(_: S.Type) throws {
    var random = SeededGenerator(seed: 1507)
    let shapes = [(40, 30), (1, 1), (300, 260), (0, 5), (64, 64), (100, 7), (65, 130), (257, 258)]
    let tensors: [[S]] = shapes.map { random.numbers($0.0 * $0.1) }
    let methods = [NewtonSchulz.jordan(), .dion]
    for method in methods {
      let expected = try zip(tensors, shapes).map { try Matrices.orthogonalized($0, $1.0, $1.1, method, threads: 1) }
      for threads in [1, 2, 5] {
        let memory = tensors.map { GuardedMemory($0) }
        let places = zip(memory, shapes).map { memory, shape in
          MatrixPlace(memory.buffer.baseAddress!, MatrixLayout(rows: shape.0, columns: shape.1))
        }
        let workspace = try MatrixWorkspace<S>(places.map(\.layout), threads: threads)
        ThreadTeam.withWorthwhileCount(1) {
          places.withUnsafeBufferPointer { method.orthogonalize($0, in: workspace) }
        }
        for (index, memory) in memory.enumerated() {
          XCTAssertTrue(memory.guardsAreIntact)
          assertSameBits(expected[index], memory.elements, "\(shapes[index]), \(threads) threads")
        }
      }
    }
  }

  /// A workspace serves smaller matrices than the one it was made for, in any order, and those of a view.
  func testAWorkspaceIsUsedAgain() throws {
    var random = SeededGenerator(seed: 1508)
    let workspace = try MatrixWorkspace<Float>([MatrixLayout(rows: 130, columns: 200)], threads: 2)
    for shape in [[130, 200], [20, 30], [130, 70], [200, 130]] {
      let x: [Float] = random.numbers(shape[0] * shape[1])
      let memory = GuardedMemory(x)
      NewtonSchulz.jordan().orthogonalize(
        memory.buffer.baseAddress!, rows: shape[0], columns: shape[1], in: workspace)
      assertSameBits(try Matrices.orthogonalized(x, shape[0], shape[1], .jordan()), memory.elements)
    }
    // Inputs × batch × outputs: matrices whose elements lie between each other.
    let (inputs, batch, outputs) = (40, 3, 30)
    let x: [Float] = random.numbers(inputs * batch * outputs)
    let memory = GuardedMemory(x)
    let matrices = try MatrixView.axes(inputs: [0], outputs: [2]).matrices(of: [inputs, batch, outputs], tensor: "w")
    XCTAssertEqual(matrices.count, batch)
    for index in 0..<batch {
      NewtonSchulz.jordan().orthogonalize(
        MatrixPlace(memory.buffer.baseAddress!, matrices[index]), in: workspace)
    }
    let found = memory.elements
    for index in 0..<batch {
      func matrix(_ x: [Float]) -> [Float] {
        (0..<outputs * inputs).map { x[($0 % inputs * batch + index) * outputs + $0 / inputs] }
      }
      assertSameBits(try Matrices.orthogonalized(matrix(x), outputs, inputs, .jordan()), matrix(found))
    }
  }

  // MARK: - Edges

  func testZeroNaNAndInfinity() throws {
    for (rows, columns) in [(3, 5), (70, 66), (65, 2)] {
      for value in [Float(0), -0.0] {
        let zeros = [Float](repeating: value, count: rows * columns)
        for method in [NewtonSchulz.jordan(), NewtonSchulz([.init(1, 0, 0)], epsilon: 1e-7)] {
          let found = try Matrices.orthogonalized(zeros, rows, columns, method)
          XCTAssertTrue(found.allSatisfy { $0 == 0 })
        }
      }
      for value in [Float.nan, .infinity, -.infinity] {
        for place in [0, rows * columns / 2, rows * columns - 1] {
          var x = [Float](repeating: 1, count: rows * columns)
          x[place] = value
          XCTAssertTrue(try Matrices.orthogonalized(x, rows, columns, .jordan()).allSatisfy(\.isNaN), "\(value)")
        }
      }
    }
    let nothing: [Float] = []
    XCTAssertEqual(try Matrices.orthogonalized(nothing, 0, 4, .jordan()), [])
  }

  /// An epsilon far above the norm leaves the factors a, however many steps there are.
  func testEpsilonAboveTheNorm() throws {
    var random = SeededGenerator(seed: 1511)
    for (rows, columns) in [(40, 40), (70, 150), (3, 17_000)] {
      let x: [Float] = (random.numbers(rows * columns) as [Float]).map { $0 * 1e-25 }
      for use in [NewtonSchulz.EpsilonUse.added, .least] {
        for steps in [5, 18] {
          var method = NewtonSchulz.jordan(steps: steps)
          (method.epsilon, method.epsilonUse) = (1e-7, use)
          let found = try Matrices.orthogonalized(x, rows, columns, method)
          let factor = (0..<steps).reduce(1e7) { product, _ in product * 3.4445 }
          let distance = Matrices.distance(found, x.map { Double($0) * factor })
          XCTAssertLessThan(distance, 1e-5, "\(rows) × \(columns), \(steps) steps")
        }
      }
    }
  }

  /// The divisor as the peers have it.
  func testEpsilon() throws {
    let identity = [NewtonSchulz.Step(1, 0, 0)]
    let x: [Double] = [3, 0, 0, 4]
    let added = NewtonSchulz(identity, epsilon: 3)
    XCTAssertEqual(try Matrices.orthogonalized(x, 2, 2, added), [0.375, 0, 0, 0.5])
    let least = NewtonSchulz(identity, epsilon: 16, epsilonUse: .least)
    XCTAssertEqual(try Matrices.orthogonalized(x, 2, 2, least), [0.1875, 0, 0, 0.25])
    let smaller = NewtonSchulz(identity, epsilon: 2, epsilonUse: .least)
    XCTAssertEqual(try Matrices.orthogonalized([0, 4, 0, 0], 2, 2, smaller), [0, 1, 0, 0] as [Double])
  }

  func testRefusals() {
    func expect(_ method: NewtonSchulz, _ text: String, line: UInt = #line) {
      XCTAssertThrowsError(try Matrices.orthogonalized([Float](repeating: 1, count: 4), 2, 2, method), line: line) {
        XCTAssertEqual("\($0)", text, line: line)
      }
    }
    expect(.jordan(steps: 0), "steps is 0; expected at least 1")
    expect(.polarExpress(steps: -1), "steps is 0; expected at least 1")
    expect(NewtonSchulz([.init(1, .nan, 0)]), "steps[0].b is nan; expected a finite number")
    expect(NewtonSchulz([.init(1, 0, 0)], epsilon: -1), "epsilon is -1.0; expected a finite number >= 0")
    expect(NewtonSchulz([.init(1, 0, 0)], epsilon: .infinity), "epsilon is inf; expected a finite number >= 0")
    expect(.jordan(restarts: [5]), "restarts is [5]; expected rising numbers in 1..<5")
    expect(.jordan(restarts: [0]), "restarts is [0]; expected rising numbers in 1..<5")
    expect(.jordan(restarts: [2, 2]), "restarts is [2, 2]; expected rising numbers in 1..<5")
    XCTAssertThrowsError(
      try NewtonSchulz.jordan().orthogonalize(BLAS.MutableMatrix<Float>(nil, rows: 2, columns: 2))
    ) { XCTAssertEqual("\($0)", "the matrix has count 4; expected 0") }
  }
}
