/// The engine's unit of work: a run of consecutive elements of one tensor that starts at a multiple of ``count`` counted from
/// the tensor's first element.
///
/// The grid of tiles depends on nothing else, which is why results are the same bits for any number of threads and any place
/// in memory. A tensor that is cut, over processes for example, has the norm of the whole if it is cut between tiles; see
/// ``NormPartial``.
public enum Tile {
  /// The number of elements, 2048. Part of the numeric contract: another size would change the bits of norms.
  ///
  /// It is a multiple of the widest kernel's step (64 `Float`s), keeps three `Float` tiles in a first-level cache, and stays
  /// below every length at which OpenBLAS starts threads of its own (10 000 elements for axpy and dot).
  @inlinable public static var count: Int { 2048 }

  /// How many tiles a number of elements makes; the last one may be shorter.
  @inline(__always)
  static func number(of elements: Int) -> Int { (elements + count - 1) / count }
}
