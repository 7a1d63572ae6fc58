internal import CMomentumBLAS
internal import CMomentumKernels

// The C routines of this precision, one line a call. The file of the other precision has the same members in the same
// order, so that a diff of the two shows only types and routine letters.
extension Double: BLASScalar {
  public static func _dot(
    _ n: Int32, _ x: UnsafePointer<Double>, _ incx: Int32, _ y: UnsafePointer<Double>, _ incy: Int32
  ) -> Double {
    cblas_ddot(n, x, incx, y, incy)
  }

  public static func _nrm2(_ n: Int32, _ x: UnsafePointer<Double>, _ incx: Int32) -> Double {
    cblas_dnrm2(n, x, incx)
  }

  public static func _asum(_ n: Int32, _ x: UnsafePointer<Double>, _ incx: Int32) -> Double {
    cblas_dasum(n, x, incx)
  }

  public static func _iamax(_ n: Int32, _ x: UnsafePointer<Double>, _ incx: Int32) -> Int {
    Int(cblas_idamax(n, x, incx))
  }

  public static func _scal(_ n: Int32, _ alpha: Double, _ x: UnsafeMutablePointer<Double>, _ incx: Int32) {
    cblas_dscal(n, alpha, x, incx)
  }

  public static func _axpy(
    _ n: Int32, _ alpha: Double, _ x: UnsafePointer<Double>, _ incx: Int32, _ y: UnsafeMutablePointer<Double>,
    _ incy: Int32
  ) {
    cblas_daxpy(n, alpha, x, incx, y, incy)
  }

  public static func _copy(
    _ n: Int32, _ x: UnsafePointer<Double>, _ incx: Int32, _ y: UnsafeMutablePointer<Double>, _ incy: Int32
  ) {
    cblas_dcopy(n, x, incx, y, incy)
  }

  public static func _gemv(
    _ transposed: Bool, _ m: Int32, _ n: Int32, _ alpha: Double, _ a: UnsafePointer<Double>, _ lda: Int32,
    _ x: UnsafePointer<Double>, _ incx: Int32, _ beta: Double, _ y: UnsafeMutablePointer<Double>, _ incy: Int32
  ) {
    BLASTraits.withWorkBuffer {
      cblas_dgemv(Int32(MOMENTUM_ROW_MAJOR), transposition(transposed), m, n, alpha, a, lda, x, incx, beta, y, incy)
    }
  }

  public static func _gemm(
    _ transposedA: Bool, _ transposedB: Bool, _ m: Int32, _ n: Int32, _ k: Int32, _ alpha: Double,
    _ a: UnsafePointer<Double>, _ lda: Int32, _ b: UnsafePointer<Double>, _ ldb: Int32, _ beta: Double,
    _ c: UnsafeMutablePointer<Double>, _ ldc: Int32
  ) {
    BLASTraits.withWorkBuffer {
      cblas_dgemm(
        Int32(MOMENTUM_ROW_MAJOR), transposition(transposedA), transposition(transposedB), m, n, k,
        alpha, a, lda, b, ldb, beta, c, ldc)
    }
  }

  public static func _clamp(
    _ x: UnsafePointer<Double>, to lower: Double, _ upper: Double, into y: UnsafeMutablePointer<Double>, _ n: Int
  ) {
    momentum_clamp_double(x, lower, upper, y, n)
  }

  public static func _clampCounting(
    _ x: UnsafePointer<Double>, to lower: Double, _ upper: Double, into y: UnsafeMutablePointer<Double>, _ n: Int
  ) -> Int {
    momentum_clamp_counting_double(x, lower, upper, y, n)
  }

  public static func _clearNonFinite(_ x: UnsafePointer<Double>, into y: UnsafeMutablePointer<Double>, _ n: Int) {
    momentum_clear_nonfinite_double(x, y, n)
  }

  public static func _sign(_ x: UnsafeMutablePointer<Double>, _ n: Int) { momentum_sign_double(x, n) }

  public static func _averageSquares(
    _ decay: Double, _ factor: Double, _ x: UnsafePointer<Double>, into y: UnsafeMutablePointer<Double>, _ n: Int
  ) {
    momentum_average_squares_double(decay, factor, x, y, n)
  }

  public static func _divideByRoot(
    of x: UnsafePointer<Double>, _ epsilon: Double, into y: UnsafeMutablePointer<Double>, _ n: Int
  ) {
    momentum_divide_by_root_double(epsilon, x, y, n)
  }

  public static func _fusedLoop(_ program: UInt64) -> OpaquePointer? {
    momentum_find_fused_loop_double(program).map { unsafeBitCast($0, to: OpaquePointer.self) }
  }

  public static func _runFused(
    _ loop: OpaquePointer, _ operands: UnsafePointer<UnsafeMutablePointer<Double>?>, _ factors: UnsafePointer<Double>,
    _ n: Int, backwards: Bool
  ) {
    momentum_run_fused_loop_double(UnsafeRawPointer(loop), operands, factors, n, backwards ? 1 : 0)
  }

  public static func _speculativeLoop(_ variant: Int32, _ program: UInt64) -> OpaquePointer? {
    momentum_find_speculative_loop_double(variant, program).map { unsafeBitCast($0, to: OpaquePointer.self) }
  }

  public static func _runSpeculatively(
    _ loop: OpaquePointer, _ variant: Int32, _ operands: UnsafePointer<UnsafeMutablePointer<Double>?>,
    _ factors: UnsafePointer<Double>, _ n: Int, piece: Int, upTo largestSum: Double, sum: UnsafeMutablePointer<Double>,
    into tiles: UnsafeMutablePointer<Double>
  ) -> Int {
    var given = momentum_speculation(largest: largestSum, tile: Tile.count, piece: piece)
    return momentum_run_speculative_loop_double(
      variant, UnsafeRawPointer(loop), operands, factors, n, &given, sum, tiles)
  }

  public static func _clampingLoop(_ variant: Int32, _ program: UInt64) -> OpaquePointer? {
    momentum_find_clamping_loop_double(variant, program).map { unsafeBitCast($0, to: OpaquePointer.self) }
  }

  public static func _runClamping(
    _ loop: OpaquePointer, _ variant: Int32, _ operands: UnsafePointer<UnsafeMutablePointer<Double>?>,
    _ factors: UnsafePointer<Double>, _ n: Int, into tiles: UnsafeMutablePointer<Double>
  ) -> Int {
    momentum_run_clamping_loop_double(variant, UnsafeRawPointer(loop), operands, factors, n, Tile.count, tiles)
  }

  public static func _sumSquares(
    _ variant: Int32, _ x: UnsafePointer<Double>, _ n: Int, fetchingNext: Bool, into sums: UnsafeMutablePointer<Double>
  ) {
    momentum_squares_double(variant, x, n, Tile.count, fetchingNext ? 1 : 0, sums)
  }

  public static func _squaresVariant(
    _ position: Int32
  ) -> (vectorName: UnsafePointer<CChar>?, most: Int, near: Int, far: ClosedRange<Int>) {
    let variant = momentum_squares_variant_double(position).unsafelyUnwrapped
    return (
      variant.pointee.vector_name, variant.pointee.most, variant.pointee.near,
      variant.pointee.far...variant.pointee.farthest
    )
  }

  public static func _sumClampedSquares(
    _ variant: Int32, _ x: UnsafePointer<Double>, _ n: Int, to lower: Double, _ upper: Double,
    into sums: UnsafeMutablePointer<Double>
  ) -> Int {
    momentum_squares_clamped_double(variant, x, n, lower, upper, sums)
  }

  public static func _maximumMagnitude(_ x: UnsafePointer<Double>, _ n: Int) -> Double {
    momentum_largest_magnitude_double(x, n)
  }

  public static func _wideSquares(_ x: UnsafePointer<Double>, _ n: Int) -> Double { momentum_wide_squares_double(x, n) }

  public static func _wideMagnitudes(_ x: UnsafePointer<Double>, _ n: Int) -> Double {
    momentum_wide_magnitudes_double(x, n)
  }

  public static func _multiplyTiles(
    _ a: UnsafePointer<Double>, _ b: UnsafePointer<Double>, _ c: UnsafeMutablePointer<Double>, _ m: Int, _ n: Int,
    _ k: Int, adds: Bool, lower: Bool, next: (UnsafePointer<Double>?, UnsafePointer<Double>?)
  ) {
    momentum_multiply_tiles_double(a, b, c, m, n, k, adds ? 1 : 0, lower ? 1 : 0, next.0, next.1)
  }

  public static func _transposeTile(
    _ x: UnsafePointer<Double>, _ m: Int, _ n: Int, into y: UnsafeMutablePointer<Double>
  ) {
    momentum_transpose_tile_double(x, m, n, y)
  }

  public static func _copyTile(
    _ x: UnsafePointer<Double>, _ xRow: Int, into y: UnsafeMutablePointer<Double>, _ yRow: Int, _ m: Int, _ n: Int
  ) {
    momentum_copy_tile_double(x, xRow, y, yRow, m, n)
  }

  public static func _multiply(
    _ x: UnsafePointer<Double>, by factors: (Double, Double, Double), into y: UnsafeMutablePointer<Double>, _ n: Int
  ) {
    momentum_multiply_thrice_double(x, factors.0, factors.1, factors.2, y, n)
  }

  public static func _combine(
    _ a: Double, _ y: UnsafeMutablePointer<Double>, _ b: Double, _ x: UnsafePointer<Double>, _ n: Int
  ) {
    momentum_combine_tiles_double(a, y, b, x, n)
  }

  public static func _factorizeTile(_ a: UnsafeMutablePointer<Double>, _ n: Int) -> Bool {
    momentum_factorize_tile_double(a, n) != 0
  }

  public static func _solveTile(
    _ u: UnsafePointer<Double>, _ n: Int, _ x: UnsafeMutablePointer<Double>, _ columns: Int
  ) {
    momentum_solve_tile_double(u, n, x, columns)
  }

  @inlinable public static var _hasExactSquares: Bool { false }
  @inlinable public static var _leastTrustedSquares: Double { 0x1p-900 }
  @inlinable public static var _unitDotCount: Int { 512 }
}
