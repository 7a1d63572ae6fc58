/// Facts about the loaded BLAS that the engine needs in order to call it well. This is the one place that states them.
///
/// Some are promises that OpenBLAS and its relatives keep. A fact that neither the library's version nor the
/// processor's name reveals is found by a probe, once.
enum BLASTraits {
  /// The elements of a call are rounded in the same way only up to a multiple of this number.
  ///
  /// Kernels treat the last `count mod 32` elements of a call differently from the others: with another rounding, on
  /// processors with fused multiply-add. The engine calls axpy and scal with multiples of a granule, padding the end of
  /// a vector, so that an element's bits do not depend on its place.
  @inline(__always) static var granule: Int { 64 }

  /// From this many elements on, some level 1 routine may start threads of the library. Tiles are shorter.
  static var leastThreadedCount: Int { 10_001 }

  /// Whether the bits of a dot product depend on where its vectors lie.
  ///
  /// The kernels for AVX2 and later load without regard to alignment. Older ones (Prescott, which OpenBLAS also picks
  /// for processors it does not know) first add single elements until the address is aligned, which changes the order
  /// of addition. With such kernels the engine copies a tile that is not aligned before it sums the tile. The probe
  /// takes less than a millisecond.
  static let dotDependsOnAlignment = dotBitsVary(Float.self) || dotBitsVary(Double.self)

  private static func dotBitsVary<S: BLASScalar>(_: S.Type) -> Bool {
    let (count, shifts) = (487, 64 / MemoryLayout<S>.stride)
    return withUnsafeTemporaryAllocation(
      byteCount: (count + shifts) * MemoryLayout<S>.stride, alignment: 64
    ) { raw in
      let memory = raw.bindMemory(to: S.self)
      // Two orders of addition may round to the same sum for a few data sets; that this happens for all eight is all
      // but impossible.
      for round in 0..<8 {
        var first: S?
        for shift in 0..<shifts {
          // Fractions of a golden-ratio sequence, which use all digits of a Double: with fewer digits the sums of
          // squares would be exact, and so the same in every order.
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

  // MARK: - Kernels

  /// The vector width, in bits, of the kernels of a processor family, by OpenBLAS's name for the family.
  ///
  /// Families with AVX but without fused multiply-add count as 128, because the question is whether Haswell's kernels
  /// would be better. A name that is not in the table belongs to a newer family, or to a processor other than x86-64,
  /// and counts as 512.
  static func vectorBits(ofKernels coreName: String) -> Int {
    let name = coreName.lowercased()
    if name == "haswell" || name == "zen" { return 256 }
    return narrowKernels.contains(name) ? 128 : 512
  }

  private static let narrowKernels: Set<String> = [
    "katmai", "coppermine", "northwood", "banias", "prescott", "core2", "penryn", "dunnington", "atom", "nehalem",
    "athlon", "opteron", "opteron_sse3", "barcelona", "bobcat", "nano", "sandybridge", "bulldozer", "piledriver",
    "steamroller", "excavator", "unknown",
  ]

  /// The core type whose kernels suit an x86-64 processor better than those of `coreName`; `nil` if none does.
  static func recommendedCoreType(config: String, coreName: String, processor: Processor) -> String? {
    // A library built for one family has no other kernels to choose from.
    guard config.split(separator: " ").contains("DYNAMIC_ARCH") else { return nil }
    let running = vectorBits(ofKernels: coreName)
    let features = processor.features
    if processor.splitsWideVectors { return running == 256 ? nil : "Zen" }
    // The kernels for SkylakeX need all four features; OpenBLAS checks for the same ones.
    if features.isSuperset(of: ["avx512f", "avx512dq", "avx512bw", "avx512vl"]) {
      return running < 512 ? "SkylakeX" : nil
    }
    if features.isSuperset(of: ["avx2", "fma"]) { return running < 256 ? "Haswell" : nil }
    return nil
  }
}
