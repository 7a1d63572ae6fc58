internal import CMomentumKernels

/// Products of two tiles of matrices, at most ``side`` rows and columns each, which lie row by row without gaps.
///
/// BLAS starts threads of its own for all but small products, and copies the factors of those before it multiplies them, which
/// takes a fifth of the time and more. Loops of our own multiply tiles as they lie. Every element is a chain of fused
/// multiply-adds in the order of the depth, added to what was there: the same bits on every processor that fuses, whatever BLAS is
/// loaded. On others it is a call of gemm.
package enum TileProduct {
  /// The most rows and columns of a tile: 64.
  static var side: Int { Int(MOMENTUM_TILE_SIDE) }

  /// Whether this processor has the loops.
  @inline(__always)
  private static var hasLoops: Bool { momentum_has_tile_products() != 0 }

  /// `c ← a·b`, or where it adds `c ← c + a·b`, of m × k, k × n and m × n elements.
  ///
  /// - Parameters:
  ///   - lower: Whether the elements above the diagonal do not matter: they become what they would, or stay what they were.
  ///   - next: The tiles that will be read after these, which are fetched into cache meanwhile.
  @inline(__always)
  package static func multiply<S: BLASScalar>(
    _ a: UnsafePointer<S>, _ b: UnsafePointer<S>, into c: UnsafeMutablePointer<S>, _ m: Int, _ n: Int, _ k: Int,
    adds: Bool, lower: Bool = false, next: (UnsafePointer<S>?, UnsafePointer<S>?) = (nil, nil)
  ) {
    if hasLoops { return S._multiplyTiles(a, b, c, m, n, k, adds: adds, lower: lower, next: next) }
    multiplyByBLAS(a, b, into: c, m, n, k, adds: adds)
  }

  /// The same on a processor without the loops.
  @inline(never)
  static func multiplyByBLAS<S: BLASScalar>(
    _ a: UnsafePointer<S>, _ b: UnsafePointer<S>, into c: UnsafeMutablePointer<S>, _ m: Int, _ n: Int, _ k: Int,
    adds: Bool
  ) {
    let (columns, depth) = (Int32(truncatingIfNeeded: n), Int32(truncatingIfNeeded: k))
    S._gemm(
      false, false, Int32(truncatingIfNeeded: m), columns, depth, 1, a, depth, b, columns, adds ? 1 : 0, c, columns)
  }
}
