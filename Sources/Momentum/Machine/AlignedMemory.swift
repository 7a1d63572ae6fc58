internal import Synchronization

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// Zeroed memory for large vectors: cache-line aligned, from 16 KiB on page aligned, and from 4 MiB on advised to use huge pages,
/// which save page-table walks when a pass streams through gigabytes (about 5 % on the machines measured).
///
/// Vectors that begin at the same place in their pages do not meet each other's stores: processors compare the last 12 bits of
/// addresses first, and hold a load back that seems to read what was just stored. Vectors that begin at the same place in their
/// *huge* pages, on the other hand, get into each other's way all along (a step in one pass took 44 ms instead of 36 on a
/// Zen 4): each begins some pages further into its first one than the vector before it.
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
        let length = byteCount + shift + Self.hugePage
        guard let start = mmap(nil, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
          start != MAP_FAILED
        else { throw .allocationFailed(bytes: byteCount) }
        mapping = UnsafeMutableRawBufferPointer(start: start, count: length)
        let aligned = start.alignedUp(toMultipleOf: Self.hugePage)
        base = aligned + shift
        // Advice only: without huge pages everything works the same, a little slower.
        _ = madvise(aligned, shift + byteCount, MADV_HUGEPAGE)
        return
      }
    #endif
    var start: UnsafeMutableRawPointer?
    let alignment = byteCount >= Self.pageThreshold ? Machine.pageSize : Self.cacheLine
    guard byteCount >= 0, posix_memalign(&start, alignment, max(byteCount, 1)) == 0, let start else {
      throw .allocationFailed(bytes: byteCount)
    }
    memset(start, 0, byteCount)
    base = start
    mapping = nil
  }

  func deallocate() {
    if let mapping { munmap(mapping.baseAddress, mapping.count) } else { free(base) }
  }
}

/// The operating system's view of this process: pages and processors.
package enum Machine {
  static let pageSize = Int(sysconf(Int32(_SC_PAGESIZE)))

  /// The size of a first-level data cache; 32 KiB, which most have at least, where the system does not say.
  static let firstLevelCacheBytes: Int = {
    #if canImport(Glibc)
      let bytes = sysconf(Int32(_SC_LEVEL1_DCACHE_SIZE))
    #elseif canImport(Darwin)
      let bytes = systemNumber("hw.l1dcachesize")
    #else
      let bytes = 0
    #endif
    return bytes > 0 ? bytes : 32 << 10
  }()

  /// The size of the last level of caches; 0 where the system does not say.
  static let lastLevelCacheBytes: Int = {
    #if canImport(Darwin)
      return max(systemNumber("hw.l3cachesize"), systemNumber("hw.l2cachesize"))
    #else
      // Not sysconf: on some processors it counts the caches of other cores as well.
      let sizes = (2...4).compactMap { index -> Int? in
        let text = Processor.readSmallFile("/sys/devices/system/cpu/cpu0/cache/index\(index)/size")
        return text.flatMap { Int($0.prefix { $0.isNumber }) }
      }
      return (sizes.max() ?? 0) << 10
    #endif
  }()

  #if canImport(Darwin)
    /// A number that the system knows by name; 0 if it does not.
    private static func systemNumber(_ name: String) -> Int {
      var (value, size) = (0, MemoryLayout<Int>.size)
      return sysctlbyname(name, &value, &size, nil, 0) == 0 ? value : 0
    }
  #endif

  /// The processors this process may use: its affinity mask, so that a rank bound to two cores starts two threads.
  package static let availableProcessors: Int = allowedProcessors ?? max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))

  /// The bits of the mask in /proc/self/status; the C call that asks for it is hidden from Swift behind a macro.
  private static var allowedProcessors: Int? {
    guard let file = fopen("/proc/self/status", "r") else { return nil }
    defer { fclose(file) }
    var line: UnsafeMutablePointer<CChar>?
    var capacity = 0
    defer { free(line) }
    while case let length = getline(&line, &capacity, file), length > 0, let line {
      let text = String(cString: line)
      guard text.hasPrefix("Cpus_allowed:") else { continue }
      let bits = text.dropFirst("Cpus_allowed:".count).reduce(0) { $0 + ($1.hexDigitValue?.nonzeroBitCount ?? 0) }
      return bits > 0 ? bits : nil
    }
    return nil
  }
}
