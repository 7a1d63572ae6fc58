/// Who multiplies units of a gradient with factors of their own.
public enum UnitScaling: UInt8, Sendable, Hashable {
  /// A limit of the norm of each unit.
  case clipping
  /// An update rule, for its unit factors.
  case rule
}
