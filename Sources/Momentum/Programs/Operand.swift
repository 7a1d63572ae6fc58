/// The vectors that a step works on.
public enum Operand: UInt8, Sendable, Hashable, CaseIterable {
  /// The gradient. A step only reads it; clipping in place is the one program that writes it.
  case gradient
  /// The velocity divided by its scale (see ``UpdateRule``).
  case direction
  /// The parameters.
  case parameters
  /// The averaged parameters divided by their scale (see ``WeightAveraging``).
  case average
  /// The second moment, a decayed mean of the squares of past gradients; see ``UpdateRule/usesSecondMoment``.
  case secondMoment
  /// What a rule makes of gradient and velocity before its transform (``StepOperation/transform``), and the transform's
  /// result after it. Nothing of it is kept from step to step.
  case update
  /// One tile of scratch memory for each thread; it is never moved to or from main memory.
  case copy
}

extension Operand {
  /// The number of operands that are vectors in memory: all but ``copy``, in the order of their raw values.
  static var vectorCount: Int { 6 }
}

extension Operand: CustomStringConvertible {
  /// The name of the case.
  public var description: String {
    switch self {
    case .gradient: "gradient"
    case .direction: "direction"
    case .parameters: "parameters"
    case .average: "average"
    case .secondMoment: "secondMoment"
    case .update: "update"
    case .copy: "copy"
    }
  }
}
