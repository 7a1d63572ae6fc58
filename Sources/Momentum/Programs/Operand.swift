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

/// A set of ``Operand``s.
struct OperandSet: Sendable {
  private var bits: UInt8 = 0
  mutating func insert(_ operand: Operand) { bits |= 1 &<< operand.rawValue }
  func contains(_ operand: Operand) -> Bool { bits & 1 &<< operand.rawValue != 0 }
  var count: Int { bits.nonzeroBitCount }

  func union(_ other: OperandSet) -> OperandSet {
    var union = self
    union.bits |= other.bits
    return union
  }
}
