/// The reason why units of a gradient are multiplied by factors of their own. Clients read it in programs
/// (``Optimizer/lastPrograms``), but cannot make one: the factors are the engine's.
public struct UnitScaling: Sendable, Hashable, CustomStringConvertible {
  public let description: String
  private init(_ description: String) { self.description = description }

  /// A limit of the norm of each unit.
  static let clipping = UnitScaling("clipping")
  /// An update rule, for its unit factors.
  static let rule = UnitScaling("rule")
}
