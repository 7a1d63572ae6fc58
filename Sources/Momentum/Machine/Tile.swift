/// The piece that the engine works on at a time: a run of consecutive elements of one tensor, which starts at a
/// multiple of ``count`` from the tensor's first element.
///
/// The grid of tiles depends on nothing else. That is why results have the same bits for any number of threads and any
/// place in memory. If a tensor is cut, for example over processes, the norm keeps its bits as long as every cut lies
/// between tiles; see ``NormPartial``.
public enum Tile {
  /// The number of elements, 2048. Part of the numeric contract: another size would change the bits of norms.
  ///
  /// The number is a multiple of the widest kernel's step (64 `Float`s). It keeps three `Float` tiles in a first-level
  /// cache, and lies below every length at which OpenBLAS starts threads of its own (10 000 elements for axpy and dot).
  @inlinable public static var count: Int { 2048 }

  /// The number of tiles of a number of elements; the last tile may be shorter.
  @inline(__always)
  static func number(of elements: Int) -> Int { (elements &+ (count &- 1)) &>> count.trailingZeroBitCount }
}
