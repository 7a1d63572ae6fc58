/// The treatment of a gradient that holds a NaN or an infinity. The elements decide, not the norm, which may exceed its
/// type although every element is finite.
public enum NonFinitePolicy: String, Sendable, Hashable, Codable, CaseIterable {
  /// The step continues with these elements. The result depends on the clips and on the convention, see
  /// <doc:Conventions>.
  case propagate
  /// The step throws ``MomentumError/nonFiniteGradient(tensor:index:value:)``; nothing has been written.
  case `throw`
  /// The step is not taken: parameters, velocity and step count keep their bits, and the report says so.
  case skipStep
  /// Every NaN and infinite element counts as 0.
  case zero
}
