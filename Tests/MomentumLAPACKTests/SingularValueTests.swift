import MomentumTestSupport
import XCTest

@testable import Momentum
@testable import MomentumLAPACK

/// Singular values, the polar factor, and Newton-Schulz and the spectral norm against matrices whose singular values are
/// known.
final class SingularValueTests: XCTestCase {
  /// `U f(S) Vᵀ` of a matrix, from its singular value decomposition by LAPACK.
  private func applied(_ f: (Double) -> Double, to x: [Double], _ rows: Int, _ columns: Int) throws -> [Double] {
    let count = min(rows, columns)
    var (copy, values) = (x, [Double](repeating: 0, count: count))
    var (left, right) = ([Double](repeating: 0, count: rows * count), [Double](repeating: 0, count: count * columns))
    // By columns these are the elements of the transpose, whose vectors are the others.
    let code = Double._gesdd(
      true, Int32(columns), Int32(rows), &copy, Int32(columns), &values, &right, &left, Int32(count))
    XCTAssertEqual(code, 0)
    for index in left.indices { left[index] *= f(values[index % count]) }
    var result = x
    try left.withUnsafeBufferPointer { u in
      try right.withUnsafeBufferPointer { v in
        try result.withUnsafeMutableBufferPointer {
          try BLAS.gemm(
            1, BLAS.Matrix(u.baseAddress, rows: rows, columns: count),
            BLAS.Matrix(v.baseAddress, rows: count, columns: columns), 0,
            into: BLAS.MutableMatrix($0.baseAddress, rows: rows, columns: columns))
        }
      }
    }
    return result
  }

  private static let shapes = [(1, 1), (5, 5), (64, 64), (65, 20), (100, 300), (200, 130)]

  // MARK: - Newton-Schulz

  /// Rounding errors in the directions of small singular values grow with these, by the product of all factors a: 485 for
  /// Jordan's five steps, 493 for Dion's, 976 and 6363 for five and eight of Polar Express.
  func testNewtonSchulzAppliesItsPolynomialToSingularValuesFloat() throws {
    try polynomials(Float.self, .jordan(), bounds: [(1, 2e-6), (1e2, 1e-5), (1e4, 1e-5), (1e8, 2e-5)])
    try polynomials(Float.self, .dion, bounds: [(1, 2e-6), (1e2, 1e-5), (1e4, 1e-5), (1e8, 2e-5)])
    try polynomials(Float.self, .polarExpress(), bounds: [(1, 5e-6), (1e2, 5e-5), (1e4, 5e-5), (1e8, 5e-5)])
    try polynomials(
      Float.self, .polarExpress(steps: 8), bounds: [(1, 2e-6), (1e2, 1e-5), (1e4, 1e-4), (1e8, 2e-4)])
    try polynomials(Float.self, .jordan(restarts: []), bounds: [(1, 2e-6), (1e4, 8e-4)])
  }

  /// Singular values that fall evenly, that lie in two places, and of which one is larger or smaller than the others. Those
  /// that are near each other do without restarts, and then the result is hardly further from the exact one than with them:
  /// with Polar Express, whose last restarts mend what earlier steps have rounded, by some units of rounding.
  func testRestartsAreTakenWhereTheyAreNeeded() throws {
    var random = SeededGenerator(seed: 1514)
    for (rows, columns) in [(65, 200), (300, 130), (40, 160)] {
      let count = min(rows, columns)
      for condition in [1, 1.5, 2.5, 3, 5, 10, 100, 1e4] {
        let spectra = [
          KnownMatrix.falling(count, condition: condition),
          (0..<count).map { $0 < count / 2 ? 1 : 1 / condition },
          (0..<count).map { $0 == 0 ? 1 : 1 / condition }, (0..<count).map { $0 + 1 < count ? 1 : 1 / condition },
        ]
        for (index, values) in spectra.enumerated() {
          let x = try KnownMatrix(rows, columns, values, &random).matrix().map { Double(Float($0)) }
          let norm = x.reduce(0) { $0 + $1 * $1 }.squareRoot()
          for (method, more) in [
            (NewtonSchulz.jordan(), 5e-7), (.dion, 5e-7), (.polarExpress(), 4e-6), (.polarExpress(steps: 8), 4e-6),
          ] {
            let expected = try applied({ method.value(at: $0 / norm) }, to: x, rows, columns)
            func result(_ use: NewtonSchulz.RestartUse) throws -> (error: Double, restarts: Int) {
              var (method, restarts) = (method, 0)
              method.restartUse = use
              let found: [Float] = try KnownMatrix.changed(x) {
                restarts = try method.orthogonalizeCountingRestarts(
                  BLAS.MutableMatrix($0, rows: rows, columns: columns))
              }
              return (KnownMatrix.distance(found, expected), restarts)
            }
            let (found, always) = (try result(.whereNeeded), try result(.always))
            let name = "\(rows) × \(columns), condition \(condition), spectrum \(index)"
            if condition <= 2.5 { XCTAssertEqual(found.restarts, 0, name) }
            if condition >= 5, index != 2 { XCTAssertEqual(found.restarts, method.restarts.count, name) }
            if found.restarts == 0 {
              XCTAssertLessThan(found.error, min(1e-5, 2 * always.error + more), name)
            } else {
              XCTAssertEqual(found.error, always.error, name)
            }
          }
        }
      }
    }
  }

  func testNewtonSchulzAppliesItsPolynomialToSingularValuesDouble() throws {
    for method in [NewtonSchulz.jordan(), .dion, .polarExpress(steps: 8)] {
      try polynomials(Double.self, method, bounds: [(1, 1e-13), (1e4, 3e-12), (1e8, 3e-12)])
    }
  }

  private func polynomials<S: LAPACKScalar>(
    _: S.Type, _ method: NewtonSchulz, bounds: [(condition: Double, error: Double)]
  ) throws {
    var random = SeededGenerator(seed: 1510)
    for (rows, columns) in [(1, 1), (5, 5), (16, 16), (64, 64), (65, 20), (40, 120)] {
      for (condition, bound) in bounds {
        let known = try KnownMatrix(
          rows, columns, KnownMatrix.falling(min(rows, columns), condition: condition), &random)
        // As the type has it: where small singular values grow, so does what rounding the matrix changes in them.
        let x = try known.matrix().map { Double(S($0)) }
        let norm = x.reduce(0) { $0 + $1 * $1 }.squareRoot()
        let expected = try applied({ method.value(at: $0 / norm) }, to: x, rows, columns)
        let found: [S] = try KnownMatrix.changed(x) {
          try method.orthogonalize(BLAS.MutableMatrix($0, rows: rows, columns: columns))
        }
        XCTAssertLessThan(KnownMatrix.distance(found, expected), bound, "\(rows) × \(columns), condition \(condition)")
      }
    }
  }

  // MARK: - LAPACK

  func testSingularValuesAndPolarFactorFloat() throws { try singularValues(Float.self) }
  func testSingularValuesAndPolarFactorDouble() throws { try singularValues(Double.self) }

  private func singularValues<S: LAPACKScalar>(_: S.Type) throws {
    var random = SeededGenerator(seed: 1511)
    let unit = Double(S.ulpOfOne)
    for (rows, columns) in Self.shapes {
      let known = try KnownMatrix(rows, columns, KnownMatrix.falling(min(rows, columns), condition: 1e3), &random)
      var values: [S] = []
      let _: [S] = try KnownMatrix.changed(known.matrix()) {
        values = try LAPACK.singularValues(of: BLAS.MutableMatrix($0, rows: rows, columns: columns))
      }
      XCTAssertEqual(values.count, known.values.count)
      for (found, expected) in zip(values, known.values) {
        XCTAssertEqual(Double(found), expected, accuracy: 64 * unit)
      }
      let polar: [S] = try KnownMatrix.changed(known.matrix()) {
        try LAPACK.replaceByPolarFactor(BLAS.MutableMatrix($0, rows: rows, columns: columns))
      }
      // The perturbation of a polar factor: that of the matrix over its smallest singular value.
      XCTAssertLessThan(
        KnownMatrix.distance(polar, try known.matrix { _ in 1 }), 1e3 * 64 * unit, "\(rows) × \(columns)")
    }
    // What has no direction stays without.
    let zeros: [S] = try KnownMatrix.changed([Double](repeating: 0, count: 6)) {
      try LAPACK.replaceByPolarFactor(BLAS.MutableMatrix($0, rows: 2, columns: 3))
    }
    XCTAssertEqual(zeros, [0, 0, 0, 0, 0, 0])
    let one: [S] = try KnownMatrix.changed([3, 4, 6, 8]) {
      try LAPACK.replaceByPolarFactor(BLAS.MutableMatrix($0, rows: 2, columns: 2))
    }
    for (found, expected) in zip(
      one, [0.2683281572999748, 0.35777087639996635, 0.5366563145999496, 0.7155417527999327])
    {
      XCTAssertEqual(Double(found), expected, accuracy: 8 * unit)
    }
  }

  func testRefusals() {
    let memory = GuardedMemory<Double>([1, .nan, 3, 4])
    memory.forbidWriting()
    let base = memory.buffer.baseAddress!
    XCTAssertThrowsError(try LAPACK.replaceByPolarFactor(BLAS.MutableMatrix(base, rows: 2, columns: 2))) {
      XCTAssertEqual("\($0)", "gesdd failed with code -5")
    }
    XCTAssertThrowsError(
      try LAPACK.singularValues(of: BLAS.MutableMatrix(base, rows: 2, columns: 2, leadingDimension: 1))
    ) { XCTAssertEqual("\($0)", "leading dimension of A has count 1; expected 2") }
  }

  // MARK: - The spectral norm

  func testTheSpectralNormIsBracketedFloat() throws { try spectralNorm(Float.self) }
  func testTheSpectralNormIsBracketedDouble() throws { try spectralNorm(Double.self) }

  private func spectralNorm<S: LAPACKScalar>(_: S.Type) throws {
    var random = SeededGenerator(seed: 1512)
    for (rows, columns) in Self.shapes {
      let count = min(rows, columns)
      // Far apart, close together, all equal, and of rank 1.
      for values in [
        KnownMatrix.falling(count, condition: 1e6), (0..<count).map { 1 - 1e-5 * Double($0) },
        [Double](repeating: 1, count: count),
        [1] + [Double](repeating: 0, count: count - 1),
      ] {
        let known = try KnownMatrix(rows, columns, values, &random)
        let x: [S] = KnownMatrix.changed(try known.matrix()) { _ in }
        // Those of the matrix as it is rounded.
        let exact: [Double] = x.map(Double.init)
        var largest = 0.0
        let _: [Double] = try KnownMatrix.changed(exact) {
          largest = try LAPACK.singularValues(of: BLAS.MutableMatrix($0, rows: rows, columns: columns))[0]
        }
        for threads in [1, 3] {
          let norm = try x.withUnsafeBufferPointer {
            try Gradients.spectralNorm(
              of: BLAS.Matrix($0.baseAddress, rows: rows, columns: columns), threads: threads)
          }
          let (lower, upper) = (norm.lower.double, norm.upper.double)
          // LAPACK's own error is a few units of rounding.
          XCTAssertLessThanOrEqual(lower, largest * (1 + 1e-13), "\(rows) × \(columns)")
          XCTAssertGreaterThanOrEqual(upper, largest * (1 - 1e-13), "\(rows) × \(columns)")
          XCTAssertLessThan(norm.relativeWidth, 1e-6, "\(rows) × \(columns)")
          XCTAssertGreaterThanOrEqual(norm.relativeWidth, 0)
        }
      }
    }
  }
}
