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
    table.forEach(in: share) { index, part in
      let entry = table.entry(index)
      let (gradient, isFirst) = (entry.pointee.gradient, entry.pointee.program == 0)
      guard let sum = entry.pointee.average, gradient != nil || (rescale != 0 && !isFirst) else { return }
      var tile = Tile.number(of: part.lowerBound)
      while tile * Tile.count < part.upperBound {
        let start = tile * Tile.count
        let n = min(Tile.count, entry.pointee.count - start)
        if !isFirst, rescale != 0 {
          ElementLoops.scale(sum + start, byPowerOfTwo: rescale, into: sum + start, n)
        }
        if let gradient {
          if isFirst { copy(gradient + start, to: sum + start, n) } else { add(gradient + start, to: sum + start, n) }
        }
        table.sums[entry.pointee.firstTile + tile] = .measure(sum + start, n, measure)
        tile += 1
      }
    }
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
