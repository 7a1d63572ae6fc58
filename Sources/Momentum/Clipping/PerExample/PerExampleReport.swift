/// The norms and counts of per-example gradients, and the effect of clipping on them.
public struct PerExampleReport: Sendable, Hashable, Codable {
  /// The norm of each example's whole gradient. NaN if an element is NaN, else infinite if an element is infinite or
  /// the norm exceeds `Double`; under ``NonFinitePolicy/zero`` the norm of the finite elements.
  public internal(set) var norms: [Double] = []
  /// The number of clipped examples: one number, or one for each layer.
  public internal(set) var clippedCounts: [Int] = []
  /// The number of examples that hold a NaN or an infinity.
  public internal(set) var nonFiniteExamples = 0
  /// Whether the policy ``NonFinitePolicy/skipStep`` left everything as it was.
  public internal(set) var wasSkipped = false
}
