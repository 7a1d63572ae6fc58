/// What was measured of one tensor and what clipping did to it.
public struct TensorReport: Sendable, Hashable, Codable {
  /// The tensor's name.
  public let name: String
  /// The norm before any clipping, `nil` if not measured.
  public let norm: Double?
  /// What norm clips multiplied this tensor with: its own coefficient times the global one. Factors of units are not part of it.
  public let clipCoefficient: Double
  /// Whether a norm clip changed it.
  public let wasClipped: Bool
}
