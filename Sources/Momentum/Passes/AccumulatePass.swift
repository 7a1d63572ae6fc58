/// The pass of a ``GradientAccumulator``: adds each tile of a gradient to the sum, and measures the new sum.
struct AccumulatePass<Scalar: BLASScalar>: Sendable {
  /// The factor of the gradient.
  let factor: RoundedFactor<Scalar>
  /// The power of two that the sum is multiplied by first; usually 0.
  let rescale: Int
  /// The measurement of the new sum.
  let measure: TileMeasure

  /// Runs the tiles that start in a range of the concatenation; the sums are the `average` operands of the table.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  func run(_ table: TensorTable<Scalar>, _ share: Range<Int>) {
    if let type = table.halves.gradient { return runHalves(table, type, share) }
    table.forEach(in: share) { index, part in
      let entry = table.entry(index)
      let (gradient, isFirst) = (entry.pointee.gradient, entry.pointee.program == 0)
      guard let sum = entry.pointee.average, gradient != nil || (rescale != 0 && !isFirst) else { return }
      var tile = Tile.number(of: part.lowerBound)
      while tile * Tile.count < part.upperBound {
        let start = tile * Tile.count
        let n = min(Tile.count, entry.pointee.count - start)
        addTile(gradient.map { UnsafePointer($0 + start) }, to: sum + start, n, isFirst: isFirst)
        table.sums[entry.pointee.firstTile + tile] = .measure(sum + start, n, measure)
        tile += 1
      }
    }
  }

  /// The same for a gradient in half precision: each tile is widened first.
  @inline(never)
  private func runHalves(_ table: TensorTable<Scalar>, _ type: ElementType, _ share: Range<Int>) {
    withUnsafeTemporaryAllocation(of: Scalar.self, capacity: Tile.count) { scratch in
      let wide = scratch.baseAddress.unsafelyUnwrapped
      table.forEach(in: share) { index, part in
        let entry = table.entry(index)
        let (hasGradient, isFirst) = (entry.pointee.gradient != nil, entry.pointee.program == 0)
        guard let sum = entry.pointee.average, hasGradient || (rescale != 0 && !isFirst) else { return }
        var tile = Tile.number(of: part.lowerBound)
        while tile * Tile.count < part.upperBound {
          let start = tile * Tile.count
          let n = min(Tile.count, entry.pointee.count - start)
          if hasGradient { table.widenGradient(index, type, at: start, into: wide, n) }
          addTile(hasGradient ? UnsafePointer(wide) : nil, to: sum + start, n, isFirst: isFirst)
          table.sums[entry.pointee.firstTile + tile] = .measure(sum + start, n, measure)
          tile += 1
        }
      }
    }
  }

  /// Adds a tile of the gradient, if there is one, to the sum, which is brought to its new unit first.
  @inline(__always)
  private func addTile(
    _ gradient: UnsafePointer<Scalar>?, to sum: UnsafeMutablePointer<Scalar>, _ n: Int, isFirst: Bool
  ) {
    if !isFirst, rescale != 0 { ElementLoops.scale(sum, byPowerOfTwo: rescale, into: sum, n) }
    guard let gradient else { return }
    if isFirst { copy(gradient, to: sum, n) } else { add(gradient, to: sum, n) }
  }

  /// `sum ← factor · gradient`.
  @inline(__always)
  private func copy(_ gradient: UnsafePointer<Scalar>, to sum: UnsafeMutablePointer<Scalar>, _ n: Int) {
    if factor.prescale == 0 {
      sum.update(from: gradient, count: n)
    } else {
      ElementLoops.scale(gradient, byPowerOfTwo: factor.prescale, into: sum, n)
    }
    if factor.value != 1 { Scalar._scal(Int32(truncatingIfNeeded: n), factor.value, sum, 1) }
  }

  /// `sum ← sum + factor · gradient`.
  @inline(__always)
  private func add(_ gradient: UnsafePointer<Scalar>, to sum: UnsafeMutablePointer<Scalar>, _ n: Int) {
    // Tiles start at multiples of their size in every tensor, so the bits depend on neither threads nor places: an
    // element is always at the same place in its call. With the factor 1 they are those of a plain addition.
    guard factor.prescale != 0 else {
      return axpy(gradient, into: sum, n)
    }
    withUnsafeTemporaryAllocation(of: Scalar.self, capacity: Tile.count) { scratch in
      let scaled = scratch.baseAddress!
      ElementLoops.scale(gradient, byPowerOfTwo: factor.prescale, into: scaled, n)
      axpy(scaled, into: sum, n)
    }
  }

  @inline(__always)
  private func axpy(_ x: UnsafePointer<Scalar>, into sum: UnsafeMutablePointer<Scalar>, _ n: Int) {
    if BLASTraits.axpyMixesFormulas { return ElementLoops.multiplyAdd(factor.value, x, into: sum, n) }
    Scalar._axpy(Int32(truncatingIfNeeded: n), factor.value, x, 1, sum, 1)
  }
}
