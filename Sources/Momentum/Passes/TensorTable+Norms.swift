// Norms of tensors, from the tile sums that a reduce pass has left in the table.
extension TensorTable {
  /// The norm of one tensor.
  func norm(of index: Int, _ type: NormType, _ sums: UnsafeMutableBufferPointer<TileSum>) -> MeasuredNorm {
    let tiles = tiles(of: entry(index), sums)
    // A few tiles take the fast path if it applies. The sum is exact on every path, and rounded once.
    if type == .l2, tiles.count <= NormPartial.chunk, let sum = TileSum.plainSum(tiles) {
      return MeasuredNorm(finite: ScaledDouble(sum).squareRoot())
    }
    var partial = NormPartial(unchecked: type, divisor: divisor)
    partial.add(tiles)
    return MeasuredNorm(partial)
  }

  /// The norm of all tensors that have a gradient.
  func total(_ type: NormType, _ sums: UnsafeMutableBufferPointer<TileSum>) -> NormPartial {
    if type != .infinity, sums.count <= NormPartial.chunk, hasAllGradients,
      let sum = TileSum.plainSum(UnsafeBufferPointer(sums))
    {
      return NormPartial(unchecked: type, divisor: divisor, finiteSum: sum)
    }
    var partial = NormPartial(unchecked: type, divisor: divisor)
    // Tensors without a gradient have no tile sums; tiles of successive other tensors are added in one go.
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

  /// Whether every tensor has a gradient.
  @inline(__always)
  private var hasAllGradients: Bool {
    for index in entries.indices where entry(index).pointee.gradient == nil { return false }
    return true
  }

  /// The norm of some tensors after multiplication by their coefficients. A tensor with the coefficient 1 enters with
  /// the exact sums that were measured.
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
