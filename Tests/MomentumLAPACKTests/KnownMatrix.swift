import Foundation
import MomentumTestSupport

@testable import Momentum
@testable import MomentumLAPACK

/// `U S Vᵀ` with random rotations.
struct KnownMatrix {
  let rows: Int
  let columns: Int
  let values: [Double]
  private let left: [Double]
  private let right: [Double]

  init(_ rows: Int, _ columns: Int, _ values: [Double], _ random: inout SeededGenerator) throws {
    (self.rows, self.columns, self.values) = (rows, columns, values)
    func rotation(_ rows: Int) throws -> [Double] {
      var a: [Double] = random.numbers(rows * values.count)
      try a.withUnsafeMutableBufferPointer {
        try LAPACK.orthonormalize(BLAS.MutableMatrix($0.baseAddress, rows: rows, columns: values.count))
      }
      return a
    }
    (left, right) = (try rotation(rows), try rotation(columns))
  }

  /// `U f(S) Vᵀ`.
  func matrix(_ f: (Double) -> Double = { $0 }) throws -> [Double] {
    let count = values.count
    let factors = values.map(f)
    let scaled = left.indices.map { left[$0] * factors[$0 % count] }
    var result = [Double](repeating: 0, count: rows * columns)
    try scaled.withUnsafeBufferPointer { u in
      try right.withUnsafeBufferPointer { v in
        try result.withUnsafeMutableBufferPointer {
          try BLAS.gemm(
            1, BLAS.Matrix(u.baseAddress, rows: rows, columns: count),
            BLAS.Matrix(v.baseAddress, rows: columns, columns: count).transposed, 0,
            into: BLAS.MutableMatrix($0.baseAddress, rows: rows, columns: columns))
        }
      }
    }
    return result
  }

  var norm: Double { values.reduce(0) { $0 + $1 * $1 }.squareRoot() }

  // MARK: - Helpers

  /// From 1 down to 1/condition, each as much smaller than the one before.
  static func falling(_ count: Int, condition: Double) -> [Double] {
    (0..<count).map { pow(condition, -Double($0) / Double(max(count - 1, 1))) }
  }

  static func changed<S>(_ x: [Double], _ body: (UnsafeMutablePointer<S>) throws -> Void) rethrows -> [S]
  where S: BLASScalar {
    var x = x.map { S($0) }
    try x.withUnsafeMutableBufferPointer { try body($0.baseAddress!) }
    return x
  }

  static func distance<S: BLASScalar>(_ x: [S], _ y: [Double]) -> Double {
    let difference = zip(x, y).reduce(0) { $0 + (Double($1.0) - $1.1) * (Double($1.0) - $1.1) }
    return (difference / y.reduce(0) { $0 + $1 * $1 }).squareRoot()
  }
}
