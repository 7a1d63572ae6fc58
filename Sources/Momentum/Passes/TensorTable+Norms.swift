// Norms of tensors, from the tile sums that a reduce pass has left in the table.
extension TensorTable {
  /// The norm of one tensor.
  func norm(of index: Int, _ type: NormType, _ measured: MeasuredTiles) -> MeasuredNorm {
    let tiles = tiles(of: entry(index), measured.sums)
    // A few tiles take the fast path if it applies. The sum is exact on every path, and rounded once.
    if type == .l2, tiles.count <= NormPartial.chunk, let sum = TileSum.roundedSum(tiles) {
      return MeasuredNorm(finite: ScaledDouble(sum).squareRoot())
    }
    // On a scale of its own: beside another tensor it may be so small that its powers vanish.
    var partial = NormPartial(unchecked: type, divisor: Self.largestScale(tiles))
    partial.add(tiles)
    return MeasuredNorm(partial)
  }

  /// The norm of all tensors that have a gradient.
  ///
  /// Of a few tiles it is the root of their sum, without the sums in which those of other owners could be merged: making
  /// those takes as long as summing a tile in cache.
  func totalNorm(_ type: NormType, _ measured: MeasuredTiles) -> MeasuredNorm {
    let simpleSum = simpleSum(type, measured) {
      // The portable sums of half precision have too many digits.
      (Scalar._hasExactSquares && halves.gradient == nil ? TileSum.plainSum($0) : nil) ?? TileSum.roundedSum($0)
    }
    guard let sum = simpleSum else {
      return MeasuredNorm(exactTotal(type, measured))
    }
    if type == .l2 { return MeasuredNorm(finite: ScaledDouble(sum).squareRoot()) }
    return MeasuredNorm(NormPartial(unchecked: type, divisor: measured.divisor, finiteSum: sum))
  }

  /// The same as a part of the norm of tensors that other owners have, too.
  func total(_ type: NormType, _ measured: MeasuredTiles) -> NormPartial {
    guard let sum = simpleSum(type, measured, TileSum.plainSum) else { return exactTotal(type, measured) }
    return NormPartial(unchecked: type, divisor: measured.divisor, finiteSum: sum)
  }

  /// The sum of a few tiles, where additions in `Double` give it.
  @inline(__always)
  private func simpleSum(
    _ type: NormType, _ measured: MeasuredTiles, _ sum: (UnsafeBufferPointer<TileSum>) -> Double?
  ) -> Double? {
    guard type != .infinity, measured.sums.count <= NormPartial.chunk, hasAllGradients else { return nil }
    return sum(UnsafeBufferPointer(measured.sums))
  }

  private func exactTotal(_ type: NormType, _ measured: MeasuredTiles) -> NormPartial {
    let sums = measured.sums
    var partial = NormPartial(unchecked: type, divisor: measured.divisor)
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

  /// The norm of some tensors that have a gradient, before any clipping by norms.
  func total(
    _ type: NormType, _ measured: MeasuredTiles, where isMeant: (UnsafePointer<Decision>) -> Bool
  ) -> NormPartial {
    var partial = NormPartial(unchecked: type, divisor: measured.divisor)
    for index in entries.indices where isMeant(decision(index)) && entry(index).pointee.gradient != nil {
      partial.add(tiles(of: entry(index), measured.sums))
    }
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
    _ type: NormType, _ measured: MeasuredTiles, finiteOnly: Bool, where isMeant: (UnsafePointer<Decision>) -> Bool
  ) -> NormPartial {
    let partial = clippedSum(type, measured, finiteOnly: finiteOnly, where: isMeant)
    guard partial.hasVanishingSum(finiteOnly: finiteOnly) else { return partial }
    // On the scale of the elements, whose norms may be far larger before they are clipped, these are too small to be added.
    let norms = clippedNorms(type, measured, finiteOnly: finiteOnly, where: isMeant)
    guard let largest = ScaledDouble.largest(norms) else { return partial }
    return NormPartial(unchecked: type, of: norms, largest: largest)
  }

  /// The same on the scale of the elements before norms were clipped.
  @inline(__always)
  func clippedSum(
    _ type: NormType, _ measured: MeasuredTiles, finiteOnly: Bool, where isMeant: (UnsafePointer<Decision>) -> Bool
  ) -> NormPartial {
    var partial = NormPartial(unchecked: type, divisor: measured.divisor)
    for index in entries.indices {
      let (entry, decision) = (entry(index), decision(index))
      guard entry.pointee.gradient != nil, isMeant(decision) else { continue }
      if decision.pointee.coefficient == ScaledDouble(1), decision.pointee.unitClippedNorm == nil {
        partial.add(tiles(of: entry, measured.sums))
      } else {
        partial.add(norm: clippedNorm(of: index, type, measured, finiteOnly))
      }
    }
    return partial
  }

  /// The norms of some tensors after multiplication by their coefficients.
  func clippedNorms(
    _ type: NormType, _ measured: MeasuredTiles, finiteOnly: Bool, where isMeant: (UnsafePointer<Decision>) -> Bool
  ) -> [ScaledDouble] {
    var norms: [ScaledDouble] = []
    for index in entries.indices where entry(index).pointee.gradient != nil && isMeant(decision(index)) {
      norms.append(clippedNorm(of: index, type, measured, finiteOnly))
    }
    return norms
  }

  /// The norm of one tensor after multiplication by its coefficient.
  private func clippedNorm(
    of index: Int, _ type: NormType, _ measured: MeasuredTiles, _ finiteOnly: Bool
  ) -> ScaledDouble {
    let decision = decision(index)
    let norm =
      decision.pointee.unitClippedNorm ?? decision.pointee.tensorNorm
      ?? self.norm(of: index, type, measured).value(finiteOnly: finiteOnly)
    return norm * decision.pointee.coefficient
  }

  @inline(__always)
  func tiles(
    of entry: UnsafePointer<Entry>, _ sums: UnsafeMutableBufferPointer<TileSum>
  ) -> UnsafeBufferPointer<TileSum> {
    UnsafeBufferPointer(
      start: sums.baseAddress.unsafelyUnwrapped + entry.pointee.firstTile, count: entry.pointee.tiles)
  }
}
