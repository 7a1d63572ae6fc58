/// The operating system's view of this process: processors and caches.
package enum Machine {
  /// The size of a first-level data cache; 32 KiB, a size that most processors have at least, where the system does not
  /// say.
  static let firstLevelCacheBytes: Int = {
    let bytes = Platform.firstLevelCacheBytes
    return bytes > 0 ? bytes : 32 << 10
  }()

  /// The size of the last level of caches; 0 where the system does not say.
  static let lastLevelCacheBytes = Platform.lastLevelCacheBytes

  /// The processors this process may use: those of its affinity mask, so that a rank bound to two cores starts two
  /// threads, and no more than its quota of processor time pays for.
  package static let availableProcessors: Int = min(boundProcessors, processorQuota ?? .max)

  /// The processors that this process may run on: its affinity mask, or all.
  package static let boundProcessors: Int = allowedProcessors ?? Platform.onlineProcessors

  /// The processors whose time this process may use; `nil` without a limit.
  package static let processorQuota: Int? = ProcessorQuota.processors()

  /// The number of threads that a caller allows: by default one for each processor that this process may use.
  ///
  /// - Throws: ``MomentumError/invalidSetting(_:)`` for less than one.
  static func threads(_ requested: Int?) throws(MomentumError) -> Int {
    guard let requested else { return availableProcessors }
    guard requested >= 1 else {
      throw .invalidSetting(name: "threads", value: requested, expected: .countAtLeast(1))
    }
    return requested
  }

  /// The number of processors in the affinity mask of /proc/self/status. The C call for it is hidden from Swift behind
  /// a macro.
  private static var allowedProcessors: Int? {
    let status = Platform.contents(ofSmallFile: "/proc/self/status") ?? ""
    let name = "Cpus_allowed:"
    guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix(name) }) else { return nil }
    let bits = line.dropFirst(name.count).reduce(0) { $0 + ($1.hexDigitValue?.nonzeroBitCount ?? 0) }
    return bits > 0 ? bits : nil
  }
}
