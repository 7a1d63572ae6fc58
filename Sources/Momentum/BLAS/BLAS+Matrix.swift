extension BLAS {
  /// A row-major matrix in the caller's memory, for reading. Valid as long as that memory is.
  public struct Matrix<Scalar: BLASScalar>: @unchecked Sendable {
    /// The first stored element; may be `nil` if there are none.
    public let base: UnsafePointer<Scalar>?
    /// The number of rows as the routines see it, that is after transposition.
    public let rows: Int
    /// The number of columns as the routines see it, that is after transposition.
    public let columns: Int
    /// Elements from one stored row to the next.
    public let leadingDimension: Int
    /// Whether the stored rows are the columns of this matrix.
    public let isTransposed: Bool

    /// Views `rows` × `columns` elements stored row by row, `leadingDimension` (by default `columns`) apart.
    public init(_ base: UnsafePointer<Scalar>?, rows: Int, columns: Int, leadingDimension: Int? = nil) {
      self.init(base, rows, columns, leadingDimension ?? columns, false)
    }

    init(_ base: UnsafePointer<Scalar>?, _ rows: Int, _ columns: Int, _ ld: Int, _ transposed: Bool) {
      (self.base, self.rows, self.columns, leadingDimension, isTransposed) = (base, rows, columns, ld, transposed)
    }

    /// The same memory, seen with rows and columns exchanged. Nothing is moved.
    public var transposed: Matrix { Matrix(base, columns, rows, leadingDimension, !isTransposed) }
  }

  /// A row-major matrix in the caller's memory, for writing. Valid as long as that memory is.
  public struct MutableMatrix<Scalar: BLASScalar>: @unchecked Sendable {
    /// The first element; may be `nil` if there are none.
    public let base: UnsafeMutablePointer<Scalar>?
    /// The number of rows.
    public let rows: Int
    /// The number of columns.
    public let columns: Int
    /// Elements from one row to the next.
    public let leadingDimension: Int

    /// Views `rows` × `columns` elements stored row by row, `leadingDimension` (by default `columns`) apart.
    public init(_ base: UnsafeMutablePointer<Scalar>?, rows: Int, columns: Int, leadingDimension: Int? = nil) {
      self.base = base
      self.rows = rows
      self.columns = columns
      self.leadingDimension = leadingDimension ?? columns
    }

    /// The same elements, for reading.
    public var readOnly: Matrix<Scalar> { Matrix(base, rows, columns, leadingDimension, false) }
  }

  /// `y ← alpha·A·x + beta·y`, by `cblas_?gemv`. With `beta` 0 the old `y` is not read.
  ///
  /// Shapes: A is rows × columns, x has `columns` elements, y has `rows`. OpenBLAS may start threads of its own.
  ///
  /// - Throws: ``MomentumError/countMismatch(what:count:expected:)``, ``MomentumError/invalidStride(what:stride:)``,
  ///   ``MomentumError/overlap(first:second:)``.
  /// - Complexity: O(rows·columns); reads the matrix once.
  public static func gemv<S>(
    _ alpha: S, _ a: Matrix<S>, _ x: Vector<S>, _ beta: S, into y: MutableVector<S>
  ) throws(MomentumError) {
    try check(a, "A")
    try check(x)
    try check(y)
    guard x.count == a.columns else { throw .countMismatch(what: "x", count: x.count, expected: a.columns) }
    guard y.count == a.rows else { throw .countMismatch(what: "y", count: y.count, expected: a.rows) }
    try checkSeparate(x, y)
    guard !overlap(a.base, storedExtent(a), y.base, extent(y.count, y.stride)) else {
      throw .overlap(first: "A", second: "y")
    }
    guard y.count > 0 else { return }
    guard x.count > 0 else { return try scaleOrClear(beta, y) }
    let (rows, columns) = a.isTransposed ? (a.columns, a.rows) : (a.rows, a.columns)
    S._gemv(
      a.isTransposed, Int32(rows), Int32(columns), alpha, a.base!, Int32(a.leadingDimension), x.base!,
      Int32(x.stride), beta, y.base!, Int32(y.stride))
  }

  /// `C ← alpha·A·B + beta·C`, by `cblas_?gemm`. With `beta` 0 the old `C` is not read.
  ///
  /// Shapes: A is m × k, B is k × n, C is m × n; pass `a.transposed` for Aᵀ. OpenBLAS may start threads of its own.
  ///
  /// - Throws: ``MomentumError/countMismatch(what:count:expected:)``, ``MomentumError/invalidStride(what:stride:)``,
  ///   ``MomentumError/overlap(first:second:)``.
  /// - Complexity: O(m·n·k).
  public static func gemm<S>(
    _ alpha: S, _ a: Matrix<S>, _ b: Matrix<S>, _ beta: S, into c: MutableMatrix<S>
  ) throws(MomentumError) {
    try check(a, "A")
    try check(b, "B")
    try check(c.readOnly, "C")
    guard a.rows == c.rows else { throw .countMismatch(what: "rows of A", count: a.rows, expected: c.rows) }
    guard b.rows == a.columns else {
      throw .countMismatch(what: "rows of B", count: b.rows, expected: a.columns)
    }
    guard b.columns == c.columns else {
      throw .countMismatch(what: "columns of B", count: b.columns, expected: c.columns)
    }
    let cExtent = storedExtent(c.readOnly)
    guard !overlap(a.base, storedExtent(a), c.base, cExtent) else { throw .overlap(first: "A", second: "C") }
    guard !overlap(b.base, storedExtent(b), c.base, cExtent) else { throw .overlap(first: "B", second: "C") }
    guard c.rows > 0, c.columns > 0 else { return }
    guard a.columns > 0 else {
      for row in 0..<c.rows {
        try scaleOrClear(beta, MutableVector(c.base! + row * c.leadingDimension, count: c.columns))
      }
      return
    }
    S._gemm(
      a.isTransposed, b.isTransposed, Int32(c.rows), Int32(c.columns), Int32(a.columns), alpha, a.base!,
      Int32(a.leadingDimension), b.base!, Int32(b.leadingDimension), beta, c.base!, Int32(c.leadingDimension))
  }

  /// Computes `alpha·A·B + beta·C` for an empty inner dimension: `beta·C`.
  private static func scaleOrClear<S>(_ beta: S, _ y: MutableVector<S>) throws(MomentumError) {
    guard beta == 0 else { return try scal(beta, y) }
    for i in 0..<y.count { y.base![i * y.stride] = 0 }
  }

  package static func check<S>(_ a: Matrix<S>, _ what: String) throws(MomentumError) {
    try BLASTraits.checkCounts()
    let storedColumns = a.isTransposed ? a.rows : a.columns
    guard a.rows >= 0, a.rows <= Int(Int32.max) else {
      throw .countMismatch(what: "rows of \(what)", count: a.rows, expected: Int(Int32.max))
    }
    guard a.columns >= 0, a.columns <= Int(Int32.max) else {
      throw .countMismatch(what: "columns of \(what)", count: a.columns, expected: Int(Int32.max))
    }
    guard a.leadingDimension >= max(1, storedColumns), a.leadingDimension <= Int(Int32.max) else {
      // An empty matrix needs no leading dimension.
      guard a.rows > 0, a.columns > 0 else { return }
      throw .countMismatch(
        what: "leading dimension of \(what)", count: a.leadingDimension, expected: storedColumns)
    }
    guard a.base != nil || a.rows == 0 || a.columns == 0 else {
      throw .countMismatch(what: what, count: a.rows * a.columns, expected: 0)
    }
  }

  private static func storedExtent<S>(_ a: Matrix<S>) -> Int {
    let (rows, columns) = a.isTransposed ? (a.columns, a.rows) : (a.rows, a.columns)
    return rows == 0 || columns == 0 ? 0 : (rows - 1) * a.leadingDimension + columns
  }
}
