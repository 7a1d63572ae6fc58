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
  /// One tile of scratch memory for each thread; it is never moved to or from main memory.
  case copy
}

extension Operand {
  /// The number of operands that are vectors in memory: all but ``copy``, in the order of their raw values.
  static var vectorCount: Int { 4 }
}

extension Operand: CustomStringConvertible {
  /// The name of the case.
  public var description: String {
    switch self {
    case .gradient: "gradient"
    case .direction: "direction"
    case .parameters: "parameters"
    case .average: "average"
    case .copy: "copy"
    }
  }
}
