/// The operands of a table that are stored in half precision. The table has the address of their first element; no pass
/// reads it as a `Scalar`, which is `Float` wherever there are such operands.
struct HalfOperands: Sendable {
  /// The element type of all gradients; `nil` if they are stored as `Scalar`.
  var gradient: ElementType?

  /// Whether any operand is stored in half precision.
  @inline(__always)
  var isUsed: Bool { gradient != nil }

  /// The algorithm for sums of squares of gradients: of half precision always the portable one. Their squares are exact
  /// in `Float`, and to add them in `Double` takes no longer than a dot product.
  @inline(__always)
  func algorithm(_ other: NormAlgorithm) -> NormAlgorithm { gradient == nil ? other : .portable }
}
