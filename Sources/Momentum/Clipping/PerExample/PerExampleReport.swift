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

extension PerExampleReport: CustomStringConvertible {
  /// One line, for example `256 examples of norms 0.25...7.5, 12 clipped, 1 not finite`.
  public var description: String {
    var parts = ["\(norms.count) \(norms.count == 1 ? "example" : "examples")"]
    let finite = norms.filter(\.isFinite)
    if let least = finite.min(), let most = finite.max() { parts[0] += " of norms \(least)...\(most)" }
    if wasSkipped { parts.append("skipped") }
    let counts = clippedCounts.map { "\($0)" }.joined(separator: ", ")
    if clippedCounts.count == 1 { parts.append("\(counts) clipped") }
    if clippedCounts.count > 1 { parts.append("clipped by layer: \(counts)") }
    if nonFiniteExamples > 0 { parts.append("\(nonFiniteExamples) not finite") }
    return parts.joined(separator: ", ")
  }
}
