/// The reason why units of a gradient are multiplied by factors of their own.
public enum UnitScaling: UInt8, Sendable, Hashable {
  /// A limit of the norm of each unit.
  case clipping
  /// An update rule, for its unit factors.
  case rule
}
