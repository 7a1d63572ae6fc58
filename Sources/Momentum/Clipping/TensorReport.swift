/// The norm of one tensor, and the effect of clipping on it.
public struct TensorReport: Sendable, Hashable, Codable {
  /// The tensor's name.
  public let name: String
  /// The norm before any clipping, `nil` if not measured.
  public let norm: Double?
  /// The coefficient of this tensor's norm clips: its own times the global one. Factors of units are not part of it.
  public let clipCoefficient: Double
  /// Whether a norm clip changed it.
  public let wasClipped: Bool
}

extension TensorReport: CustomStringConvertible {
  /// One line, for example `tensor 'weight': norm 30.0, clipped by 0.5`.
  public var description: String {
    let measured = norm.map { "norm \($0)" } ?? "norm not measured"
    return "tensor '\(name)': \(measured), \(ClipReport.words(wasClipped, clipCoefficient))"
  }
}
