extension BLAS {
  /// Whether the bits of a dot product depend on where its vectors lie.
  ///
  /// The kernels for AVX2 and later load without regard to alignment. Older ones (Prescott, which OpenBLAS also picks for
  /// processors it does not know) peel elements until the address is aligned, and so add in another order. The engine then
  /// copies a tile that is not aligned before it sums it. Probed once, in less than a millisecond, because neither the
  /// library's version nor the processor's name tells.
  static let dotDependsOnAlignment = dotBitsVary(Float.self) || dotBitsVary(Double.self)

  private static func dotBitsVary<S: BLASScalar>(_: S.Type) -> Bool {
    let (count, shifts) = (487, 64 / MemoryLayout<S>.stride)
    return withUnsafeTemporaryAllocation(
      byteCount: (count + shifts) * MemoryLayout<S>.stride, alignment: 64
    ) { raw in
      let memory = raw.bindMemory(to: S.self)
      // Of two orders of adding, one sum in a few rounds alike; eight data sets all but rule that out.
      for round in 0..<8 {
        var first: S?
        for shift in 0..<shifts {
          // Fractions of a golden-ratio sequence, with all the digits that a Double has: with fewer, its sums of
          // squares would be exact and the same in every order.
          for i in 0..<count {
            memory[shift + i] = S((UInt64(round * count + i) &* 0x9e37_79b9_7f4a_7c15) >> 11) * 0x1p-53
          }
          let sum = S._dot(Int32(count), memory.baseAddress! + shift, 1, memory.baseAddress! + shift, 1)
          if first == nil { first = sum } else if first != sum { return true }
        }
      }
      return false
    }
  }
}
