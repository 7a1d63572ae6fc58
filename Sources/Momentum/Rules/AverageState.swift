/// The state of a tensor's average `s·b`, apart from b.
public struct AverageState: Hashable, Sendable, Codable {
  /// The scale s.
  public var scale = 1.0
  /// The number of steps averaged.
  public var count = 0

  /// The state of an average before its first step.
  public init() {}
}
