internal import CMomentumKernels

/// Conversions between `Float` and the types of half precision, on the widest vectors that the processor has.
enum HalfLoops {
  /// `y ← x`, exact.
  @inline(__always)
  static func widen(_ x: UnsafeRawPointer, _ type: ElementType, into y: UnsafeMutablePointer<Float>, _ n: Int) {
    let x = x.assumingMemoryBound(to: UInt16.self)
    if type == .bfloat16 { momentum_widen_bfloat16(x, y, n) } else { momentum_widen_float16(x, y, n) }
  }

  /// `y ← x`, rounded to nearest, ties to even.
  @inline(__always)
  static func narrow(_ x: UnsafePointer<Float>, into y: UnsafeMutableRawPointer, _ type: ElementType, _ n: Int) {
    let y = y.assumingMemoryBound(to: UInt16.self)
    if type == .bfloat16 { momentum_narrow_bfloat16(x, y, n) } else { momentum_narrow_float16(x, y, n) }
  }

  /// `Σ x²` in `Double` on 32 fixed lanes: the bits of the same sum of the widened elements.
  @inline(__always)
  static func sumOfSquares(_ x: UnsafeRawPointer, _ type: ElementType, _ n: Int) -> Double {
    let x = x.assumingMemoryBound(to: UInt16.self)
    return type == .bfloat16 ? momentum_squares_bfloat16(x, n) : momentum_squares_float16(x, n)
  }

  /// `y ← x + remainders`, the numbers that were split.
  @inline(__always)
  static func join(
    _ x: UnsafeRawPointer, _ remainders: UnsafeRawPointer, into y: UnsafeMutablePointer<Float>, _ n: Int
  ) {
    momentum_join_float(
      x.assumingMemoryBound(to: UInt16.self), remainders.assumingMemoryBound(to: Int16.self), y, n)
  }

  /// Splits numbers into those rounded to nearest, ties away from 0, and what their bits then lack.
  @inline(__always)
  static func split(
    _ x: UnsafePointer<Float>, into y: UnsafeMutableRawPointer, _ remainders: UnsafeMutableRawPointer, _ n: Int
  ) {
    momentum_split_float(
      x, y.assumingMemoryBound(to: UInt16.self), remainders.assumingMemoryBound(to: Int16.self), n)
  }

  /// `y ← x`, rounded to nearest, ties to even.
  ///
  /// - Returns: The number of elements that keep their bits although x is another number.
  @inline(__always)
  static func storeBFloat16(_ x: UnsafePointer<Float>, into y: UnsafeMutableRawPointer, _ n: Int) -> Int {
    momentum_store_bfloat16(x, y.assumingMemoryBound(to: UInt16.self), n)
  }

  /// `y ← x`, rounded at random: the elements of a tensor from `index` on, in a step.
  @inline(__always)
  static func storeStochasticBFloat16(
    _ x: UnsafePointer<Float>, into y: UnsafeMutableRawPointer, _ n: Int, key: UInt64, step: Int, index: Int
  ) {
    let place = momentum_random_place(key: key, step: UInt64(truncatingIfNeeded: step), stream: 1)
    momentum_store_stochastic_bfloat16(
      x, y.assumingMemoryBound(to: UInt16.self), n, place, UInt64(truncatingIfNeeded: index))
  }

  /// `y ← x`, rounded up or down so that the mean over the steps is x: the elements of a tensor from `index` on.
  @inline(__always)
  static func storeDitheredBFloat16(
    _ x: UnsafePointer<Float>, into y: UnsafeMutableRawPointer, _ n: Int, step: Int, index: Int
  ) {
    momentum_store_dithered_bfloat16(
      x, y.assumingMemoryBound(to: UInt16.self), n, UInt64(truncatingIfNeeded: step),
      UInt64(truncatingIfNeeded: index))
  }

  /// The number of finite elements that become infinite when they are narrowed.
  @inline(__always)
  static func countOverflowing(_ x: UnsafePointer<Float>, _ type: ElementType, _ n: Int) -> Int {
    momentum_count_overflowing(x, leastOverflowing(type), n)
  }

  /// Makes those elements of `y`, which `x` was narrowed to, the largest numbers of their sign.
  static func saturate(_ x: UnsafePointer<Float>, _ y: UnsafeMutableRawPointer, _ type: ElementType, _ n: Int) {
    momentum_saturate(x, leastOverflowing(type), y.assumingMemoryBound(to: UInt16.self), n)
  }

  /// The tie between the largest number and the one that would follow it, which is rounded to the even one.
  @inline(__always)
  private static func leastOverflowing(_ type: ElementType) -> Float { type == .bfloat16 ? 0x1.ffp127 : 65_520 }
}
