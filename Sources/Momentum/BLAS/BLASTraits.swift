internal import CMomentumLoadedBLAS
internal import Synchronization

/// Facts about the loaded BLAS that the engine needs in order to call it well. This is the one place that states them.
///
/// Some are promises that OpenBLAS and its relatives keep. What differs is found by probes (``BLAS/Behavior``) at the
/// first use, and kept until other kernels are chosen.
package enum BLASTraits {
  /// The elements of a call are rounded in the same way only up to a multiple of this number.
  ///
  /// Kernels treat the last `count mod 32` elements of a call differently from the others: with another rounding, on
  /// processors with fused multiply-add. The engine calls axpy and scal with multiples of a granule, padding the end of
  /// a vector, so that an element's bits do not depend on its place.
  @inline(__always) static var granule: Int { 64 }

  /// From this many elements on, some level 1 routine may start threads of the library. Tiles are shorter.
  static var leastThreadedCount: Int { 10_001 }

  /// The largest m·n·k of a matrix product that the library computes on the calling thread. Tiles of matrices are no larger.
  static var mostUnthreadedProduct: Int { 64 * 64 * 64 }

  /// Whether the bits of a dot product depend on where its vectors lie. The engine then copies a tile that is not
  /// aligned before it sums the tile.
  @inline(__always) static var dotDependsOnAlignment: Bool { flags & Flag.dotDependsOnAlignment != 0 }

  /// Whether axpy rounds some elements of a granule otherwise than others. The engine then runs a loop instead.
  @inline(__always) static var axpyMixesFormulas: Bool { flags & Flag.axpyMixesFormulas != 0 }

  /// Whether axpy rounds every element once: the sum of its old value and the exact product.
  @inline(__always) static var axpyFuses: Bool { flags & Flag.axpyFuses != 0 }

  /// The variant of the loops that sum squares of tiles with the bits of dot; `nil` where none does.
  @inline(__always)
  static func squaresVariant<S: BLASScalar>(_: S.Type) -> Int32? {
    let variant = flags >> (S._hasExactSquares ? Flag.floatSquares : Flag.doubleSquares) & Flag.squares
    return variant == 0 ? nil : Int32(variant) &- 1
  }

  /// All that the engine needs to know of the library, as a number: another one after other kernels were chosen that differ.
  @inline(__always) static var fingerprint: UInt16 { flags }

  /// Calls a routine that works in memory of the library, which those of level 2 and 3 and of LAPACK do: at a time when no
  /// other such call runs, if the library's memory is not safe from that.
  @inline(__always)
  package static func withWorkBuffer<R>(_ call: () -> R) -> R {
    flags & Flag.sharesWorkBuffers != 0 ? alone(call) : call()
  }

  @inline(never)
  private static func alone<R>(_ call: () -> R) -> R {
    momentum_take_buffers()
    defer { momentum_leave_buffers() }
    return call()
  }

  /// Refuses a library whose counts have another width than those of the calls here.
  @inline(__always)
  package static func checkCounts() throws(MomentumError) {
    if flags & Flag.countsDiffer != 0 { throw countsDiffer() }
  }

  @inline(never)
  private static func countsDiffer() -> MomentumError {
    .unsuitableBLAS(
      library: LoadedBLAS.file(of: "cblas_sdot") ?? LoadedBLAS.name,
      reason: "counts with \(behavior.integerWidth)-bit integers; expected 32 bits, as LP64 builds have")
  }

  // MARK: - What the probes have found

  private enum Flag {
    static var isKnown: UInt16 { 1 }
    static var dotDependsOnAlignment: UInt16 { 2 }
    static var axpyMixesFormulas: UInt16 { 4 }
    static var countsDiffer: UInt16 { 8 }
    static var axpyFuses: UInt16 { 16 }
    static var sharesWorkBuffers: UInt16 { 32 }
    // The positions of two numbers, each one more than a variant of loops, and their largest value.
    static var floatSquares: UInt16 { 8 }
    static var doubleSquares: UInt16 { 12 }
    static var squares: UInt16 { 15 }
  }

  private static let knownFlags = Atomic<UInt16>(0)
  private static let knownBehavior = Mutex<BLAS.Behavior?>(nil)

  @inline(__always)
  private static var flags: UInt16 {
    let flags = knownFlags.load(ordering: .relaxed)
    return flags != 0 ? flags : findFlags()
  }

  @inline(never)
  private static func findFlags() -> UInt16 {
    let behavior = behavior
    var flags = Flag.isKnown
    if behavior.dotDependsOnAlignment { flags |= Flag.dotDependsOnAlignment }
    if behavior.axpyRounding == .mixed { flags |= Flag.axpyMixesFormulas }
    if behavior.axpyRounding == .fused { flags |= Flag.axpyFuses }
    if behavior.integerWidth != 32 { flags |= Flag.countsDiffer }
    if behavior.sharesWorkBuffers { flags |= Flag.sharesWorkBuffers }
    if let variant = behavior.floatSquaresVariant { flags |= UInt16(variant + 1) << Flag.floatSquares }
    if let variant = behavior.doubleSquaresVariant { flags |= UInt16(variant + 1) << Flag.doubleSquares }
    knownFlags.store(flags, ordering: .relaxed)
    return flags
  }

  /// What the probes have found; runs them if nobody has. Threads that come at the same time all run them, and find the
  /// same, rather than wait for one.
  static var behavior: BLAS.Behavior {
    if let known = knownBehavior.withLock({ $0 }) { return known }
    let found = BLAS.Behavior.probe()
    knownBehavior.withLock { $0 = found }
    return found
  }

  /// Lets the next use run the probes again, for other kernels.
  static func forgetBehavior() {
    knownBehavior.withLock { $0 = nil }
    knownFlags.store(0, ordering: .relaxed)
  }
}
