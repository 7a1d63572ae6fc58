/// The sums of all tiles of a table, of the gradients as they are in memory or as clipping by value leaves them.
struct MeasuredTiles {
  let sums: UnsafeMutableBufferPointer<TileSum>
  /// The divisor of the elements before their powers were summed: for a general p-norm, the largest magnitude.
  let divisor: Double
}
