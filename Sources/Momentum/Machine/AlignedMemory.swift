internal import Synchronization

/// Zeroed memory for vectors. It is aligned to a cache line, from 16 KiB on to a page. From 4 MiB on it is advised to
/// use huge pages, which save page-table walks when a pass streams through gigabytes (about 5 % on the machines
/// measured).
///
/// The address at which a vector begins matters in two ways:
///
/// - All vectors should begin at the same place of a *page*. A processor compares only the low 12 bits of two addresses
///   when it checks whether a load reads what an earlier store has yet to write; if they are equal, the load waits
///   (4 KiB aliasing). When all vectors begin at the same place, those bits are equal only for elements of the same
///   index, or of indices a multiple of 4 KiB apart. A loop loads element i of every vector before it stores element i,
///   so no load waits for a recent store.
/// - Large vectors should begin at different places of a *huge page*. With all vectors at the start of a huge page, a
///   step in one pass took 44 ms instead of 36 on a Zen 4. So each large vector begins 16 KiB, which is a whole number
///   of pages, further into its first huge page than the one before it.
struct AlignedMemory: @unchecked Sendable {  // plain addresses; whoever holds them guards the access
  let base: UnsafeMutableRawPointer
  /// The mapped pages, if the memory was mapped directly.
  private let mapping: UnsafeMutableRawBufferPointer?

  private static let cacheLine = 64
  private static let pageThreshold = 16 << 10
  private static let hugePage = 2 << 20
  private static let hugeThreshold = 4 << 20
  /// The distance between the places of two successive large vectors, and the number of places, after which they
  /// repeat.
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
