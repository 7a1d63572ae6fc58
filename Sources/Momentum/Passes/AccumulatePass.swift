/// The pass of a ``GradientAccumulator``: adds each tile of a gradient to the sum, and measures what has become of the sum.
enum AccumulatePass {
  /// Runs the tiles that start in a range of the concatenation; the sums are the table's averages.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  static func run<Scalar: BLASScalar>(
    _ table: TensorTable<Scalar>, _ share: Range<Int>, _ measure: TileMeasure
  ) {
    table.forEach(in: share) { index, part in
      let entry = table.entry(index)
      guard let gradient = entry.pointee.gradient, let sum = entry.pointee.average else { return }
      var tile = Tile.number(of: part.lowerBound)
      while tile * Tile.count < part.upperBound {
        let start = tile * Tile.count
        let n = min(Tile.count, entry.pointee.count - start)
        if entry.pointee.program == 0 {
          (sum + start).update(from: gradient + start, count: n)
        } else {
          // A factor of 1 makes a fused multiply-add and a plain addition the same bits: no need to pad the end.
          Scalar._axpy(Int32(truncatingIfNeeded: n), 1, gradient + start, 1, sum + start, 1)
        }
        table.sums[entry.pointee.firstTile + tile] = .measure(sum + start, n, measure)
        tile += 1
      }
    }
  }
}
