internal import CMomentumBLAS
internal import CMomentumKernels

// The C routines of this precision, one line a call. The file of the other precision has the same members in the same
// order, so that a diff of the two shows only types and routine letters.
extension Float: BLASScalar {
  public static func _dot(
    _ n: Int32, _ x: UnsafePointer<Float>, _ incx: Int32, _ y: UnsafePointer<Float>, _ incy: Int32
  ) -> Float {
    cblas_sdot(n, x, incx, y, incy)
  }

  public static func _nrm2(_ n: Int32, _ x: UnsafePointer<Float>, _ incx: Int32) -> Float {
    cblas_snrm2(n, x, incx)
  }

  public static func _asum(_ n: Int32, _ x: UnsafePointer<Float>, _ incx: Int32) -> Float {
    cblas_sasum(n, x, incx)
  }

  public static func _iamax(_ n: Int32, _ x: UnsafePointer<Float>, _ incx: Int32) -> Int {
    Int(cblas_isamax(n, x, incx))
  }

  public static func _scal(_ n: Int32, _ alpha: Float, _ x: UnsafeMutablePointer<Float>, _ incx: Int32) {
    cblas_sscal(n, alpha, x, incx)
  }

  public static func _axpy(
    _ n: Int32, _ alpha: Float, _ x: UnsafePointer<Float>, _ incx: Int32, _ y: UnsafeMutablePointer<Float>,
    _ incy: Int32
  ) {
    cblas_saxpy(n, alpha, x, incx, y, incy)
  }

  public static func _copy(
    _ n: Int32, _ x: UnsafePointer<Float>, _ incx: Int32, _ y: UnsafeMutablePointer<Float>, _ incy: Int32
  ) {
    cblas_scopy(n, x, incx, y, incy)
  }

  public static func _gemv(
    _ transposed: Bool, _ m: Int32, _ n: Int32, _ alpha: Float, _ a: UnsafePointer<Float>, _ lda: Int32,
    _ x: UnsafePointer<Float>, _ incx: Int32, _ beta: Float, _ y: UnsafeMutablePointer<Float>, _ incy: Int32
  ) {
    BLASTraits.withWorkBuffer {
      cblas_sgemv(Int32(MOMENTUM_ROW_MAJOR), transposition(transposed), m, n, alpha, a, lda, x, incx, beta, y, incy)
    }
  }

  public static func _gemm(
    _ transposedA: Bool, _ transposedB: Bool, _ m: Int32, _ n: Int32, _ k: Int32, _ alpha: Float,
    _ a: UnsafePointer<Float>, _ lda: Int32, _ b: UnsafePointer<Float>, _ ldb: Int32, _ beta: Float,
    _ c: UnsafeMutablePointer<Float>, _ ldc: Int32
  ) {
    BLASTraits.withWorkBuffer {
      cblas_sgemm(
        Int32(MOMENTUM_ROW_MAJOR), transposition(transposedA), transposition(transposedB), m, n, k,
        alpha, a, lda, b, ldb, beta, c, ldc)
    }
  }

  public static func _clamp(
    _ x: UnsafePointer<Float>, to lower: Float, _ upper: Float, into y: UnsafeMutablePointer<Float>, _ n: Int
  ) {
    momentum_clamp_float(x, lower, upper, y, n)
  }

  public static func _clampCounting(
    _ x: UnsafePointer<Float>, to lower: Float, _ upper: Float, into y: UnsafeMutablePointer<Float>, _ n: Int
  ) -> Int {
    momentum_clamp_counting_float(x, lower, upper, y, n)
  }

  public static func _clearNonFinite(_ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>, _ n: Int) {
    momentum_clear_nonfinite_float(x, y, n)
  }

  public static func _sign(_ x: UnsafeMutablePointer<Float>, _ n: Int) { momentum_sign_float(x, n) }

  public static func _averageSquares(
    _ decay: Float, _ factor: Float, _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>, _ n: Int
  ) {
    momentum_average_squares_float(decay, factor, x, y, n)
  }

  public static func _divideByRoot(
    of x: UnsafePointer<Float>, _ epsilon: Float, into y: UnsafeMutablePointer<Float>, _ n: Int
  ) {
    momentum_divide_by_root_float(epsilon, x, y, n)
  }

  public static func _fusedLoop(_ program: UInt64) -> OpaquePointer? {
    momentum_find_fused_loop_float(program).map { unsafeBitCast($0, to: OpaquePointer.self) }
  }

  public static func _runFused(
    _ loop: OpaquePointer, _ operands: UnsafePointer<UnsafeMutablePointer<Float>?>, _ factors: UnsafePointer<Float>,
    _ n: Int, backwards: Bool
  ) {
    momentum_run_fused_loop_float(UnsafeRawPointer(loop), operands, factors, n, backwards ? 1 : 0)
  }

  public static func _speculativeLoop(_ variant: Int32, _ program: UInt64) -> OpaquePointer? {
    momentum_find_speculative_loop_float(variant, program).map { unsafeBitCast($0, to: OpaquePointer.self) }
  }

  public static func _runSpeculatively(
    _ loop: OpaquePointer, _ variant: Int32, _ operands: UnsafePointer<UnsafeMutablePointer<Float>?>,
    _ factors: UnsafePointer<Float>, _ n: Int, piece: Int, upTo largestSum: Double, sum: UnsafeMutablePointer<Double>,
    into tiles: UnsafeMutablePointer<Float>
  ) -> Int {
    var given = momentum_speculation(largest: largestSum, tile: Tile.count, piece: piece)
    return momentum_run_speculative_loop_float(
      variant, UnsafeRawPointer(loop), operands, factors, n, &given, sum, tiles)
  }

  public static func _clampingLoop(_ variant: Int32, _ program: UInt64) -> OpaquePointer? {
    momentum_find_clamping_loop_float(variant, program).map { unsafeBitCast($0, to: OpaquePointer.self) }
  }

  public static func _runClamping(
    _ loop: OpaquePointer, _ variant: Int32, _ operands: UnsafePointer<UnsafeMutablePointer<Float>?>,
    _ factors: UnsafePointer<Float>, _ n: Int, into tiles: UnsafeMutablePointer<Float>
  ) -> Int {
    momentum_run_clamping_loop_float(variant, UnsafeRawPointer(loop), operands, factors, n, Tile.count, tiles)
  }

  public static func _sumSquares(
    _ variant: Int32, _ x: UnsafePointer<Float>, _ n: Int, fetchingNext: Bool, into sums: UnsafeMutablePointer<Float>
  ) {
    momentum_squares_float(variant, x, n, Tile.count, fetchingNext ? 1 : 0, sums)
  }

  public static func _squaresVariant(
    _ position: Int32
  ) -> (vectorName: UnsafePointer<CChar>?, most: Int, near: Int, far: ClosedRange<Int>) {
    let variant = momentum_squares_variant_float(position).unsafelyUnwrapped
    return (
      variant.pointee.vector_name, variant.pointee.most, variant.pointee.near,
      variant.pointee.far...variant.pointee.farthest
    )
  }

  public static func _sumClampedSquares(
    _ variant: Int32, _ x: UnsafePointer<Float>, _ n: Int, to lower: Float, _ upper: Float,
    into sums: UnsafeMutablePointer<Float>
  ) -> Int {
    momentum_squares_clamped_float(variant, x, n, lower, upper, sums)
  }

  public static func _maximumMagnitude(_ x: UnsafePointer<Float>, _ n: Int) -> Float {
    momentum_largest_magnitude_float(x, n)
  }

  public static func _wideSquares(_ x: UnsafePointer<Float>, _ n: Int) -> Double { momentum_wide_squares_float(x, n) }

  public static func _wideMagnitudes(_ x: UnsafePointer<Float>, _ n: Int) -> Double {
    momentum_wide_magnitudes_float(x, n)
  }

  public static func _multiplyTiles(
    _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ c: UnsafeMutablePointer<Float>, _ m: Int, _ n: Int,
    _ k: Int, adds: Bool, lower: Bool, next: (UnsafePointer<Float>?, UnsafePointer<Float>?)
  ) {
    momentum_multiply_tiles_float(a, b, c, m, n, k, adds ? 1 : 0, lower ? 1 : 0, next.0, next.1)
  }

  public static func _transposeTile(
    _ x: UnsafePointer<Float>, _ m: Int, _ n: Int, into y: UnsafeMutablePointer<Float>
  ) {
    momentum_transpose_tile_float(x, m, n, y)
  }

  public static func _copyTile(
    _ x: UnsafePointer<Float>, _ xRow: Int, into y: UnsafeMutablePointer<Float>, _ yRow: Int, _ m: Int, _ n: Int
  ) {
    momentum_copy_tile_float(x, xRow, y, yRow, m, n)
  }

  public static func _multiply(
    _ x: UnsafePointer<Float>, by factors: (Float, Float, Float), into y: UnsafeMutablePointer<Float>, _ n: Int
  ) {
    momentum_multiply_thrice_float(x, factors.0, factors.1, factors.2, y, n)
  }

  public static func _combine(
    _ a: Float, _ y: UnsafeMutablePointer<Float>, _ b: Float, _ x: UnsafePointer<Float>, _ n: Int
  ) {
    momentum_combine_tiles_float(a, y, b, x, n)
  }

  public static func _factorizeTile(_ a: UnsafeMutablePointer<Float>, _ n: Int) -> Bool {
    momentum_factorize_tile_float(a, n) != 0
  }

  public static func _solveTile(
    _ u: UnsafePointer<Float>, _ n: Int, _ x: UnsafeMutablePointer<Float>, _ columns: Int
  ) {
    momentum_solve_tile_float(u, n, x, columns)
  }

  @inlinable public static var _hasExactSquares: Bool { true }
  @inlinable public static var _leastTrustedSquares: Float { 0x1p-80 }
  @inlinable public static var _unitDotCount: Int { 128 }
}
