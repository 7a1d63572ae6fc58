import Momentum

/// The amount of available memory, so that a check that needs gigabytes can report a lack of memory instead of being
/// ended by the system.
enum MemoryBudget {
  /// The memory that is left to the rest of the machine.
  static let reserve = 1 << 30

  /// The bytes available without swapping, by Linux's own estimate; `nil` where the system does not say.
  static var available: Int? { available(inMemInfo: Platform.contents(ofSmallFile: "/proc/meminfo") ?? "") }

  static func available(inMemInfo text: String) -> Int? { kibibytes("MemAvailable:", in: text).map { $0 << 10 } }

  /// The bytes of this process that are in memory and belong to no file; pages that were only read do not count.
  static var resident: Int? {
    kibibytes("RssAnon:", in: Platform.contents(ofSmallFile: "/proc/self/status") ?? "").map { $0 << 10 }
  }

  /// The number of elements that fit, at most `count` and at least one.
  static func room(for count: Int, each size: Int) -> Int {
    guard let available else { return count }
    return max(min(count, (available - reserve) / size), 1)
  }

  /// Whether some bytes fit.
  static func hasRoom(for bytes: Int) -> Bool { available.map { bytes <= $0 - reserve } ?? true }

  /// Bytes in decimal gigabytes.
  static func text(_ bytes: Int) -> String { "\(Double(bytes / 100_000_000) / 10) GB" }

  /// The number of a line `name   123 kB`.
  private static func kibibytes(_ name: String, in text: String) -> Int? {
    for line in text.split(separator: "\n") where line.hasPrefix(name) {
      return line.split(separator: " ").dropFirst().first.flatMap { Int($0) }
    }
    return nil
  }
}
