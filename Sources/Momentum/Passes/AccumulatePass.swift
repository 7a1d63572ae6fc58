/// The pass of a ``GradientAccumulator``: adds each tile of a gradient to the sum, and measures the new sum.
enum AccumulatePass {
  /// Runs the tiles that start in a range of the concatenation; the sums are the `average` operands of the table.
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
          // With the factor 1 a fused multiply-add and a plain addition give the same bits, so the end needs no
          // padding.
          Scalar._axpy(Int32(truncatingIfNeeded: n), 1, gradient + start, 1, sum + start, 1)
        }
        table.sums[entry.pointee.firstTile + tile] = .measure(sum + start, n, measure)
        tile += 1
      }
    }
  }
}
