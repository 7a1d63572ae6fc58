/// A set of ``Operand``s.
struct OperandSet: Sendable, ExpressibleByArrayLiteral {
  private var bits: UInt8 = 0

  init() {}
  init(arrayLiteral operands: Operand...) {
    for operand in operands { insert(operand) }
  }

  mutating func insert(_ operand: Operand) { bits |= 1 &<< operand.rawValue }
  func contains(_ operand: Operand) -> Bool { bits & 1 &<< operand.rawValue != 0 }
  func isSubset(of other: OperandSet) -> Bool { bits & ~other.bits == 0 }
  var count: Int { bits.nonzeroBitCount }

  func union(_ other: OperandSet) -> OperandSet {
    var union = self
    union.bits |= other.bits
    return union
  }
}
