public import Momentum

extension LAPACK {
  /// Replaces a matrix by its orthogonal polar factor: `U Vᵀ` for the singular value decomposition `U S Vᵀ`, the matrix
  /// with singular values of 1 that is nearest to it (`LAPACKE_?gesdd`, `cblas_?gemm`). OpenBLAS may start threads of its
  /// own.
  ///
  /// Singular values that are 0 up to rounding, at most `ulpOfOne·max(rows, columns)` times the largest one, stay 0: their
  /// directions are not those of the matrix. So a matrix of zeros stays one.
  ///
  /// - Throws: `MomentumError.countMismatch`; `MomentumError.invalidSetting` for a matrix whose smaller side is above
  ///   20 000; `MomentumError.lapackFailure`, for NaN too, and then the matrix is unchanged.
  /// - Complexity: O(rows·columns·min(rows, columns)); about the time of five steps of `NewtonSchulz`, more for small
  ///   matrices.
  public static func replaceByPolarFactor<S: LAPACKScalar>(_ a: BLAS.MutableMatrix<S>) throws(MomentumError) {
    try checkShape(a)
    let (rows, columns) = (a.rows, a.columns)
    guard rows > 0, columns > 0, let base = a.base else { return }
    let isTransposed = rows > columns
    let decomposition = try PolarDecomposition<S>(rows: min(rows, columns), columns: max(rows, columns))
    var copy = [S](repeating: 0, count: rows * columns)
    let (rowStep, columnStep) = isTransposed ? (1, rows) : (columns, 1)
    for row in 0..<rows {
      for column in 0..<columns { copy[row * rowStep + column * columnStep] = base[row * a.leadingDimension + column] }
    }
    let memory = UnsafeMutableRawPointer.allocate(byteCount: decomposition.byteCount, alignment: 64)
    defer { memory.deallocate() }
    let code = decomposition.replace(&copy, memory)
    guard code == 0 else { throw .lapackFailure(routine: "gesdd", code: Int(code)) }
    for row in 0..<rows {
      for column in 0..<columns { base[row * a.leadingDimension + column] = copy[row * rowStep + column * columnStep] }
    }
  }

  /// Lets `Muon` and configurations use `Orthogonalization.polar` in this process, which have no LAPACK of their own.
  ///
  /// ```swift
  /// LAPACK.supplyPolarFactors()
  /// let rule = try Muon(learningRate: 0.02, method: .polar)
  /// ```
  ///
  /// To be called once, before the first such rule is made; more calls change nothing.
  public static func supplyPolarFactors() { PolarRoutines.supply(routine(Float.self), routine(Double.self)) }

  private static func routine<S: LAPACKScalar>(_: S.Type) -> PolarRoutine<S> {
    PolarRoutine { rows, columns throws(MomentumError) in
      try PolarDecomposition<S>(rows: rows, columns: columns).byteCount
    } replace: { matrix, rows, columns, memory in
      guard let decomposition = try? PolarDecomposition<S>(rows: rows, columns: columns) else { return false }
      return decomposition.replace(matrix, memory) == 0
    }
  }
}

/// The polar factor of a matrix that has no more rows than columns, in memory of the caller's.
struct PolarDecomposition<S: LAPACKScalar> {
  let rows: Int
  let columns: Int
  /// The elements of memory that the decomposition works in.
  private let workCount: Int

  /// LAPACK counts elements of its memory, more than 4·rows², in 32 bits.
  private static var mostRows: Int { 20_000 }

  init(rows: Int, columns: Int) throws(MomentumError) {
    guard rows <= Self.mostRows else {
      throw .invalidSetting(
        name: "method", value: "polar of a matrix of \(rows) × \(columns)",
        expected: "a smaller side of at most \(Self.mostRows), or another method")
    }
    (self.rows, self.columns) = (rows, columns)
    workCount = S._gesddWorkCount(Int32(columns), Int32(rows))
  }

  private var vectorCount: Int { rows * columns }
  private var elementCount: Int { vectorCount + rows * rows + rows + workCount }

  /// The bytes of memory: left vectors, right vectors, values, LAPACK's own, and 8 integers a row.
  var byteCount: Int { elementCount * MemoryLayout<S>.stride + 8 * rows * MemoryLayout<Int32>.stride }

  /// Replaces the matrix, which is stored row by row.
  ///
  /// - Returns: The code of `gesdd`; with one that is not 0 the matrix is of no use.
  func replace(_ x: UnsafeMutablePointer<S>, _ memory: UnsafeMutableRawPointer) -> Int32 {
    let left = memory.bindMemory(to: S.self, capacity: elementCount)
    let right = left + vectorCount
    let values = right + rows * rows
    let work = values + rows
    let integers = (memory + elementCount * MemoryLayout<S>.stride).bindMemory(to: Int32.self, capacity: 8 * rows)
    let (m, n) = (Int32(columns), Int32(rows))
    // By columns the stored elements are those of the transpose V S Uᵀ: its left vectors, by columns, are Vᵀ by rows, and
    // its right ones, transposed and by columns, are U by rows.
    let code = S._gesddWork(m, n, x, values, left, right, work, Int32(workCount), integers)
    guard code == 0 else { return code }
    let least = S(columns) * S.ulpOfOne * values[0]
    let rank = (0..<rows).first { values[$0] <= least } ?? rows
    S._gemm(false, false, n, m, Int32(rank), 1, right, n, left, m, 0, x, m)
    return 0
  }
}
