// Norms of tensors from what a reduce pass has left in the table.
extension TensorTable {
  /// The norm of one tensor from its tile sums.
  func partial(
    of index: Int, _ type: NormType, _ sums: UnsafeMutableBufferPointer<TileSum>
  ) -> NormPartial {
    var partial = NormPartial(unchecked: type, unit: unit)
    partial.add(tiles(of: entries[index], sums))
    return partial
  }

  /// As ``partial(of:_:_:)``, as a number.
  func norm(
    of index: Int, _ type: NormType, _ sums: UnsafeMutableBufferPointer<TileSum>, finiteOnly: Bool
  ) -> ScaledDouble {
    // Of a short tensor by the shortest way; the sum is exact in any case, and rounded once.
    if type == .l2, let sum = TileSum.plainSum(tiles(of: entries[index], sums)) {
      return ScaledDouble(sum).squareRoot()
    }
    let partial = partial(of: index, type, sums)
    return finiteOnly ? partial.finiteNorm : partial.scaledNorm
  }

  /// The norm of all tensors that have a gradient.
  func total(_ type: NormType, _ sums: UnsafeMutableBufferPointer<TileSum>) -> NormPartial {
    var partial = NormPartial(unchecked: type, unit: unit)
    // Tensors without a gradient have no tile sums; runs of the others are added in one go.
    var (start, end) = (0, 0)
    for entry in entries {
      if entry.gradient == nil {
        partial.add(UnsafeBufferPointer(rebasing: sums[start..<end]))
        start = entry.firstTile + entry.tiles
      }
      end = entry.firstTile + entry.tiles
    }
    partial.add(UnsafeBufferPointer(rebasing: sums[start..<end]))
    return partial
  }

  /// The norm of some tensors after what their coefficients have done. Untouched tensors enter as they were measured, to the
  /// last bit.
  func clippedTotal(
    _ type: NormType, _ sums: UnsafeMutableBufferPointer<TileSum>, finiteOnly: Bool, where isMeant: (Entry) -> Bool
  ) -> NormPartial {
    var partial = NormPartial(unchecked: type, unit: unit)
    for (index, entry) in entries.enumerated() where entry.gradient != nil && isMeant(entry) {
      if let norm = entry.unitClippedNorm {
        partial.add(norm: norm * entry.coefficient)
      } else if entry.coefficient == ScaledDouble(1) {
        partial.add(tiles(of: entry, sums))
      } else {
        partial.add(norm: (entry.tensorNorm ?? norm(of: index, type, sums, finiteOnly: finiteOnly)) * entry.coefficient)
      }
    }
    return partial
  }

  private func tiles(of entry: Entry, _ sums: UnsafeMutableBufferPointer<TileSum>) -> UnsafeBufferPointer<TileSum> {
    UnsafeBufferPointer(rebasing: sums[entry.firstTile..<entry.firstTile + entry.tiles])
  }
}
