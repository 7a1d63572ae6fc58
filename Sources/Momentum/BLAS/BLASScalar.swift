/// An element type that BLAS computes with: `Float` or `Double`.
///
/// The protocol is closed. Its underscored requirements are the C routines of one precision, the element loops that
/// BLAS lacks, and the properties of the type that the algorithms depend on. They check nothing, take 32-bit counts as
/// CBLAS does, and are not public API. Use ``BLAS`` for checked calls.
public protocol BLASScalar: StoredScalar, BinaryFloatingPoint, SIMDScalar, Codable, LosslessStringConvertible,
  CustomStringConvertible
where Exponent == Int, Compute == Self {

  // MARK: CBLAS, level 1

  static func _dot(_ n: Int32, _ x: UnsafePointer<Self>, _ incx: Int32, _ y: UnsafePointer<Self>, _ incy: Int32)
    -> Self
  static func _nrm2(_ n: Int32, _ x: UnsafePointer<Self>, _ incx: Int32) -> Self
  static func _asum(_ n: Int32, _ x: UnsafePointer<Self>, _ incx: Int32) -> Self
  static func _iamax(_ n: Int32, _ x: UnsafePointer<Self>, _ incx: Int32) -> Int
  static func _scal(_ n: Int32, _ alpha: Self, _ x: UnsafeMutablePointer<Self>, _ incx: Int32)
  static func _axpy(
    _ n: Int32, _ alpha: Self, _ x: UnsafePointer<Self>, _ incx: Int32, _ y: UnsafeMutablePointer<Self>,
    _ incy: Int32)
  static func _copy(
    _ n: Int32, _ x: UnsafePointer<Self>, _ incx: Int32, _ y: UnsafeMutablePointer<Self>, _ incy: Int32)

  // MARK: CBLAS, levels 2 and 3 (row-major)

  static func _gemv(
    _ transposed: Bool, _ m: Int32, _ n: Int32, _ alpha: Self, _ a: UnsafePointer<Self>, _ lda: Int32,
    _ x: UnsafePointer<Self>, _ incx: Int32, _ beta: Self, _ y: UnsafeMutablePointer<Self>, _ incy: Int32)
  static func _gemm(
    _ transposedA: Bool, _ transposedB: Bool, _ m: Int32, _ n: Int32, _ k: Int32, _ alpha: Self,
    _ a: UnsafePointer<Self>, _ lda: Int32, _ b: UnsafePointer<Self>, _ ldb: Int32, _ beta: Self,
    _ c: UnsafeMutablePointer<Self>, _ ldc: Int32)

  // MARK: Element loops that BLAS lacks

  static func _clamp(
    _ x: UnsafePointer<Self>, to lower: Self, _ upper: Self, into y: UnsafeMutablePointer<Self>, _ n: Int)
  static func _clampCounting(
    _ x: UnsafePointer<Self>, to lower: Self, _ upper: Self, into y: UnsafeMutablePointer<Self>, _ n: Int
  ) -> Int
  static func _clearNonFinite(_ x: UnsafePointer<Self>, into y: UnsafeMutablePointer<Self>, _ n: Int)
  static func _sign(_ x: UnsafeMutablePointer<Self>, _ n: Int)
  static func _averageSquares(
    _ decay: Self, _ factor: Self, _ x: UnsafePointer<Self>, into y: UnsafeMutablePointer<Self>, _ n: Int)
  static func _divideByRoot(
    of x: UnsafePointer<Self>, _ epsilon: Self, into y: UnsafeMutablePointer<Self>, _ n: Int)

  // MARK: Loops of whole programs (see `FusedLoop`)

  static func _fusedLoop(_ program: UInt64) -> OpaquePointer?
  static func _runFused(
    _ loop: OpaquePointer, _ operands: UnsafePointer<UnsafeMutablePointer<Self>?>, _ factors: UnsafePointer<Self>,
    _ n: Int, backwards: Bool)
  static func _speculativeLoop(_ variant: Int32, _ program: UInt64) -> OpaquePointer?
  static func _runSpeculatively(
    _ loop: OpaquePointer, _ variant: Int32, _ operands: UnsafePointer<UnsafeMutablePointer<Self>?>,
    _ factors: UnsafePointer<Self>, _ n: Int, piece: Int, upTo largestSum: Double, sum: UnsafeMutablePointer<Double>,
    into tiles: UnsafeMutablePointer<Self>
  ) -> Int

  static func _clampingLoop(_ variant: Int32, _ program: UInt64) -> OpaquePointer?
  static func _runClamping(
    _ loop: OpaquePointer, _ variant: Int32, _ operands: UnsafePointer<UnsafeMutablePointer<Self>?>,
    _ factors: UnsafePointer<Self>, _ n: Int, into tiles: UnsafeMutablePointer<Self>
  ) -> Int

  // MARK: Sums of squares with the bits of dot (see `TileSquares`)

  static func _sumSquares(
    _ variant: Int32, _ x: UnsafePointer<Self>, _ n: Int, fetchingNext: Bool, into sums: UnsafeMutablePointer<Self>)
  static func _squaresVariant(
    _ position: Int32
  ) -> (vectorName: UnsafePointer<CChar>?, most: Int, near: Int, far: ClosedRange<Int>)
  static func _sumClampedSquares(
    _ variant: Int32, _ x: UnsafePointer<Self>, _ n: Int, to lower: Self, _ upper: Self,
    into sums: UnsafeMutablePointer<Self>
  ) -> Int

  // MARK: Measures of elements

  static func _maximumMagnitude(_ x: UnsafePointer<Self>, _ n: Int) -> Self
  static func _wideSquares(_ x: UnsafePointer<Self>, _ n: Int) -> Double
  static func _wideMagnitudes(_ x: UnsafePointer<Self>, _ n: Int) -> Double

  // MARK: Loops of matrices in tiles (see `MatrixTile`)

  static func _multiplyTiles(
    _ a: UnsafePointer<Self>, _ b: UnsafePointer<Self>, _ c: UnsafeMutablePointer<Self>, _ m: Int, _ n: Int, _ k: Int,
    adds: Bool, lower: Bool, next: (UnsafePointer<Self>?, UnsafePointer<Self>?))
  static func _transposeTile(
    _ x: UnsafePointer<Self>, _ m: Int, _ n: Int, into y: UnsafeMutablePointer<Self>)
  static func _copyTile(
    _ x: UnsafePointer<Self>, _ xRow: Int, into y: UnsafeMutablePointer<Self>, _ yRow: Int, _ m: Int, _ n: Int)
  static func _multiply(
    _ x: UnsafePointer<Self>, by factors: (Self, Self, Self), into y: UnsafeMutablePointer<Self>, _ n: Int)
  static func _combine(
    _ a: Self, _ y: UnsafeMutablePointer<Self>, _ b: Self, _ x: UnsafePointer<Self>, _ n: Int)
  static func _factorizeTile(_ a: UnsafeMutablePointer<Self>, _ n: Int) -> Bool
  static func _solveTile(_ u: UnsafePointer<Self>, _ n: Int, _ x: UnsafeMutablePointer<Self>, _ columns: Int)

  // MARK: Traits

  /// Whether the square of every number of this type is exact in `Double`, without overflow or underflow.
  static var _hasExactSquares: Bool { get }
  /// The least sum of squares of a tile for which a dot product keeps all its digits.
  ///
  /// A smaller sum may have lost squares to underflow. What is lost is at most 2048·2⁻¹²⁶ for `Float`, even if the
  /// processor flushes subnormals to zero: 2⁻³⁵ of 2⁻⁸⁰. For `Double` it is at most 2048·2⁻¹⁰²², less than 2⁻¹¹⁰ of
  /// 2⁻⁹⁰⁰.
  static var _leastTrustedSquares: Self { get }
  /// The number of elements that one dot product may sum where its error must stay below that of `Double` lanes; see
  /// `UnitSum`.
  static var _unitDotCount: Int { get }
}
