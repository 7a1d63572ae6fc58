internal import Synchronization

/// Zeroed memory for large vectors: cache-line aligned, from 16 KiB on page aligned, and from 4 MiB on advised to use huge pages,
/// which save page-table walks when a pass streams through gigabytes (about 5 % on the machines measured).
///
/// Where vectors begin matters twice:
///
/// - In a *page* they should all begin at the same place. A processor first compares the last 12 bits of two addresses, and
///   delays a load that seems to read what was just stored. Vectors that begin alike have these bits in common only where
///   their index is the same, so a load ahead of the stores is not delayed.
/// - In a *huge page* they should not. With all vectors at the start of one, a step in one pass took 44 ms instead of 36 on a
///   Zen 4. So each large vector begins some pages further into its first huge page than the one before it.
struct AlignedMemory: @unchecked Sendable {  // plain addresses; whoever holds them guards the access
  let base: UnsafeMutableRawPointer
  /// What was mapped, if pages were mapped directly.
  private let mapping: UnsafeMutableRawBufferPointer?

  private static let cacheLine = 64
  private static let pageThreshold = 16 << 10
  private static let hugePage = 2 << 20
  private static let hugeThreshold = 4 << 20
  /// How far one large vector begins behind the place where the one before it does, and after how many all places have been used.
  private static let (shift, shiftCount) = (16 << 10, 16)
  #if os(Linux)
    private static let largeCount = Atomic(0)
  #endif

  init(byteCount: Int) throws(MomentumError) {
    #if os(Linux)
      if byteCount >= Self.hugeThreshold {
        let shift = Self.shift * (Self.largeCount.wrappingAdd(1, ordering: .relaxed).oldValue % Self.shiftCount)
        guard let pages = Platform.mapPages(byteCount: byteCount + shift + Self.hugePage),
          let aligned = pages.baseAddress?.alignedUp(toMultipleOf: Self.hugePage)
        else { throw .allocationFailed(bytes: byteCount) }
        mapping = pages
        base = aligned + shift
        Platform.adviseHugePages(aligned, byteCount: shift + byteCount)
        return
      }
    #endif
    let alignment = byteCount >= Self.pageThreshold ? Platform.pageSize : Self.cacheLine
    guard byteCount >= 0, let start = Platform.allocate(byteCount: byteCount, alignment: alignment) else {
      throw .allocationFailed(bytes: byteCount)
    }
    base = start
    mapping = nil
  }

  func deallocate() {
    if let mapping { Platform.unmapPages(mapping) } else { Platform.deallocate(base) }
  }
}
