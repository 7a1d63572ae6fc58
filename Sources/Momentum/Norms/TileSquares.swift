/// Sums the squares of consecutive tiles, each as the dot product of the tile with itself: by calls of BLAS, or by a loop that
/// sums several tiles side by side and gives the same bits.
struct TileSquares<Scalar: BLASScalar> {
  /// The sums of the tiles of one call, of which there may be fewer. Not a vector: one would be read as a whole, and so wait for
  /// every sum of it.
  typealias Sums = InlineArray<5, Scalar>

  /// The variant of the loop; `nil` for calls of BLAS.
  private let variant: Int32?

  /// The most tiles that the loop takes at a time, and the number of tiles up to which it takes several.
  private let most, near: Int
  /// For how many tiles it fetches the next one.
  private let far: ClosedRange<Int>

  /// - Parameter prefersLoops: Whether to use the loop where one has the bits of the loaded BLAS.
  @inline(__always)
  init(prefersLoops: Bool) {
    variant = prefersLoops ? BLASTraits.squaresVariant(Scalar.self) : nil
    let loop = variant.map { Scalar._squaresVariant($0) }
    (most, near) = (loop?.most ?? 1, loop?.near ?? 0)
    far = loop?.far ?? .max ... .max
  }

  /// Whether several tiles side by side take less time than one after the other. Farther away than ``near``, what delivers a
  /// tile takes longer than its sum waits for itself, and is faster as one stream.
  @inline(__always)
  private func takesSeveral(of tiles: Int) -> Bool { tiles <= near }

  /// Whether to fetch the next tile while one of a run is summed.
  @inline(__always)
  func fetchesNext(ofRun count: Int) -> Bool { far.contains(Tile.number(of: count)) }

  /// The number of tiles to sum next, of those that n elements fill.
  ///
  /// A tile by itself takes almost as long as two, so calls get about as many each.
  @inline(__always)
  private func share(of tiles: Int) -> Int {
    if !takesSeveral(of: tiles) { return 1 }
    if tiles <= most { return tiles }
    return tiles < 2 * most ? (tiles &+ 1) / 2 : most
  }

  /// Sums the next tiles of n > 0 elements that begin on the grid.
  ///
  /// - Parameters:
  ///   - fetchingNext: See ``fetchesNext(ofRun:)``.
  ///   - copy: As for ``TileSum/dot(_:_:copy:)``.
  /// - Returns: The number of tiles that were summed.
  @inline(__always)
  func sum(
    _ x: UnsafePointer<Scalar>, _ n: Int, fetchingNext: Bool = false, into sums: inout Sums,
    copy: UnsafeMutablePointer<Scalar>? = nil
  ) -> Int {
    guard let variant else {
      sums[0] = TileSum.dot(x, min(Tile.count, n), copy: copy)
      return 1
    }
    let tiles = share(of: Tile.number(of: n))
    withUnsafeMutableBytes(of: &sums) {
      Scalar._sumSquares(
        variant, x, min(n, tiles * Tile.count), fetchingNext: fetchingNext,
        into: $0.baseAddress!.assumingMemoryBound(to: Scalar.self))
    }
    return tiles
  }

  /// Sums n elements, at most a tile, with the bits of one dot product.
  @inline(__always)
  func sum(ofOne x: UnsafePointer<Scalar>, _ n: Int, copy: UnsafeMutablePointer<Scalar>? = nil) -> Scalar {
    guard let variant else { return TileSum.dot(x, n, copy: copy) }
    var sum: Scalar = 0
    Scalar._sumSquares(variant, x, n, fetchingNext: false, into: &sum)
    return sum
  }

  /// Sums the squares of a tile, and those of its elements as they are between two bounds, in one reading.
  ///
  /// - Returns: The number of elements that the bounds change; `nil` where dot and clamp are calls of their own.
  @inline(__always)
  func sumClamped(
    _ x: UnsafePointer<Scalar>, _ n: Int, to lower: Scalar, _ upper: Scalar, into sums: inout Sums
  ) -> Int? {
    guard let variant else { return nil }
    return withUnsafeMutableBytes(of: &sums) {
      Scalar._sumClampedSquares(
        variant, x, n, to: lower, upper, into: $0.baseAddress!.assumingMemoryBound(to: Scalar.self))
    }
  }
}

extension TileSum {
  /// One BLAS dot product of the tile with itself. The bits do not depend on where the tile lies in memory.
  @inline(__always)
  static func dot<S: BLASScalar>(_ x: UnsafePointer<S>, _ n: Int, copy: UnsafeMutablePointer<S>? = nil) -> S {
    if UInt(bitPattern: x) % 64 != 0, BLASTraits.dotDependsOnAlignment {
      if let copy {
        copy.update(from: x, count: n)
        return S._dot(Int32(truncatingIfNeeded: n), copy, 1, copy, 1)
      }
      return withUnsafeTemporaryAllocation(byteCount: n * MemoryLayout<S>.stride, alignment: 64) { raw in
        let copy = raw.baseAddress!.initializeMemory(as: S.self, from: x, count: n)
        return S._dot(Int32(truncatingIfNeeded: n), copy, 1, copy, 1)
      }
    }
    return S._dot(Int32(truncatingIfNeeded: n), x, 1, x, 1)
  }
}
