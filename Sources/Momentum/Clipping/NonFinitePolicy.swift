/// What to do when a gradient holds a NaN or an infinity. Elements decide, not the norm, which may exceed its type although
/// every element is finite.
public enum NonFinitePolicy: String, Sendable, Hashable, Codable, CaseIterable {
  /// Arithmetic goes on; what becomes of the gradient depends on the clips and the convention, see <doc:Conventions>.
  case propagate
  /// The step throws ``MomentumError/nonFiniteGradient(tensor:index:value:)``; nothing has been written.
  case `throw`
  /// The step does not happen: parameters, velocity and step count keep their bits; the report says so.
  case skipStep
  /// Every NaN and infinite element counts as 0.
  case zero
}
