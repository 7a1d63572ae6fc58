/// The sums of all tiles of a table, of the gradients as they are in memory or as clipping by value leaves them.
struct MeasuredTiles {
  let sums: UnsafeMutableBufferPointer<TileSum>
  /// The scale on which the tiles are added: for a general p-norm, the largest of their own.
  let divisor: Double
}
