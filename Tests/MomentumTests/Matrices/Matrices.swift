@testable import Momentum

/// Matrices as arrays, row by row, and what the tests compare them with.
enum Matrices {
  static func orthogonalized<S: BLASScalar>(
    _ x: [S], _ rows: Int, _ columns: Int, _ method: NewtonSchulz, threads: Int? = nil
  ) throws -> [S] {
    var x = x
    try x.withUnsafeMutableBufferPointer {
      try method.orthogonalize(BLAS.MutableMatrix($0.baseAddress, rows: rows, columns: columns), threads: threads)
    }
    return x
  }

  static func transposed<S>(_ x: [S], _ rows: Int, _ columns: Int) -> [S] {
    (0..<rows * columns).map { x[$0 % rows * columns + $0 / rows] }
  }

  /// The Frobenius norm of the difference, relative to that of the second matrix.
  static func distance<S: BLASScalar>(_ x: [S], _ y: [Double]) -> Double {
    let difference = zip(x, y).reduce(0) { $0 + (Double($1.0) - $1.1) * (Double($1.0) - $1.1) }
    return (difference / y.reduce(0) { $0 + $1 * $1 }).squareRoot()
  }

  /// The product, each element added up in order: how accurate it is does not depend on the kernels of gemm.
  static func product<S: BLASScalar>(
    _ a: [S], _ m: Int, _ k: Int, _ b: [S], _ n: Int, transposed isTransposed: Bool = false
  ) -> [S] {
    let b = isTransposed ? transposed(b, n, k) : b
    var c = [S](repeating: 0, count: m * n)
    b.withUnsafeBufferPointer { b in
      c.withUnsafeMutableBufferPointer { c in
        for i in 0..<m {
          for j in 0..<k { S._axpy(Int32(n), a[i * k + j], b.baseAddress! + j * n, 1, c.baseAddress! + i * n, 1) }
        }
      }
    }
    return c
  }

  /// The steps as they are written down: `X ← a·X + (b·A + c·A²) X` with `A = X Xᵀ`, of the matrix divided by its norm.
  static func steps<S: BLASScalar>(_ x: [S], _ rows: Int, _ columns: Int, _ method: NewtonSchulz) -> [Double] {
    steps(x, rows, columns, method, in: Double.self)
  }

  /// The same in any type.
  static func steps<S: BLASScalar, T: BLASScalar>(
    _ x: [S], _ rows: Int, _ columns: Int, _ method: NewtonSchulz, in type: T.Type
  ) -> [T] {
    guard rows <= columns else {
      return transposed(steps(transposed(x, rows, columns), columns, rows, method, in: type), columns, rows)
    }
    let norm = x.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
    var x = x.map { T(Double($0) / norm) }
    for step in method.steps {
      let gram = product(x, rows, columns, x, rows, transposed: true)
      var factor = product(gram, rows, rows, gram, rows)
      for i in factor.indices { factor[i] = T(step.c) * factor[i] + T(step.b) * gram[i] }
      x = zip(x, product(factor, rows, rows, x, columns)).map { T(step.a) * $0 + $1 }
    }
    return x
  }
}
