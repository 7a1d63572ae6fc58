extension TileSum {
  /// Measures a tile in half precision.
  ///
  /// - Parameter wide: Memory for the widened tile, which most sums of squares do without.
  @inline(__always)
  static func measure(
    halves x: UnsafeRawPointer, _ type: ElementType, _ n: Int, _ measure: TileMeasure,
    wide: UnsafeMutablePointer<Float>
  ) -> TileSum {
    if case .portableSquares = measure {
      let sum = HalfLoops.sumOfSquares(x, type, n)
      // Squares are exact in `Double`, so a sum that is not finite contains an element that is not.
      if sum < .infinity { return TileSum(value: sum) }
    }
    HalfLoops.widen(x, type, into: wide, n)
    return .measure(wide, n, measure)
  }
}
