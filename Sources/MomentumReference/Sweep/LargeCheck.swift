/// One check of vectors with more elements than 32 bits can count.
public struct LargeCheck: Codable, Hashable, Sendable {
  public var name: String
  public var seconds: Double
  public var passed: Bool
  /// The finding, if it is not the expected one.
  public var found: String
}

/// All checks of large vectors.
public struct LargeReport: Codable, Sendable {
  /// The number of elements: 2^31, a tile, and part of another.
  public static let count = 1 << 31 + 2048 + 77

  public var checks: [LargeCheck] = []
  /// The checks for which memory had no room.
  public var leftOut: [String] = []

  /// Whether every check passed that was run; at least one was.
  public var passed: Bool { !checks.isEmpty && checks.allSatisfy(\.passed) }

  /// Runs every check that memory has room for.
  ///
  /// - Parameter progress: Called with the name of each check before it runs.
  /// - Throws: The errors of the library where a check does not expect them.
  /// - Complexity: Some passes over 8.6 GB; writes, and so takes, 17.2 GB.
  public init(progress: (String) -> Void = { _ in }) throws {
    let vectors = try LargeVectors()
    for check in LargeVectors.checks {
      guard MemoryBudget.hasRoom(for: check.bytes) else {
        leftOut.append("\(check.name): takes \(MemoryBudget.text(check.bytes))")
        continue
      }
      progress(check.name)
      let start = ContinuousClock.now
      let found = try check.run(vectors)
      checks.append(
        LargeCheck(
          name: check.name, seconds: (.now - start) / .seconds(1), passed: found.isEmpty,
          found: found.joined(separator: "; ")))
    }
  }
}
