// Norms of tensors from what a reduce pass has left in the table.
extension TensorTable {
  /// The norm of one tensor.
  func norm(of index: Int, _ type: NormType, _ sums: UnsafeMutableBufferPointer<TileSum>) -> MeasuredNorm {
    let tiles = tiles(of: entry(index), sums)
    // A few tiles by the shortest way, if it can be taken: the sum is exact in any case, and rounded once.
    if type == .l2, tiles.count <= NormPartial.chunk, let sum = TileSum.plainSum(tiles) {
      return MeasuredNorm(finite: ScaledDouble(sum).squareRoot())
    }
    var partial = NormPartial(unchecked: type, divisor: divisor)
    partial.add(tiles)
    return MeasuredNorm(partial)
  }

  /// The norm of all tensors that have a gradient.
  func total(_ type: NormType, _ sums: UnsafeMutableBufferPointer<TileSum>) -> NormPartial {
    var partial = NormPartial(unchecked: type, divisor: divisor)
    // Tensors without a gradient have no tile sums; runs of the others are added in one go.
    var (start, end) = (0, 0)
    for index in entries.indices {
      let entry = entry(index)
      if entry.pointee.gradient == nil {
        partial.add(UnsafeBufferPointer(rebasing: sums[start..<end]))
        start = entry.pointee.firstTile + entry.pointee.tiles
      }
      end = entry.pointee.firstTile + entry.pointee.tiles
    }
    partial.add(UnsafeBufferPointer(rebasing: sums[start..<end]))
    return partial
  }

  /// The norm of some tensors after what their coefficients have done. Untouched tensors enter as they were measured, to the
  /// last bit.
  func clippedTotal(
    _ type: NormType, _ sums: UnsafeMutableBufferPointer<TileSum>, finiteOnly: Bool,
    where isMeant: (UnsafePointer<Decision>) -> Bool
  ) -> NormPartial {
    var partial = NormPartial(unchecked: type, divisor: divisor)
    for index in entries.indices {
      let (entry, decision) = (entry(index), decision(index))
      guard entry.pointee.gradient != nil, isMeant(decision) else { continue }
      if let norm = decision.pointee.unitClippedNorm {
        partial.add(norm: norm * decision.pointee.coefficient)
      } else if decision.pointee.coefficient == ScaledDouble(1) {
        partial.add(tiles(of: entry, sums))
      } else {
        let measured = decision.pointee.tensorNorm ?? norm(of: index, type, sums).value(finiteOnly: finiteOnly)
        partial.add(norm: measured * decision.pointee.coefficient)
      }
    }
    return partial
  }

  @inline(__always)
  private func tiles(
    of entry: UnsafePointer<Entry>, _ sums: UnsafeMutableBufferPointer<TileSum>
  ) -> UnsafeBufferPointer<TileSum> {
    UnsafeBufferPointer(
      start: sums.baseAddress.unsafelyUnwrapped + entry.pointee.firstTile, count: entry.pointee.tiles)
  }
}
