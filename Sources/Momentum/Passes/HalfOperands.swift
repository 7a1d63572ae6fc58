/// The operands of a call that are not stored as `Scalar`s, which are `Float`s wherever there are such operands. The table
/// has the addresses of their first elements; no pass reads a `Scalar` there.
struct HalfOperands: Sendable, Equatable {
  /// The way in which parameters are stored.
  enum Parameters: Sendable, Equatable {
    /// As numbers of 16 bits.
    case bfloat16(Rounding)
    /// As numbers of 16 bits and what they lack, see ``SplitParameters``.
    case split
  }

  /// The element type of the gradients; `nil` if they are stored as `Scalar`s.
  var gradient: ElementType?
  /// The way in which the parameters are stored; `nil` if as `Scalar`s.
  var parameters: Parameters?
  /// The element type of the copies of the parameters that a step writes; `nil` for none.
  var copy: ElementType?
  /// Whether each tensor's operands are stored as its entry says, and a field above only says whether any are.
  var isMixed = false
  /// The number of the step, 1 for the first, which the random numbers of a step depend on.
  var step = 0
  /// Whether what overflows, other than a velocity, becomes the largest number of its sign.
  var saturates = false

  /// Whether any operand is not stored as `Scalar`s.
  @inline(__always)
  var isUsed: Bool { gradient != nil || parameters != nil || copy != nil }

  /// The way in which a loop keeps the parameters; `nil` for one that no loop has.
  @inline(__always)
  var parametersOfLoop: FusedHalfLoop.Parameters? {
    switch (parameters, copy) {
    case (nil, nil): .float
    case (nil, .bfloat16): .withBFloat16
    case (nil, .float16): .withFloat16
    case (.split, nil): .split
    case (.bfloat16(.nearest), nil): .nearest
    case (.bfloat16(.stochastic), nil): .stochastic
    default: nil
    }
  }

  /// The algorithm for sums of squares of gradients: of half precision always the portable one. Their squares are exact
  /// in `Float`, and to add them in `Double` takes no longer than a dot product.
  @inline(__always)
  func algorithm(_ other: NormAlgorithm) -> NormAlgorithm { gradient == nil ? other : .portable }
}

/// What a table knows of a tensor's operands in half precision besides its entry.
struct HalfEntry {
  /// The way in which the operands are stored, where tensors differ in it.
  var operands = HalfOperands()
  /// The address of the parameters' remainders, or of their copy.
  var second: UnsafeMutableRawPointer?
  /// The key of the random numbers that the parameters are rounded with, and the seed that it was made of.
  var key: UInt64 = 0
  var seed: UInt64?
}
