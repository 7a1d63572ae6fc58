/// The algorithm for the sum of squares of a tile of `Float`s or `Double`s. Tiles in half precision (``HalfScalar``) are
/// always summed as by ``portable``, which takes no longer there.
public enum NormAlgorithm: String, Sendable, Hashable, Codable, CaseIterable {
  /// One BLAS dot product a tile, which runs at the speed of memory. The bits depend on the BLAS kernel of the
  /// processor family.
  case blas
  /// Squares in `Double` on 32 fixed lanes (`Float`), exact squares (`Double`): the norm is off by at most 36 (`Float`)
  /// or 1.5 (`Double`) roundings of `Double`, and has the same bits on every processor. Takes about 4 times (`Float`)
  /// to 60 times (`Double`) as long in cache.
  case portable
}
