#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// The services of the operating system and its C library that the library uses. This is the one place that knows how
/// systems differ.
package enum Platform {
  /// The size of a page of memory, in bytes.
  static let pageSize = Int(sysconf(Int32(_SC_PAGESIZE)))

  /// The number of processors that are online.
  static let onlineProcessors = max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))

  /// The text of a file that the kernel makes, whose size is unknown until it is read; `nil` if it cannot be read.
  package static func contents(ofSmallFile path: String) -> String? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var text: [UInt8] = []
    var block = [UInt8](repeating: 0, count: 1 << 14)
    while true {
      let count = read(descriptor, &block, block.count)
      guard count >= 0 else { return nil }
      guard count > 0 else { return String(decoding: text, as: UTF8.self) }
      text += block[..<count]
    }
  }

  /// The path of a file without symbolic links; the path itself if there is no such file.
  static func resolved(path: String) -> String {
    guard let resolved = realpath(path, nil) else { return path }
    defer { free(resolved) }
    return String(cString: resolved)
  }

  /// Whether a name matches a pattern as in a shell: `*` stands for any characters, slashes included, `?` for one
  /// character, `[abc]` for one of the characters listed.
  static func matches(_ name: String, pattern: String) -> Bool { fnmatch(pattern, name, 0) == 0 }

  // MARK: - Elementary functions

  static func power(_ base: Double, _ exponent: Double) -> Double { pow(base, exponent) }
  /// `1 - base^exponent` for a base of at least 0, with all its digits: where the power is near 1, the difference of what it was rounded
  /// to would have lost them. 0 is positive.
  static func complementOfPower(_ base: Double, _ exponent: Double) -> Double {
    exponent == 1 ? 1 - base : 0 - expm1(exponent * log1p(base - 1))
  }
  static func powerOfTwo(_ exponent: Double) -> Double { exp2(exponent) }
  static func logarithm(_ x: Double) -> Double { log(x) }
  static func binaryLogarithm(_ x: Double) -> Double { log2(x) }
  static func cosine(_ x: Double) -> Double { cos(x) }
  static func sine(_ x: Double) -> Double { sin(x) }

  /// `x · 2^exponent` with one rounding.
  static func scale(_ x: Double, byPowerOfTwo exponent: Int) -> Double { scalbn(x, Int32(clamping: exponent)) }

  // MARK: - Caches

  /// The size of a first-level data cache; 0 where the system does not say.
  static var firstLevelCacheBytes: Int {
    #if canImport(Glibc)
      sysconf(Int32(_SC_LEVEL1_DCACHE_SIZE))
    #elseif canImport(Darwin)
      systemNumber("hw.l1dcachesize")
    #else
      0
    #endif
  }

  /// The size of the last level of caches; 0 where the system does not say.
  static var lastLevelCacheBytes: Int {
    #if canImport(Darwin)
      return max(systemNumber("hw.l3cachesize"), systemNumber("hw.l2cachesize"))
    #else
      // Not by sysconf, which on some processors also counts the caches of other cores.
      let sizes = (2...4).compactMap { index -> Int? in
        let text = contents(ofSmallFile: "/sys/devices/system/cpu/cpu0/cache/index\(index)/size")
        return text.flatMap { Int($0.prefix { $0.isNumber }) }
      }
      return (sizes.max() ?? 0) << 10
    #endif
  }

  #if canImport(Darwin)
    /// A number that the system gives for a name; 0 if it has none.
    private static func systemNumber(_ name: String) -> Int {
      var (value, size) = (0, MemoryLayout<Int>.size)
      return sysctlbyname(name, &value, &size, nil, 0) == 0 ? value : 0
    }
  #endif

  // MARK: - Memory

  /// Zeroed memory; `nil` if the system has none left.
  static func allocate(byteCount: Int, alignment: Int) -> UnsafeMutableRawPointer? {
    var start: UnsafeMutableRawPointer?
    guard posix_memalign(&start, alignment, max(byteCount, 1)) == 0, let start else { return nil }
    memset(start, 0, byteCount)
    return start
  }

  /// Gives back what ``allocate(byteCount:alignment:)`` returned.
  static func deallocate(_ memory: UnsafeMutableRawPointer) { free(memory) }

  /// Pages mapped for the caller alone, zero until written; `nil` if the system has none left.
  static func mapPages(byteCount: Int) -> UnsafeMutableRawBufferPointer? {
    let start = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0)
    guard let start, start != MAP_FAILED else { return nil }
    return UnsafeMutableRawBufferPointer(start: start, count: byteCount)
  }

  /// Gives back what ``mapPages(byteCount:)`` returned.
  static func unmapPages(_ pages: UnsafeMutableRawBufferPointer) { munmap(pages.baseAddress, pages.count) }

  /// Asks for huge pages. Without them everything works in the same way, a little more slowly.
  static func adviseHugePages(_ start: UnsafeMutableRawPointer, byteCount: Int) {
    #if os(Linux)
      _ = madvise(start, byteCount, MADV_HUGEPAGE)
    #endif
  }

  /// Whether two pieces of memory hold the same bytes.
  static func areSame(_ x: UnsafeBufferPointer<UInt8>, _ y: UnsafeBufferPointer<UInt8>) -> Bool {
    guard x.count == y.count, let start = x.baseAddress, let other = y.baseAddress else { return x.count == y.count }
    return memcmp(start, other, x.count) == 0
  }

  // MARK: - Threads

  /// Starts a thread that runs `body`. Signals are for the threads of the program, so it blocks them, except those that
  /// its own instructions cause, which would otherwise end the process past the program's handlers, and that of a
  /// profiler's clock.
  ///
  /// - Returns: Whether the system could start a thread.
  static func startThread(_ body: @escaping @Sendable () -> Void) -> Bool {
    var (blocked, before) = (sigset_t(), sigset_t())
    sigfillset(&blocked)
    for signal in [SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS, SIGPROF] { sigdelset(&blocked, signal) }
    pthread_sigmask(SIG_SETMASK, &blocked, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }

    let context = Unmanaged.passRetained(ThreadBody(run: body))
    #if canImport(Darwin)
      var thread: pthread_t?
    #else
      var thread = pthread_t()
    #endif
    let failure = pthread_create(
      &thread, nil,
      { raw in
        #if canImport(Darwin)
          let opaque = raw
        #else
          let opaque = raw.unsafelyUnwrapped
        #endif
        Unmanaged<ThreadBody>.fromOpaque(opaque).takeRetainedValue().run()
        return nil
      }, context.toOpaque())
    guard failure == 0 else {
      context.release()
      return false
    }
    #if canImport(Darwin)
      if let thread { pthread_detach(thread) }
    #else
      pthread_detach(thread)
    #endif
    return true
  }

  private final class ThreadBody {
    let run: @Sendable () -> Void
    init(run: @escaping @Sendable () -> Void) { self.run = run }
  }

  /// Lets another thread have the processor.
  static func yield() { sched_yield() }
}
